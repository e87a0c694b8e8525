"""What the bench's order of methods hangs on: `python -m woven.sweeps` runs it and writes it down.

One thing is changed at a time, on three sets, one seed: epochs, length of the context, norm of
the token embeddings (the size of a step), learned tokens of an image, the ratio b / a, and the size
of the text tower. Nothing of the bench was chosen by these figures.

Text towers of three sizes are trained alike, by `woven.make` with an eighth of the shipped one's
steps; its folder output/woven serves what it holds: captions' embeddings and the image tower.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from tabulate import tabulate

from woven.cards import PROJECT, read_results, run, run_script, write_between
from woven.seeing import load_weights
from woven.shipped import save_weights
from woven.towers import set_token_norm
from woven.weights import WEIGHTS
from woven.world import CALIBRATION, CENTRES

CARD = Path(__file__).with_name("README.md")
MARKS = "<!-- sweeps: python -m woven.sweeps -->", "<!-- end of sweeps -->"
FOLDERS = {"dtd": "DescribableTextures", "oxford_flowers": "OxfordFlowers", "eurosat": "EuroSAT"}
SEEDS = (1,)
EPOCHS = (10, 50, 200, 400)
LENGTHS = (1, 4, 16)
NORMS = (0.1, 1.6)  # shipped: 0.4
RATIOS = (0.5, 2.0)  # beside the shipped one
OF_RATIOS = ("CoOp", "KgCoOp", "TCP")
TOWERS = ((64, 4), (128, 2), (128, 4))  # width and layers of the text tower
WORD_STEPS = 500  # of their training
OF_TOWERS = ("CoOp", "KgCoOp")  # that need no certain number of layers
MADE = PROJECT / "output/woven"
PUBLISHED_TOKENS = {"VPT": 8, "IVLP": 4, "PromptSRC": 4}  # of an image


@dataclass(frozen=True)
class Point:
    """One value of one sweep.

    Attributes:
        sweep, value: what is changed, and to what.
        trainer: the method.
        options: KEY VALUE pairs.
        world: a clone with other pictures; the project itself by default.
    """

    sweep: str
    value: str
    trainer: str
    options: tuple[str, ...] = field(default=())
    world: Path = PROJECT


def points(work: Path) -> Iterator[Point]:
    """Every value of every sweep; zero-shot where it is another one."""
    yield Point("zero-shot", "", "ZeroshotCLIP")
    for epochs in EPOCHS:
        yield Point("epochs", str(epochs), "CoOp", ("OPTIM.MAX_EPOCH", str(epochs)))
    for length in LENGTHS:
        pairs = ("TRAINER.COOP.N_CTX", str(length), "TRAINER.COOP.CTX_INIT", "")
        yield Point("random context tokens", str(length), "CoOp", pairs)
    for norm in NORMS:
        weights = ("MODEL.BACKBONE.NAME", str(work / f"norm_{norm}.pt"))
        yield Point("token norm", str(norm), "CoOp", (*weights, "MODEL.BACKBONE.ACTIVATION",
                                                      "quick_gelu"))  # fmt: skip
    for trainer, tokens in PUBLISHED_TOKENS.items():
        pairs = (f"TRAINER.{trainer.upper()}.N_CTX_VISION", str(tokens))
        yield Point("tokens of an image", str(tokens), trainer, pairs)
        yield Point("tokens of an image", "1", trainer)
    for ratio in RATIOS:
        for trainer in ("ZeroshotCLIP", *OF_RATIOS):
            yield Point("b / a", str(ratio), trainer, world=work / f"ratio_{ratio}")
    for width, layers in TOWERS:
        size = f"{width} x {layers}"
        for trainer in ("ZeroshotCLIP", *OF_TOWERS):
            yield Point("text tower", size, trainer, world=tower_folder(work, width, layers))


def prepare(work: Path) -> None:
    """Weights of other token norms, and clones with other ratios and text towers."""
    work.mkdir(parents=True, exist_ok=True)
    for norm in NORMS:
        path = work / f"norm_{norm}.pt"
        if not path.exists():
            model = load_weights()
            with torch.no_grad():
                set_token_norm(model, norm)
            save_weights(model, path)
    for ratio in RATIOS:
        calibrated_clone(work / f"ratio_{ratio}", ratio)

    def tower(size: tuple[int, int]) -> Path:
        return make_tower(tower_folder(work, *size).with_suffix(".made"), *size)

    with ThreadPoolExecutor(os.cpu_count()) as pool:  # each on one core
        weights = list(pool.map(tower, TOWERS))
    for (width, layers), path in zip(TOWERS, weights, strict=True):
        calibrated_clone(tower_folder(work, width, layers), shipped_ratio(), weights=path)


def tower_folder(work: Path, width: int, layers: int) -> Path:
    """Of a clone whose text tower is of this size; others of other training steps."""
    return work / f"tower_{width}x{layers}_{WORD_STEPS}"


def shipped_ratio() -> float:
    """b / a of the shipped pictures."""
    return json.loads(CALIBRATION.read_text())["ratio"]


def make_tower(folder: Path, width: int, layers: int) -> Path:
    """Weights with another text tower, made in `folder`; what MADE holds is not made again."""
    weights = folder / "woven_clip.pt"
    if not weights.exists():
        folder.mkdir(exist_ok=True)
        for name in ("pictures.pt", "pictures.jsonl", "embeddings"):
            if (MADE / name).exists() and not (folder / name).exists():
                (folder / name).symlink_to(MADE / name)
        run([sys.executable, "-m", "woven.make", f"--text-width={width}",
             f"--text-layers={layers}", f"--word-steps={WORD_STEPS}", f"--work={folder}",
             f"--out={weights}"], OMP_NUM_THREADS="1")  # fmt: skip
    return weights


def calibrated_clone(clone: Path, ratio: float, weights: Path | None = None) -> None:
    """A clone of the project whose pictures are calibrated with a ratio, and with other weights."""
    if (clone / "calibrated").exists():
        return
    shutil.rmtree(clone, ignore_errors=True)
    copy_project(clone)
    if weights is not None:
        shutil.copy2(weights, clone / WEIGHTS.relative_to(PROJECT))
        checksum = hashlib.sha256(weights.read_bytes()).hexdigest()
        source = clone / "woven/weights.py"
        source.write_text(re.sub('SHA256 = ".*"', f'SHA256 = "{checksum}"', source.read_text()))
    run([sys.executable, "-m", "woven.calibrate", f"--ratio={ratio}"], clone)
    (clone / "calibrated").touch()


def copy_project(folder: Path) -> None:
    """The tracked files of the project but for where pictures stand."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    left_out = {path.relative_to(PROJECT) for path in (CENTRES, CALIBRATION)}
    for line in listed.stdout.splitlines():
        if Path(line) not in left_out and (PROJECT / line).is_file():
            (folder / line).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / line, folder / line)


