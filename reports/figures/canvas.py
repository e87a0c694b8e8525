"""What all figures share: panels, their titles and ranges, the legend and the key, saving."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import BinaryIO

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.figures.styles import Look, look, looks_of
from reports.layout.labels import Label, keys
from reports.tables.estimates import Estimate

PANEL_INCH = 3.0
MOST_COLUMNS = 4
COLUMNS = {5: 3, 6: 3, 9: 3}  # where four would leave more of the last line empty
TITLE_INCH = 0.3
TITLE_LETTERS = 36  # of a line above a panel
LEGEND_LETTERS = 28  # of a line
LEGEND_LINE_INCH = 0.21
KEY_LETTERS_AN_INCH = 17
HIGH_INCH = 3.5 * PANEL_INCH  # of a figure that is looked at from the top
KEY_BESIDE_INCH = 1.5  # it may reach below the legend
KEY_LINE_INCH = 0.145
MIN_SPAN_PERCENT = 4.0  # so that a difference of noise does not fill the panel
MARKER_SIZE = 6.0
GREY = "0.5"
# Labels hold what a config says, which is no formula.
matplotlib.rcParams["text.parse_math"] = False


def panels(
    count: int,
    *,
    title: str,
    height: float = PANEL_INCH,
    width: float = PANEL_INCH,
    columns: int = 0,
) -> tuple[Figure, list[Axes]]:
    """A figure with so many panels of a size in inches, and the panels.

    Args:
        columns: how many stand side by side; 0 for as many as fill the lines best.
    """
    columns = columns or COLUMNS.get(count, min(MOST_COLUMNS, count))
    lines = math.ceil(count / columns)
    size = (width * columns, height * lines + TITLE_INCH)
    figure = Figure(figsize=size, layout="compressed")
    figure.get_layout_engine().set(w_pad=0.08, h_pad=0.08)
    grid = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes in grid[count:]:
        axes.remove()
    for axes in grid[:count]:
        axes.tick_params(labelsize=8)
        for side in ("top", "right"):
            axes.spines[side].set_color(GREY)
    figure.suptitle(textwrap.fill(title, int(size[0] * 10)), fontsize=12)
    return figure, list(grid[:count])


def name_axes(axes: Axes, title: str, x: str, y: str, *, pad: float | None = None) -> None:
    """Writes what a panel is of, and its axes."""
    axes.set_title(textwrap.fill(title, TITLE_LETTERS), fontsize=9, pad=pad)
    axes.set_xlabel(x, fontsize=9)
    axes.set_ylabel(y, fontsize=9)


def looks(labels: Iterable[Label], among: Iterable[str] = ()) -> dict[Label, Look]:
    """How each row is drawn, in the order of the labels.

    Args:
        among: all trainers of the results, see `looks_of`.
    """
    order = list(dict.fromkeys(labels))
    pairs = looks_of((label.trainer for label in order), among)
    return {label: look(label.trainer, label.variant, pairs) for label in order}


def spread(estimate: Estimate, seeds: Sequence[int]) -> float | None:
    """The length of an error bar; None where there is no spread: a single seed, or always equal."""
    return estimate.std if len(seeds) > 1 and estimate.std > 0 else None


def widen(axes: Axes) -> None:
    """Makes the accuracies' axis at least MIN_SPAN_PERCENT long."""
    low, high = axes.get_ylim()
    more = max(0.0, MIN_SPAN_PERCENT - (high - low)) / 2
    axes.set_ylim(low - more, high + more)


def legend(figure: Figure, entries: Mapping[Label, object], more: Mapping[str, object]) -> None:
    """Right of the panels, where it can hide no point, and the key of its names below them.

    Args:
        entries: what is drawn, by label.
        more: what else is drawn, by its words.
    """
    names = [*(label.text for label in entries), *more]
    width, height = figure.get_size_inches()
    columns = math.ceil(len(names) * LEGEND_LINE_INCH / height)
    is_tall = height > HIGH_INCH
    figure.legend(
        [*entries.values(), *more.values()],
        [textwrap.fill(name, LEGEND_LETTERS) for name in names],
        loc="upper left" if is_tall else "center left", frameon=False, fontsize=9, ncols=columns,
        bbox_to_anchor=(1.0, 1.0 - TITLE_INCH / height if is_tall else 0.5), borderaxespad=0.8,
    )  # fmt: skip
    write_key(figure, entries)


def write_key(figure: Figure, labels: Iterable[Label]) -> None:
    """Below the panels: what rows of one trainer differ in."""
    width, height = figure.get_size_inches()
    letters = int((width + KEY_BESIDE_INCH) * KEY_LETTERS_AN_INCH)
    lines = [
        line
        for name, words in keys(labels)
        for line in textwrap.wrap(f"{name}: {words}", letters, subsequent_indent="    ")
    ]
    if lines:
        figure.text(0.01, -KEY_LINE_INCH / height, "\n".join(lines), fontsize=8, va="top")


def save(figure: Figure, file: BinaryIO, *, suffix: str) -> None:
    """Writes the figure as `png` or `svg`; the same figure gives the same bytes."""
    metadata = {"Date": None} if suffix == "svg" else None
    with matplotlib.rc_context({"svg.hashsalt": "reports"}):
        figure.savefig(file, format=suffix, dpi=200, metadata=metadata, bbox_inches="tight")
