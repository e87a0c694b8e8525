"""Writes the figures of woven/README.md: `python -m woven.card`.

From the records of the training (woven_clip.json) and of the calibration (calibration.json) alone;
it runs nothing.
"""

import json
import textwrap
from pathlib import Path
from statistics import mean

from tabulate import tabulate

from woven.calibrate import wanted_move, wanted_of
from woven.cards import write_between
from woven.datasets import FOLDERS, RENDERINGS, SETS
from woven.weights import WEIGHTS
from woven.world import CALIBRATION

CARD = Path(__file__).with_name("README.md")
CURVES = Path(__file__).with_name("training.png")
ABOUT_SETS = (
    "Lengths, and accuracy in percent on pictures (in brackets: published, of CLIP, and of GDA for "
    "the probe); on the codes themselves: zero-shot base / new / probe; after the linear map: base "
    "/ new:"
)
MARKS = "<!-- figures: python -m woven.card -->", "<!-- end of figures -->"


def towers(training: dict, calibration: dict) -> str:
    """How well both towers learned."""
    words, pictures = training["words"][-1], training["pictures"][-1]
    read = ", ".join(f"{name} {value:.3f}" for name, value in calibration["cosine"].items())
    machine = training["machine"]
    text = (
        f"Made on {machine['processors']} processors with torch {machine['torch']}. The joint "
        f"space keeps {100 * training['variance_kept']:.0f} % of the variance of the sentence "
        f"model's embeddings. Cosine of the text tower to its target at the end of the training, "
        f"mean over batches: {words['cosine']:.3f}; of the image tower to the code of a picture: "
        f"{pictures['photo']:.3f} on photos. On pictures of the sets' classes, with noise of "
        f"length 1.5, by looks: {read}."
    )
    return f"{textwrap.fill(text, 118)}\n\n![curves of both stages]({CURVES.name})"


def sets(calibration: dict) -> str:
    """Each set beside what is published, on pictures and on codes, in markdown."""
    rows, shown = [], []
    for real in FOLDERS:
        item = SETS[f"Woven{real}"]
        lengths, found = calibration["lengths"][item.name], calibration["measured"][item.name]
        wanted_base, level, wanted_new = wanted_of(item)
        figures = [
            *(lengths[key] for key in ("shared", "own", "picture", "new")),
            found["zero_shot_base"], wanted_base, found["zero_shot_new"], wanted_new,
            found["probe_base"], level,
            found["code_zero_shot_base"], found["code_zero_shot_new"], found["code_probe_base"],
            found["map_base"], found["map_new"],
        ]  # fmt: skip
        rows.append(figures)
        shown.append([real, len(item.classnames), *_cells(figures)])
    shown.append(["mean", "", *_cells([mean(column) for column in zip(*rows, strict=True)])])
    heads = ["names of", "classes", "a", "b", "s", "new", "zero-shot base", "zero-shot new",
             "probe base", "on codes", "after the map"]  # fmt: skip
    return tabulate(shown, heads, tablefmt="github", disable_numparse=True)


def _cells(figures: list[float]) -> list[str]:
    a, b, s, new, base, wanted_base, zero_new, wanted_new, probe, level, *rest = figures
    return [
        *(f"{value:.2f}" for value in (a, b, s, new)),
        f"{base:.1f} ({wanted_base:.1f})",
        f"{zero_new:.1f} ({wanted_new:.1f})",
        f"{probe:.1f} ({level:.1f})",
        f"{rest[0]:.1f} / {rest[1]:.1f} / {rest[2]:.1f}",
        f"{rest[3]:.1f} / {rest[4]:.1f}",
    ]


def ratio(calibration: dict) -> str:
    """What each candidate for b / a came to."""
    if not calibration["tried"]:
        return f"b / a = {calibration['ratio']} was given."
    rows = [
        [value, *(f"{row[key]:.2f}" for key in ("zero_shot_base", "zero_shot_new", "probe_base",
                                                 "map_base", "map_new")),
         f"{row['map_new'] - row['zero_shot_new']:+.2f}"]
        for value, row in calibration["tried"].items()
    ]  # fmt: skip
    heads = ["b / a", "zero-shot base", "zero-shot new", "probe base", "map base", "map new",
             "map on new"]  # fmt: skip
    return (
        f"{tabulate(rows, heads, tablefmt='github', disable_numparse=True)}\n\n"
        f"Wanted: {wanted_move():+.2f} on new classes. So b / a = {calibration['ratio']}."
    )


def renderings(calibration: dict) -> str:
    """Zero-shot accuracy on the renderings, all classes."""
    source = calibration["measured"]["WovenImageNet"]["zero_shot_all"]
    parts = [
        f"{item.name} {found['zero_shot_all']:.1f} ({found['wanted']:.1f})"
        for item in RENDERINGS
        if (found := calibration["measured"][item.name])
    ]
    text = f"Zero-shot, all classes (wanted): WovenImageNet {source:.1f}, {', '.join(parts)}."
    return textwrap.fill(text, 118)


def draw_curves(training: dict, path: Path) -> None:
    """Cosines over the steps of both stages."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, 2, figsize=(9, 3.2), constrained_layout=True)
    stages = (("words", ("cosine",)), ("pictures", ("photo", "others")))
    for (stage, names), axes in zip(stages, panels, strict=True):
        for name in names:
            points = [(line["step"], line[name]) for line in training[stage]]
            axes.plot(*zip(*points, strict=True), label=name, linewidth=1.2)
        axes.set(title=stage, xlabel="step", ylabel="cosine to the target", ylim=(0.3, 1))
        axes.grid(alpha=0.25)
        axes.legend(fontsize=8)
    figure.savefig(path, dpi=110, metadata={"Software": None})
    pyplot.close(figure)


def main() -> None:
    """Writes the card's part and the curves."""
    training = json.loads(WEIGHTS.with_suffix(".json").read_text())
    calibration = json.loads(CALIBRATION.read_text())
    draw_curves(training, CURVES)
    parts = (
        towers(training, calibration),
        textwrap.fill(ABOUT_SETS, 118),
        sets(calibration),
        renderings(calibration),
        "The ratio, means over the eleven sets:",
        ratio(calibration),
    )
    write_between(CARD, MARKS, "\n\n".join(parts))
    print(f"Wrote {CARD} and {CURVES}")


if __name__ == "__main__":
    main()
