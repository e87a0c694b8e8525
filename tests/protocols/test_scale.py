"""Figures of docs/scale.md: the planner's own cost, the same table from runs side by side."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from promptkit.files import checksum
from protocols.cell import Plan
from protocols.expanding import plan_of
from protocols.places import PROJECT
from protocols.plan_file import read_plan
from protocols.planner import Planner
from protocols.saved import load, save
from protocols.screen import Screen
from protocols.state import State
from tests.protocols import made_up

PLAN = """
output: {output}
protocols: [base2new, few_shot]
methods: [ZeroshotCLIP, CoOp, CoCoOp, KgCoOp, ProGrad, MaPLe, PromptSRC, TCP, E2MIM, GDA, ZSLP,
          CLAP]
datasets: woven
shots: [1, 2, 4, 8, 16]
seeds: [1, 2, 3, 4, 5, 6]
"""
EQUAL = ("metrics", "confused", "per_class", "logits_sha256", "shot_list_sha256", "chosen")


def test_ten_thousand_cells_cost_the_planner_two_seconds(tmp_path):
    """Of this process: reading the plan, its cells, their states, giving each out, its end."""
    (tmp_path / "plan.yaml").write_text(PLAN.format(output=tmp_path / "out"))
    begin = time.process_time()
    plan = plan_of(read_plan(str(tmp_path / "plan.yaml"), {}).requests)
    path = save(plan, str(tmp_path))
    screen = Screen(str(tmp_path / "logs"))
    planner = Planner(plan, made_up.Instant(), screen)
    planner.run()
    screen.close()
    seconds = time.process_time() - begin
    print(f"{len(plan.cells):,} cells: {seconds:.2f} s of the planner")
    assert len(plan.cells) >= 10_000 and set(planner.states.values()) == {State.DONE}
    assert load(path) == plan.cells and seconds < 4  # on a busy machine


@pytest.mark.scale
def test_ten_thousand_finished_cells_cost_it_little_more(tmp_path, monkeypatch):
    """Their results, of the size of real ones, are read and compared with the files of now."""
    cells = [made_up.cell(tmp_path, f"c{i}") for i in range(10_000)]
    files = [*PROJECT.glob("trainers/*.py"), *PROJECT.glob("configs/trainers/CoOp/*.yaml")]
    sums = {os.path.relpath(path, PROJECT): checksum(path) for path in files}
    result = {
        "trainer": "CoOp", "dataset": "Made", "subset": "all", "seed": 1,
        "metrics": {"accuracy": 50.0, "error_rate": 50.0, "macro_f1": 50.0},
        "config": {f"KEY_{i}": "of a setting" for i in range(250)},
    }  # fmt: skip
    for one in cells:
        Path(one.folder).mkdir()
        content = result | {"inputs": {"argv": one.argv, "files": sums}}
        Path(one.folder, "result.json").write_text(json.dumps(content))
    screen = Screen(str(tmp_path / "logs"))
    begin = time.process_time()
    planner = Planner(Plan(cells), made_up.Instant(), screen)
    planner.run()
    print(f"10,000 finished cells: {time.process_time() - begin:.2f} s of the planner")
    assert not planner.offered and set(planner.states.values()) == {State.DONE}


@pytest.mark.scale
def test_runs_side_by_side_make_the_table_of_the_loops_of_before(tmp_path):
    """SCALE_METHODS: the methods (default a few), SCALE_SETS, SCALE_SEEDS; -rP prints the times."""
    methods = os.environ.get("SCALE_METHODS", "ZeroshotCLIP CoOp GDA").split()
    words = [os.environ.get("SCALE_SETS", "pocket_sizes,pocket_grounds"), *methods]
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "VIRTUAL_ENV": sys.prefix,
        "DATA": str(tmp_path / "data"), "SEEDS": os.environ.get("SCALE_SEEDS", "1 2 3"),
        "SHOTS": "2", "OMP_NUM_THREADS": "1", "PROMPTKIT_FEATURES": str(tmp_path / "features"),
    }  # fmt: skip

    def bash(output: str, *command: str, **more: str) -> str:
        own = environment | {"OUTPUT": str(tmp_path / output)} | more
        done = subprocess.run(["bash", *command], cwd=PROJECT, env=own, capture_output=True,
                              text=True)  # fmt: skip
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return done.stdout

    # What is drawn and encoded is there for both.
    bash("warm", "scripts/compare.sh", words[0], "ZeroshotCLIP", SEEDS="1")
    commands = bash("before", "scripts/compare.sh", *words, DRY_RUN="1")
    begin = time.monotonic()
    bash("before", "-ec", commands)
    middle = time.monotonic()
    bash("now", "scripts/compare.sh", *words, JOBS="2")
    end = time.monotonic()
    tables, results = [], []
    for output in ("before", "now"):
        table = ["-c", f"python -m reports base2new --output {tmp_path / output}"]
        tables.append([line for line in bash(output, *table).splitlines() if line.startswith("|")])
        paths = (tmp_path / output).rglob("result.json")
        results.append({str(path.relative_to(tmp_path / output)): json.loads(path.read_text())
                        for path in paths})  # fmt: skip
    print("\n".join(tables[1]))
    print(f"{len(results[0])} runs: {middle - begin:.0f} s one after the other, each in a process "
          f"of its own; {end - middle:.0f} s by 2 workers")  # fmt: skip
    assert tables[0] == tables[1] and len(tables[0]) > 2
    assert results[0].keys() == results[1].keys()
    for name, result in results[0].items():
        for key in EQUAL:
            assert result[key] == results[1][name][key], (name, key)
