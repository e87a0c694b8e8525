"""Does the bench rank methods as the papers do? `python -m woven.ranking` runs and counts.

Ten methods with published averages over the eleven data sets, each with its published recipe but
for images and their augmentation, backbone and depth (configs/trainers/*/woven.yaml), on the eleven
woven sets. Spearman's
rank correlation of ours with the published averages, on base classes, new ones and their harmonic
mean, with a bootstrap interval over data sets and seeds. Runs that are finished are not done again.
"""

import argparse
import csv
import os
import textwrap
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import rankdata
from tabulate import tabulate

from woven.calibrate import NUMBERS
from woven.cards import read_results, run_script, write_between
from woven.datasets import FOLDERS

# Trainer -> the name of its published average, over all eleven data sets, in base_to_new.csv.
METHODS = {
    "ZeroshotCLIP": "CLIP",
    "CoOp": "CoOp",
    "CoCoOp": "CoCoOp",
    "ProGrad": "ProGrad",
    "KgCoOp": "KgCoOp",
    "TCP": "TCP",
    "VPT": "Deep Vision Prompting",
    "IVLP": "Independent V-L Prompting (20 epochs)",
    "MaPLe": "MaPLe",
    "PromptSRC": "PromptSRC",
}
OF_IMAGES = ("VPT", "IVLP", "MaPLe", "PromptSRC")  # these learn tokens of the image
SEEDS = (1, 2, 3)
RESAMPLES = 10_000
WHAT = ("base", "new", "HM")
CARD = Path(__file__).with_name("README.md")
PLOT = Path(__file__).with_name("ranking.png")
MARKS = "<!-- ranking: python -m woven.ranking -->", "<!-- end of ranking -->"


def published() -> np.ndarray:
    """Averages of the papers [M, 3]: base, new, HM of the averages."""
    with (NUMBERS / "base_to_new.csv").open(newline="") as file:
        rows = {row["method"]: row for row in csv.DictReader(file) if row["dataset"] == "average"}
    found = [(float(rows[name]["base"]), float(rows[name]["new"])) for name in METHODS.values()]
    return with_hm(np.array(found))


def with_hm(accuracies: np.ndarray) -> np.ndarray:
    """Base and new [..., 2] to base, new and their harmonic mean [..., 3]."""
    base, new = accuracies[..., 0], accuracies[..., 1]
    return np.stack([base, new, 2 * base * new / (base + new)], axis=-1)


