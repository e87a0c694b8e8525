"""How far pictures are from words: `python -m woven.calibrate` writes calibration and centres.

Four lengths of each data set (see `codes`) are found by four conditions. No tuned method that the
bench ranks has a part in any of them, neither its results here nor its published ones.

1. Zero-shot accuracy on base classes is CLIP's published one.
2. A linear probe from 16 pictures a class reaches on base classes what GDA's published accuracy
   there is: the level that 16 pictures teach, by a method that tunes no prompt.
3. Zero-shot accuracy on new classes is CLIP's published one: by the factor of new classes.
4. The ratio b / a is one number for all sets: with it a linear map of image features that is fitted
   on base classes and held to the identity, ProLIP's, moves new classes in the mean as its paper's
   row with "a photo of a {}." says (74.22 to 74.78; its row with templates, 73.86, is not used).

1 and 2 are met by Broyden's method, 3 by bisection, as near as each set allows. All are measured
on pictures, read by the image tower. Renderings have a and b of their source, a direction A of
their own, and s such that zero-shot accuracy keeps its published ratio to ImageNet's.
"""

import argparse
import csv
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import TypeVar

import numpy as np
import torch

from woven.codes import Lengths, centres
from woven.datasets import FOLDERS, RENDERINGS, SETS, WovenSet
from woven.seeing import (
    Classes,
    Eyes,
    accuracy,
    classes_of,
    cosine_to_codes,
    halves,
    load_weights,
    measure,
    probe,
    zero_shot,
)
from woven.world import CALIBRATION, CENTRES, save_world

NUMBERS = Path(__file__).parents[1] / "reports" / "published" / "numbers"
RATIOS = (0.5, 0.7, 1.0, 1.4, 2.0)  # candidates for b / a
EVALUATIONS = 18  # of a set, for conditions 1 and 2
VARIANTS = ("imagenetv2", "imagenet_sketch", "imagenet_a", "imagenet_r")  # as RENDERINGS
PROLIP = 'ProLIP ("a photo of a {}.")'


T = TypeVar("T")