def output_of(point: Point, output: Path) -> Path:
    """Run folder of a point: results of two points never share one."""
    return output / f"{point.sweep} {point.value}".strip().replace(" / ", "_").replace(" ", "_")


def table(all_points: list[Point], output: Path) -> str:
    """Base / new of each point, means over the three sets and the seeds, in markdown."""
    rows = []
    for point in all_points:
        found = read_results(output_of(point, output))
        means = [
            np.mean([
                value
                for real in FOLDERS.values()
                for value in found[f"Woven{real}", point.trainer, subset].values()
            ])
            for subset in ("base", "new")
        ]  # fmt: skip
        rows.append([point.sweep, point.value, point.trainer, f"{means[0]:.1f} / {means[1]:.1f}"])
    heads = ["changed", "to", "method", "base / new"]
    return tabulate(rows, heads, tablefmt="github", disable_numparse=True)


def main(argv: list[str] | None = None) -> None:
    """Runs what is missing, then writes the card's part."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("output/sweeps"), help="run folders")
    parser.add_argument("--root", type=Path, default=Path("output/data"), help="data sets")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="runs at a time")
    args = parser.parse_args(argv)
    output = args.output.resolve()
    prepare(output / "worlds")
    every = list(points(output / "worlds"))

    def run_point(point: Point) -> None:
        root = args.root.resolve() if point.world == PROJECT else point.world / "output/data"
        seeds = (1,) if point.trainer == "ZeroshotCLIP" else SEEDS
        for folder in FOLDERS:
            run_script(
                "base2new", point.trainer, f"woven_{folder}", "woven", *point.options, root=root,
                output=output_of(point, output), seeds=seeds, project=point.world,
            )  # fmt: skip

    with ThreadPoolExecutor(args.jobs) as pool:
        list(pool.map(run_point, every))
    text = table(every, output)
    write_between(CARD, MARKS, text)
    print(text)


if __name__ == "__main__":
    main()
