"""How long threads spin while they wait for each other: a run alone, and beside a busy process.

    python -m benchmarks.waiting [--repeats 3]

Each way is a process of its own, since OpenMP reads its settings once: two epochs of CoOp on the
base classes of PocketShapes, images encoded anew, from start to end.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from tabulate import tabulate

from benchmarks.protocol import PROJECT
from promptkit.stores.feature_store import ENVIRONMENT
from startup import FEW_SPINS, SPINS, WAIT

WAYS = {  # {name: settings of OpenMP}
    f"{WAIT} ACTIVE (torch's own)": {WAIT: "ACTIVE"},
    f"{WAIT} PASSIVE": {WAIT: "PASSIVE"},
    f"PASSIVE, {SPINS} {FEW_SPINS} (ours)": {WAIT: "PASSIVE", SPINS: FEW_SPINS},
    "one thread": {"OMP_NUM_THREADS": "1"},
}


@contextlib.contextmanager
def busy_process() -> Iterator[None]:
    """Another process that computes all the time."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def seconds(settings: dict[str, str], data: Path) -> float:
    """Of one run, with new folders for its results and stored features."""
    inherited = {k: v for k, v in os.environ.items() if k not in (WAIT, SPINS, "OMP_NUM_THREADS")}
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable, str(PROJECT / "train.py"), "--root", str(data), "--trainer", "CoOp",
            "--seed", "1", "--output-dir", f"{folder}/run",
            "--dataset-config-file", str(PROJECT / "configs/datasets/pocket_shapes.yaml"),
            "--config-file", str(PROJECT / "configs/trainers/CoOp/pocket.yaml"),
            "DATASET.NUM_SHOTS", "16", "DATASET.SUBSAMPLE_CLASSES", "base", "OPTIM.MAX_EPOCH", "2",
        ]  # fmt: skip
        environment = inherited | settings | {ENVIRONMENT: f"{folder}/features"}
        start = time.perf_counter()
        subprocess.run(command, env=environment, check=True, capture_output=True)
        return time.perf_counter() - start


def main(arguments: list[str] | None = None) -> int:
    """Measures in turn, so that a slow minute of the machine meets all ways; prints the medians."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.waiting", description=__doc__)
    parser.add_argument("--repeats", type=int, default=3, help="runs of each way (3)")
    repeats = parser.parse_args(arguments).repeats
    found: dict[tuple[str, bool], list[float]] = {}
    with tempfile.TemporaryDirectory() as data:
        seconds({}, Path(data))  # draws the images
        for busy in (False, True):
            with busy_process() if busy else contextlib.nullcontext():
                for _ in range(repeats):
                    for name, settings in WAYS.items():
                        found.setdefault((name, busy), []).append(seconds(settings, Path(data)))
    rows = [
        (name, *(f"{median(times):.1f} ({min(times):.1f} to {max(times):.1f})" for times in pair))
        for name in WAYS
        for pair in [(found[name, False], found[name, True])]
    ]
    headers = ("threads wait", "alone (s)", "beside a busy process (s)")
    print(f"{os.cpu_count()} cores")
    print(tabulate(rows, headers=headers, tablefmt="pipe", colalign=("left", "right", "right")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