def published(method: str) -> dict[str, tuple[float, float]]:
    """Base and new accuracy by the short name of the data set."""
    with (NUMBERS / "base_to_new.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["method"] == method]
    return {row["dataset"]: (float(row["base"]), float(row["new"])) for row in rows}


def published_variants() -> dict[str, float]:
    """CLIP's accuracy on ImageNet and its variants."""
    with (NUMBERS / "domain_generalization.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["method"] == "CLIP"]
    return {row["target"]: float(row["accuracy"]) for row in rows}


def solve(value: Callable[[float], float], wanted: float, high: float, steps: int) -> float:
    """Where a falling function has a value, by bisection between 0 and `high`."""
    low = 0.0
    for _ in range(steps):
        middle = (low + high) / 2
        low, high = (middle, high) if value(middle) > wanted else (low, middle)
    return (low + high) / 2


def meet(
    value: Callable[[np.ndarray], np.ndarray], wanted: np.ndarray, start: np.ndarray, steps: int
) -> np.ndarray:
    """The best place found where a vector function has a vector value, by Broyden's method.

    Args:
        value: counts, so it has small steps: slopes are taken over 0.15.
        wanted: percent.
        start: where the search begins; it goes on in steps of at most 0.5.
        steps: evaluations.

    Returns:
        The place whose largest difference to `wanted` is the smallest.
    """
    place, found = start, value(start)
    best = np.abs(found - wanted).max(), place
    slopes = np.stack(
        [(value(place + 0.15 * one) - found) / 0.15 for one in np.eye(len(place))], axis=1
    )
    for _ in range(steps - len(place) - 1):
        step = np.clip(np.linalg.lstsq(slopes, wanted - found, rcond=1e-2)[0], -0.5, 0.5)
        if not step.any():
            break
        place, before = place + step, found
        found = value(place)
        best = min(best, (np.abs(found - wanted).max(), place), key=lambda pair: pair[0])
        slopes += np.outer(found - before - slopes @ step, step) / (step @ step)
    return best[1]


def calibrate(
    item: WovenSet, classes: Classes, ratio: float, eyes: Eyes, wanted: tuple[float, float, float]
) -> Lengths:
    """The lengths by conditions 1 to 3, given the ratio.

    Args:
        wanted: zero-shot on base, probe on base, zero-shot on new classes, percent.
    """
    zero_base, by_probe, zero_new = wanted
    base, _ = halves(classes.words)
    own_half = classes.part(base)

    def lengths_at(place: np.ndarray) -> Lengths:
        own, picture = np.exp(place).tolist()
        return Lengths(own / ratio, own, picture)

    def value(place: np.ndarray) -> np.ndarray:
        seen = eyes.see(item, own_half, lengths_at(place))
        return np.array([accuracy(seen["test"], own_half.words), probe(seen, classes.words)])

    found = meet(value, np.array([zero_base, by_probe]), np.log([0.5, 1.8]), EVALUATIONS)
    lengths = lengths_at(found)

    def new(factor: float) -> float:
        seen = eyes.see(item, classes, replace(lengths, new=factor), ("test",))
        return zero_shot(seen, classes.words)[1]

    return replace(lengths, new=solve(new, zero_new, 3.0, 9))


def wanted_of(item: WovenSet) -> tuple[float, float, float]:
    """Published zero-shot on base, probe's level on base, zero-shot on new classes."""
    key = FOLDERS[item.real]
    zero_base, zero_new = published("CLIP")[key]
    return zero_base, published("GDA")[key][0], zero_new


def means(rows: list[dict[str, float]]) -> dict[str, float]:
    """Of each column."""
    return {key: round(mean(row[key] for row in rows), 2) for key in rows[0]}


def over_sets(task: Callable[[WovenSet], T]) -> list[T]:
    """The task's results on the eleven sets, in threads of one core each."""
    torch.set_num_threads(1)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(task, [SETS[f"Woven{real}"] for real in FOLDERS]))


def wanted_move() -> float:
    """By how much ProLIP moves the average of new classes from zero-shot CLIP's, as published."""
    return published(PROLIP)["average"][1] - published("CLIP")["average"][1]


def choose_ratio(
    named: dict[str, Classes], eyes: Eyes
) -> tuple[float, dict[str, dict[str, float]]]:
    """Condition 4, where a line through what the candidates came to meets it; what they came to."""
    tried = {}
    for ratio in RATIOS:

        def row(item: WovenSet, ratio: float = ratio) -> dict[str, float]:
            classes = named[item.name]
            return measure(
                item, classes, calibrate(item, classes, ratio, eyes, wanted_of(item)), eyes
            )

        tried[ratio] = means(over_sets(row))
        print(f"ratio {ratio}: {tried[ratio]}", flush=True)
    moves = [row["map_new"] - row["zero_shot_new"] for row in tried.values()]
    slope, level = np.polyfit(np.log(RATIOS), moves, 1)
    found = float(np.exp((wanted_move() - level) / slope))
    if not RATIOS[0] <= found <= RATIOS[-1]:
        raise ValueError(
            f"No ratio from {RATIOS[0]} to {RATIOS[-1]} moves new classes by {wanted_move():.2f}: "
            f"they move them by {moves}. Widen RATIOS, or give --ratio."
        )
    return round(found, 2), {str(ratio): row for ratio, row in tried.items()}


def rendering(
    item: WovenSet, classes: Classes, source: Lengths, eyes: Eyes, wanted: float, steps: int = 8
) -> Lengths:
    """Lengths of a rendering: those of its source, but s gives the wanted zero-shot accuracy."""

    def value(picture: float) -> float:
        seen = eyes.see(item, classes, replace(source, picture=picture), ("test",))
        return accuracy(seen["test"], classes.words)

    return replace(source, picture=solve(value, wanted, 8.0, steps))


def main(argv: list[str] | None = None) -> None:
    """Decides the ratio unless it is given, then the lengths, and writes both files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ratio", type=float, help="b / a, instead of condition 4")
    parser.add_argument("--out", type=Path, default=CALIBRATION.parent, help="folder of both files")
    args = parser.parse_args(argv)
    if args.ratio is not None and args.ratio <= 0:
        parser.error(f"--ratio must be above 0; got {args.ratio}")
    model = load_weights()
    named = {name: classes_of(model, item) for name, item in SETS.items()}
    read = cosine_to_codes(model.visual, named)
    eyes = Eyes(model.visual)
    ratio, tried = (args.ratio, {}) if args.ratio is not None else choose_ratio(named, eyes)

    def settle(item: WovenSet) -> tuple[Lengths, dict[str, float]]:
        found = calibrate(item, named[item.name], ratio, eyes, wanted_of(item))
        row = measure(item, named[item.name], found, eyes)
        on_codes = measure(item, named[item.name], found, Eyes(None))
        print(f"{item.name}: {found} {row}", flush=True)
        return found, row | {f"code_{key}": value for key, value in on_codes.items()}

    settled = dict(zip(map("Woven{}".format, FOLDERS), over_sets(settle), strict=True))
    lengths = {name: found for name, (found, _) in settled.items()}
    measured = {name: row for name, (_, row) in settled.items()}
    source = SETS["WovenImageNet"]
    levels = published_variants()
    for item, key in zip(RENDERINGS, VARIANTS, strict=True):
        level = levels[key] / levels["imagenet"] * measured[source.name]["zero_shot_all"]
        found = rendering(item, named[item.name], lengths[source.name], eyes, level)
        seen = eyes.see(item, named[item.name], found, ("test",))
        measured[item.name] = {"zero_shot_all": accuracy(seen["test"], named[item.name].words)}
        measured[item.name]["wanted"] = level
        lengths[item.name] = found
        print(f"{item.name}: {found} {measured[item.name]}", flush=True)
    middles = {
        name: centres(name, named[name].meaning, lengths[name], own_of=item.rendering_of)
        for name, item in SETS.items()
    }
    save_world(args.out, middles, lengths, ratio=ratio, tried=tried, cosine=read, measured=measured)
    print(f"Wrote {args.out / CENTRES.name} and {args.out / CALIBRATION.name}")


if __name__ == "__main__":
    main()
