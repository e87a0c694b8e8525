"""`--slurm FILE`: an array script over the cells, for a scheduler that is there already.

A task of the array carries out one cell. Cells that need others stand in a second array, which
Slurm starts when the first has ended; those whose need has failed then say so and end. Each task
asks for one GPU, unless CUDA_VISIBLE_DEVICES is set to nothing where the scripts are written.
"""

import argparse
import os
import shlex
import sys
from pathlib import Path

from protocols import finished, gpus
from protocols.cell import Plan
from protocols.places import PROJECT
from whole_files import replacing

LAST_TASK = 1_000  # the highest number that Slurm's default MaxArraySize, 1001, allows
SCRIPT = """#!/usr/bin/env bash
# {title}
# Written by python -m protocols; the same command writes it anew, without what is done by then.
#SBATCH --array={array}{limit}
{gpus}#SBATCH --output={output}/slurm-%A_%a.log
#SBATCH --requeue
#SBATCH --signal=B:TERM@60
cd {project} || exit 1
exec {python} -m protocols cell {list} "$SLURM_ARRAY_TASK_ID"
"""


def write_script(args: argparse.Namespace, path: Path, plan: Plan) -> None:
    """Writes the scripts and says how to submit them."""
    waves = waves_of(plan)
    files = []
    for number, wave in enumerate(waves):
        file = Path(args.slurm)
        if number:
            file = file.with_name(f"{file.stem}_{number + 1}{file.suffix}")
        files.append(file)
        with replacing(file) as partial:
            partial.write_text(script(wave, path, args.jobs, part=number + 1))
            partial.chmod(0o755)
        print(f"{file}: {len(wave):,} runs")
    last = max(map(max, waves), default=0)
    if last > LAST_TASK:
        print(f"Note: tasks go to {last:,}, and Slurm's MaxArraySize allows {LAST_TASK:,}")
        print("unless it was configured: split the plan by data sets or seeds.")
    if not files:
        print("All runs are done: there is nothing to submit")
        return
    for number, file in enumerate(files):
        behind = f"--dependency=afterany:$part{number} " * bool(number)
        print(f"part{number + 1}=$(sbatch --parsable {behind}{shlex.quote(str(file))})")


def waves_of(plan: Plan) -> list[list[int]]:
    """Numbers of unfinished cells: first those that need none of these, and so on."""
    depth: dict[str, int] = {}
    waves: dict[int, list[int]] = {}
    for number, cell in enumerate(plan.cells):
        if finished.is_done(cell):
            continue
        depth[cell.name] = max((depth[name] + 1 for name in cell.needs if name in depth), default=0)
        waves.setdefault(depth[cell.name], []).append(number)
    return [waves[number] for number in sorted(waves)]


def script(numbers: list[int], path: Path, jobs: int | None, *, part: int) -> str:
    """The array script of cells by their numbers in a saved list."""
    return SCRIPT.format(
        title=f"Part {part}: {len(numbers):,} runs of {path}", array=ranges(numbers),
        limit=f"%{jobs}" if jobs else "", gpus="" if _is_cpu_meant() else "#SBATCH --gpus=1\n",
        output=path.absolute().parents[1], project=shlex.quote(os.fspath(PROJECT)),
        python=shlex.quote(sys.executable), list=shlex.quote(os.fspath(path.absolute())),
    )  # fmt: skip


def _is_cpu_meant() -> bool:
    return os.environ.get(gpus.VISIBLE) == ""


def ranges(numbers: list[int]) -> str:
    """Ascending numbers as Slurm writes them: 1-3,7."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and parts[-1][1] == number - 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ",".join(f"{a}-{b}" if a != b else f"{a}" for a, b in parts)
