"""What cards are made with: scripts are run, results are read, a part of a page is replaced."""

import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

PROJECT = Path(__file__).parents[1]
Accuracies = dict[tuple[str, str, str], dict[int, float]]  # (set, trainer, subset) -> seed -> %


def run(command: Sequence[str], project: Path = PROJECT, **settings: str) -> None:
    """Runs a command in the project's folder with this Python, and prints its last line.

    Args:
        project: a clone of it.
        settings: of its environment.

    Raises:
        RuntimeError: it failed; the end of what it printed is in the message.
    """
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {key: value for key, value in os.environ.items() if key != "DRY_RUN"}
    environment |= {"VIRTUAL_ENV": sys.prefix, "PATH": path} | settings
    done = subprocess.run(
        command, cwd=project, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    if done.returncode:
        tail = "\n".join(done.stdout.splitlines()[-15:])
        raise RuntimeError(f"{' '.join(command)} failed ({done.returncode}):\n{tail}")
    print(*done.stdout.splitlines()[-1:], flush=True)


def run_script(
    protocol: str, trainer: str, datasets: str, *options: str,
    root: Path, output: Path, seeds: Sequence[int], shots: int = 16, project: Path = PROJECT,
) -> None:  # fmt: skip
    """Runs scripts/<protocol>.sh on one core; finished runs are kept. Raises what `run` does."""
    run(
        ["bash", f"scripts/{protocol}.sh", trainer, datasets, *options], project,
        DATA=str(root), OUTPUT=str(output), SEEDS=" ".join(map(str, seeds)), SHOTS=str(shots),
        OMP_NUM_THREADS="1",
    )  # fmt: skip


def read_results(output: Path) -> Accuracies:
    """Test accuracy of every result below `output`.

    Raises:
        ValueError: two results are of one set, trainer, subset and seed, or of different weights.
    """
    found: Accuracies = defaultdict(dict)
    places: dict[tuple, Path] = {}
    weights: dict[str, Path] = {}
    for path in sorted(output.rglob("result.json")):
        result = json.loads(path.read_text())
        key = result["dataset"], result["trainer"], result["subset"]
        other = places.setdefault((*key, result["seed"]), path)
        weights.setdefault(result["weights_sha256"], path)
        if other != path or len(weights) > 1:
            other = other if other != path else min(weights.values())
            raise ValueError(f"{other} and {path} are not of one experiment. Move one away.")
        found[key][result["seed"]] = result["metrics"]["accuracy"]
    return found


def write_between(path: Path, marks: tuple[str, str], text: str) -> None:
    """Replaces what stands between two lines of a page.

    Raises:
        ValueError: the page has not both.
    """
    first, last = marks
    before, begin, rest = path.read_text().partition(first)
    _, end, after = rest.partition(last)
    if not begin or not end:
        raise ValueError(f"{path} must hold the lines {first!r} and {last!r}; put them back.")
    path.write_text(f"{before}{begin}\n{text}\n{end}{after}")