def spearman(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Rank correlation over methods, of [..., M] with [M]; ties share their mean rank."""
    a = rankdata(ours, axis=-1)
    b = rankdata(theirs)
    a = a - a.mean(-1, keepdims=True)
    b = b - b.mean()
    return (a * b).sum(-1) / np.sqrt((a**2).sum(-1) * (b**2).sum())


@dataclass(frozen=True)
class Agreement:
    """Rank correlation and its bootstrap interval (95 %)."""

    value: float
    low: float
    high: float


def agreement(ours: np.ndarray, theirs: np.ndarray, seed: int = 0) -> dict[str, Agreement]:
    """By base, new, HM.

    Args:
        ours: accuracy [methods, sets, seeds, 2] on base and new classes, percent.
        theirs: published averages [methods, 3].
    """
    rng = np.random.default_rng(seed)
    methods, sets, seeds, _ = ours.shape
    chosen = rng.integers(0, sets, (RESAMPLES, sets))
    seed_of = rng.integers(0, seeds, (RESAMPLES, sets, seeds))  # of each chosen set anew
    drawn = ours[:, chosen[..., None], seed_of]  # [methods, RESAMPLES, sets, seeds, 2]
    resampled = with_hm(drawn.mean((2, 3)))
    whole = with_hm(ours.mean((1, 2)))
    result = {}
    for k, what in enumerate(WHAT):
        spread = spearman(resampled[..., k].T, theirs[:, k])
        low, high = np.quantile(spread, (0.025, 0.975))
        value = float(spearman(whole[:, k], theirs[:, k]))
        result[what] = Agreement(value, float(low), float(high))
    return result


def collect(output: Path) -> np.ndarray:
    """Accuracy [methods, sets, seeds, 2] below `output`; zero-shot's one seed stands for all.

    Raises:
        FileNotFoundError: a result is missing; it names the first.
    """
    found = read_results(output)
    ours = np.empty((len(METHODS), len(FOLDERS), len(SEEDS), 2))
    for m, trainer in enumerate(METHODS):
        for d, real in enumerate(FOLDERS):
            for s, seed in enumerate(SEEDS):
                for h, subset in enumerate(("base", "new")):
                    wanted = 1 if trainer == "ZeroshotCLIP" else seed
                    key = f"Woven{real}", trainer, subset
                    if wanted not in found.get(key, {}):
                        raise FileNotFoundError(
                            f"{output} has no result of {trainer} on {key[0]}, {subset} classes, "
                            f"seed {wanted}. Run python -m woven.ranking again; it does what is "
                            "missing."
                        )
                    ours[m, d, s, h] = found[key][wanted]
    return ours


def table(ours: np.ndarray, theirs: np.ndarray) -> str:
    """Both averages of every method, and the rank correlations, in markdown."""
    whole = with_hm(ours.mean((1, 2)))
    spread = with_hm(ours.mean(1)).std(1)  # over seeds of the average over sets
    rows = []
    for m, trainer in enumerate(METHODS):
        cells = [f"{whole[m, k]:.2f} \u00b1 {spread[m, k]:.2f}" for k in range(3)]
        rows.append([trainer, *cells, " / ".join(f"{x:.2f}" for x in theirs[m])])
    words = [m for m, trainer in enumerate(METHODS) if trainer not in OF_IMAGES]
    heads = ["method", "base", "new", "HM", "published base / new / HM"]
    text = (
        "Means over sets and seeds, \u00b1 population standard deviation over seeds of the mean "
        "over sets. Spearman's rank correlation with the published averages, in brackets the 95 % "
        f"bootstrap interval over data sets and seeds: {_agreed(ours, theirs)}; without zero-shot, "
        f"whose base and new accuracy are the published ones by construction: "
        f"{_agreed(ours[1:], theirs[1:])}; of the six that learn no tokens of the image: "
        f"{_agreed(ours[words], theirs[words])}."
    )
    shown = tabulate(rows, heads, tablefmt="github", disable_numparse=True)
    return f"{shown}\n\n{textwrap.fill(text, 118)}"


def _agreed(ours: np.ndarray, theirs: np.ndarray) -> str:
    return ", ".join(
        f"{what} {a.value:.2f} ({a.low:.2f} to {a.high:.2f})"
        for what, a in agreement(ours, theirs).items()
    )


def each_set(ours: np.ndarray) -> str:
    """Base / new of every method on every set, means over seeds, in markdown."""
    rows = []
    for d, real in enumerate(FOLDERS):
        means = ours[:, d].mean(1)
        rows.append([real, *(f"{base:.1f} / {new:.1f}" for base, new in means)])
    return tabulate(rows, ["names of", *METHODS], tablefmt="github", disable_numparse=True)


def draw(ours: np.ndarray, theirs: np.ndarray, path: Path) -> None:
    """Ours against published, a panel each for base, new and HM."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    whole, agreed = with_hm(ours.mean((1, 2))), agreement(ours, theirs)
    figure, panels = pyplot.subplots(1, 3, figsize=(12, 4.2), constrained_layout=True)
    for k, (what, axes) in enumerate(zip(WHAT, panels, strict=True)):
        axes.scatter(theirs[:, k], whole[:, k], color="black", s=18)
        axes.set(xlabel="published average (%)", ylabel="woven sets (%)")
        axes.set_title(f"{what}: Spearman {agreed[what].value:.2f}")
        axes.margins(0.18)
        axes.grid(alpha=0.25)
        figure.canvas.draw()  # so that points have their places
        _label(axes, theirs[:, k], whole[:, k])
    figure.savefig(path, dpi=110, metadata={"Software": None})
    pyplot.close(figure)


def _label(axes, x: np.ndarray, y: np.ndarray) -> None:
    """Names each point where its name covers the fewest other names and points."""
    places = axes.transData.transform(np.stack([x, y], axis=1))  # pixels
    unit = axes.figure.dpi / 72  # pixels of a typographic point
    taken = [(*(place - 3 * unit), *(place + 3 * unit)) for place in places]
    for m, name in enumerate(METHODS):
        best = None
        for side, rise in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
            left = places[m][0] + (4 if side > 0 else -4 - 4.9 * len(name)) * unit
            low = places[m][1] + (2 if rise > 0 else -10) * unit
            box = (left, low, left + 4.9 * len(name) * unit, low + 8 * unit)
            window = axes.bbox.extents
            covered = sum(
                box[0] < b[2] and b[0] < box[2] and box[1] < b[3] and b[1] < box[3] for b in taken
            ) + 9 * (box[0] < window[0] or box[2] > window[2])
            if best is None or covered < best[0]:
                best = covered, box, side, rise
        _, box, side, rise = best
        taken.append(box)
        axes.annotate(
            name, (x[m], y[m]), xytext=(4 * side, 2 if rise > 0 else -10),
            textcoords="offset points", fontsize=8, ha="left" if side > 0 else "right",
        )  # fmt: skip


def main(argv: list[str] | None = None) -> None:
    """Runs what is missing, then writes the card's part and the plot."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("output/ranking"), help="run folders")
    parser.add_argument("--root", type=Path, default=Path("output/data"), help="data sets")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="runs at a time")
    args = parser.parse_args(argv)
    root, output = args.root.resolve(), args.output.resolve()
    work = [(trainer, folder) for folder in FOLDERS.values() for trainer in METHODS]

    def run(item: tuple[str, str]) -> None:
        trainer, folder = item
        seeds = (1,) if trainer == "ZeroshotCLIP" else SEEDS
        run_script("base2new", trainer, f"woven_{folder}", root=root, output=output, seeds=seeds)

    with ThreadPoolExecutor(args.jobs) as pool:
        list(pool.map(run, work))
    ours, theirs = collect(output), published()
    draw(ours, theirs, PLOT)
    text = f"{table(ours, theirs)}\n\n![ours against published]({PLOT.name})\n\n{each_set(ours)}"
    write_between(CARD, MARKS, text)
    print(table(ours, theirs))
    print(f"Wrote {CARD} and {PLOT}")


if __name__ == "__main__":
    main()
