"""What the bench's order of methods hangs on: `python -m woven.sweeps` runs it and writes it down.

One thing is changed at a time, on three sets and two seeds: epochs, length of the context, norm of
the token embeddings (the size of a step), learned tokens of an image, and the ratio b / a. Nothing
of the bench was chosen by these figures but, as README.md says, the number of learned tokens of an
image.
"""

import argparse
import os
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from tabulate import tabulate

from woven import calibrate
from woven.cards import PROJECT, read_results, run_script, write_between
from woven.seeing import load_weights
from woven.shipped import save_weights
from woven.towers import TOKEN_NORM, set_token_norm
from woven.world import CALIBRATION, CENTRES

CARD = Path(__file__).with_name("README.md")
MARKS = "<!-- sweeps: python -m woven.sweeps -->", "<!-- end of sweeps -->"
FOLDERS = {"dtd": "DescribableTextures", "oxford_flowers": "OxfordFlowers", "eurosat": "EuroSAT"}
SEEDS = (1, 2)
EPOCHS = (10, 25, 50, 100, 200, 400)
LENGTHS = (1, 2, 4, 8, 16)
NORMS = (0.1, 0.2, TOKEN_NORM, 0.8, 1.6)
RATIOS = (0.3, 0.6, 1.0, 2.0)
OF_RATIOS = ("CoOp", "ProGrad", "KgCoOp", "TCP")
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


def prepare(work: Path) -> None:
    """Weights of other token norms, and clones whose pictures are of other ratios."""
    work.mkdir(parents=True, exist_ok=True)
    for norm in NORMS:
        path = work / f"norm_{norm}.pt"
        if not path.exists():
            model = load_weights()
            with torch.no_grad():
                set_token_norm(model, norm)
            save_weights(model, path)
    for ratio in RATIOS:
        clone = work / f"ratio_{ratio}"
        if not (clone / "calibrated").exists():
            shutil.rmtree(clone, ignore_errors=True)
            copy_project(clone)
            calibrate.main([f"--ratio={ratio}", f"--out={clone / 'woven'}"])
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

    def run(point: Point) -> None:
        root = args.root.resolve() if point.world == PROJECT else point.world / "output/data"
        seeds = (1,) if point.trainer == "ZeroshotCLIP" else SEEDS
        for folder in FOLDERS:
            run_script(
                "base2new", point.trainer, f"woven_{folder}", "woven", *point.options, root=root,
                output=output_of(point, output), seeds=seeds, project=point.world,
            )  # fmt: skip

    with ThreadPoolExecutor(args.jobs) as pool:
        list(pool.map(run, every))
    text = table(every, output)
    write_between(CARD, MARKS, text)
    print(text)


if __name__ == "__main__":
    main()
