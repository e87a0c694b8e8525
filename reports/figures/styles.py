"""One colour and one marker for each method, whatever else is in the figure.

The trainers that ship have theirs in a table. Other names take one of 26 further pairs, which their
own letters choose. The rows of one trainer differ in how the marker is filled.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from matplotlib.colors import to_hex, to_rgb

from reports.layout.grid import PUBLISHED
from reports.runs.logs_of_others import SUFFIX
from reports.tables.comparisons import PAPERS_NAMES

# Colours in an order in which each and those 1 and 3 places on are told apart by colour-blind
# readers too: these three share a marker. Most are Okabe and Ito's.
SHIPPED = {
    "ProGrad": ("#D9C400", "v"),
    "CoOp": ("#0072B2", "s"),
    "LinearProbe": ("#8C564B", "p"),
    "IVLP": ("#CC79A7", ">"),
    "MaPLe": ("#E69F00", "P"),
    "PromptSRC": ("#332288", "X"),
    "ZeroshotCLIP": ("#000000", "o"),
    "ZeroshotCLIP2": ("#888888", "h"),
    "VPT": ("#A6CE39", "<"),
    "TCP": ("#882255", "d"),
    "CoCoOp": ("#56B4E9", "^"),
    "KgCoOp": ("#009E73", "D"),
    "E2MIM": ("#D55E00", "*"),
}
ALIASES = {
    **{theirs: ours for ours, theirs in PAPERS_NAMES.items()},
    "Linear probe CLIP": "LinearProbe",
}
LOG = f" {SUFFIX}"  # behind the trainers of parsed logs
STEPS = (1, 3)
# Shapes look as large as they are.
SIZES = {"*": 1.5, "d": 1.15, "P": 1.15, "X": 1.1, "s": 0.95, "D": 0.85}
FILLS = ("full", "none", "left", "bottom", "right", "top")
TINTS = ("", "white", "black")  # what the colour is mixed with once all fills are taken
MIXED = 0.45


def _further_pairs() -> tuple[tuple[str, str], ...]:
    """The pairs that tell most apart, then all others."""
    colours, markers = zip(*SHIPPED.values(), strict=True)
    count = len(colours)
    good = [(colours[(i + step) % count], markers[i]) for step in STEPS for i in range(count)]
    every = [(colour, marker) for marker in markers for colour in colours]
    return tuple(dict.fromkeys([*good, *(x for x in every if x not in SHIPPED.values())]))


FURTHER = _further_pairs()
BEST = len(STEPS) * len(SHIPPED)


@dataclass(frozen=True)
class Look:
    """How a row is drawn.

    Attributes:
        fill: one of FILLS.
    """

    colour: str
    marker: str
    fill: str = "full"

    def point(self, size: float) -> dict[str, object]:
        """What matplotlib's lines take for the marker."""
        is_open = self.fill == "none"
        return {
            "marker": self.marker,
            "color": self.colour,
            "markersize": size * SIZES.get(self.marker, 1.0),
            "fillstyle": "full" if is_open else self.fill,
            "markerfacecolor": "white" if is_open else self.colour,
            "markerfacecoloralt": "white",
            "markeredgecolor": self.colour if is_open else "black",
            "markeredgewidth": 1.2 if is_open else 0.6,
        }


def looks_of(names: Iterable[str], among: Iterable[str] = ()) -> dict[str, tuple[str, str]]:
    """The colour and the marker of each trainer or published method.

    A name that does not ship takes the pair that its letters choose, or the next one that no other
    name took: of those in `among` first, so that all figures of these agree.
    """
    pairs, taken = {}, set()
    for name in [*sorted(set(map(plain, among))), *sorted(set(map(plain, names)))]:
        if name in pairs:
            continue
        pairs[name] = SHIPPED.get(name) or _free_pair(name, taken)
        taken.add(pairs[name])
    return pairs


def _free_pair(name: str, taken: set[tuple[str, str]]) -> tuple[str, str]:
    start = int(hashlib.sha256(name.encode()).hexdigest(), 16) % BEST
    turned = [*FURTHER[start:BEST], *FURTHER[:start], *FURTHER[BEST:]]
    return next((pair for pair in turned if pair not in taken), turned[0])


def plain(name: str) -> str:
    """The method behind a row's trainer: a log's and a published one are the method's too."""
    name = name.removesuffix(f" {PUBLISHED}").removesuffix(LOG)
    return ALIASES.get(name, name)


def look(trainer: str, variant: int, pairs: dict[str, tuple[str, str]]) -> Look:
    """How one of a trainer's rows is drawn."""
    colour, marker = pairs[plain(trainer)]
    turns, fill = divmod(variant, len(FILLS))
    # A log's row beside a run's of the same trainer looks different.
    tint = TINTS[(turns + trainer.endswith(LOG)) % len(TINTS)]
    if tint:
        mixed = zip(to_rgb(colour), to_rgb(tint), strict=True)
        colour = to_hex([(1 - MIXED) * own + MIXED * other for own, other in mixed])
    return Look(colour, marker, FILLS[fill])
