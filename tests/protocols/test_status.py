"""The table of states, how far runs are, Slurm's scripts: all from folders."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from protocols import failure, main, slurm
from protocols.cell import Plan
from protocols.live import Progress, progress_of, seconds
from protocols.saved import load, load_all, save
from protocols.state import LOCK, state_of
from protocols.status import table
from protocols.timing import Timing, clock
from tests.protocols.made_up import cell, result_of
from whole_files import lock


@pytest.fixture
def cells(tmp_path):
    """One of each state."""
    made = [cell(tmp_path, name, "0") for name in ("done", "failed", "running", "waiting", "stale")]
    (tmp_path / "done").mkdir()
    (tmp_path / "done/result.json").write_text("{}")
    failure.note(made[1], "first\nerror: no such thing")
    for name in ("running", "stale"):
        (tmp_path / name).mkdir()
    (tmp_path / "running/log.txt").write_text(
        "epoch [3/50] batch [5/20] time 0.1 (0.1) loss 1 (1) lr 1e-3 eta 1 day, 2:00:05\n"
        "epoch [3/50] mean loss 0.1\n"
    )
    dead = {"host": "here", "pid": 1, "since": "noon", "token": "00ff"}
    (tmp_path / "stale/run.lock").write_text(json.dumps(dead | {"process": "x-7-1"}))
    os.utime(tmp_path / "stale/run.lock", (0, 0))
    with lock.held(tmp_path / "running", LOCK):
        yield made


def test_the_table_says_how_far_everything_is(cells, tmp_path):
    states = {one.name: state_of(one) for one in cells}
    assert {name: state.value for name, state in states.items()} == {
        one.name: one.name for one in cells
    }
    lines = table(Plan(cells), states).splitlines()
    assert lines[0].split() == ["Method", "Data", "set", "done", "running", "failed", "blocked",
                                "stale", "waiting"]  # fmt: skip
    assert lines[1].split() == ["Made", "up", "1", "1", "1", "1", "1"]
    assert lines[2] == "5 runs: 1 done, 1 running, 1 failed, 1 waiting, 1 stale"
    assert "  running: epoch 3 of 50, 1 day, 2:00:05 left" in lines
    assert "  failed: error: no such thing" in lines
    assert f"    {tmp_path}/failed/failed.json" in lines


def test_progress_and_times(cells):
    assert progress_of(cells[2]).left_sec == seconds("1 day, 2:00:05") == 93605
    assert progress_of(cells[3]) is None
    timing = Timing()
    assert timing.left(cells, 2) is None
    for measured in (2.0, 4.0, 30.0):
        timing.add(cells[0], measured)
    assert timing.left(cells, 2) == 5 * 4 / 2 and clock(93605) == "1 day, 2:00:05"


def test_a_run_that_is_gone_on_with_is_as_far_as_its_newest_log(cells, tmp_path):
    newest = tmp_path / "running/log.txt-2026-01-01-00-00-00"
    newest.write_text("epoch [9/50] batch [5/20] eta 0:00:07\n")
    os.utime(tmp_path / "running/log.txt", (1, 1))
    assert progress_of(cells[2]) == Progress(9, 50, 7)


def test_what_waits_for_a_failed_one_is_blocked_and_awaited_by_nobody(tmp_path, capsys):
    bad = cell(tmp_path, "bad", "fails")
    behind = [cell(tmp_path, "far", "0", needs=("near",)), cell(tmp_path, "near", needs=("bad",))]
    failure.note(bad, "error: no such thing\n(TRACEBACK=1 shows where)")
    save(Plan([*behind, bad]), str(tmp_path))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OUTPUT", str(tmp_path))
        assert main.main(["status", "--watch"]) == 1  # it ends
    said = capsys.readouterr().out
    assert "3 runs: 1 failed, 2 blocked\n" in said and "bad: error: no such thing\n" in said


def test_lists_are_saved_and_the_last_request_of_a_folder_counts(tmp_path, cells):
    first = save(Plan(cells), str(tmp_path))
    assert load(first) == cells
    changed = [cell(tmp_path, "waiting", "1"), cell(tmp_path, "more", "0")]
    other = save(Plan(changed), str(tmp_path))
    os.utime(first, (1, 1))
    assert first != other and load_all(str(tmp_path)).cells == [
        *cells[:3], changed[0], cells[4], changed[1],
    ]  # fmt: skip
    # The same names with other arguments: an array of Slurm still reads the list of before.
    again = save(Plan([cell(tmp_path, one.name, "7") for one in cells]), str(tmp_path))
    assert again != first and load(first) == cells
    other.write_text("[1]")
    with pytest.raises(ValueError, match="is no list of cells"):
        load(other)


def test_slurm_gets_what_is_left_those_that_need_others_behind(tmp_path, monkeypatch, capsys):
    cells = [cell(tmp_path, f"c{i}", "0") for i in range(6)]
    cells += [
        cell(tmp_path, "test", "0", needs=("c5",)),
        cell(tmp_path, "free", "0", needs=("c2",)),
    ]
    (tmp_path / "c2").mkdir()
    (tmp_path / "c2/result.json").write_text(json.dumps(result_of(cells[2])))
    (tmp_path / "c3").mkdir()  # of another run: train.py is to say so
    (tmp_path / "c3/result.json").write_text(json.dumps(result_of(cells[4])))
    path = save(Plan(cells), str(tmp_path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    args = main.parsed(["base2new", "--slurm", str(tmp_path / "array.sh"), "--jobs", "4", "CoOp"])
    slurm.write_script(args, path, Plan(cells))
    said = capsys.readouterr().out
    assert f"part2=$(sbatch --parsable --dependency=afterany:$part1 {tmp_path}/array_2.sh)" in said
    assert "array_2.sh: 1 runs" in said
    text = (tmp_path / "array.sh").read_text()
    assert "#SBATCH --array=0-1,3-5,7%4\n" in text
    assert "#SBATCH --array=6%4\n" in (tmp_path / "array_2.sh").read_text()
    assert "\n#SBATCH --gpus=1\n" in text and "gpus-per-task" not in text
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert "gpus" not in slurm.script([1], path, None, part=1)
    assert subprocess.run(["bash", "-n", tmp_path / "array.sh"]).returncode == 0
    monkeypatch.setattr("train.main", lambda argv: print("error: it ends") or 1)
    assert main.main(["cell", str(path), "6"]) == 1
    assert "error: c5 is not done, and test needs it" in capsys.readouterr().err
    monkeypatch.setattr(sys, "argv", sys.argv)
    assert main.main(["cell", str(path), "5"]) == 1
    assert failure.noted(cells[5]).why == "error: it ends"
    assert main.main(["cell", str(path), "8"]) == 1
    assert "NUMBER must be one of 0 to 7; got 8" in capsys.readouterr().err


def test_the_command_shows_what_was_started_and_needs_no_torch(tmp_path, cells):
    project = Path(main.__file__).parents[1]
    command = [sys.executable, "-X", "importtime", "-m", "protocols", "status", "--watch"]
    environment = os.environ | {"OUTPUT": str(tmp_path)}
    done = subprocess.run(
        command[:-1], cwd=project, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 1 and "nothing was started in" in done.stderr
    save(Plan(cells[:2]), str(tmp_path))
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True)
    assert done.returncode == 1 and "2 runs: 1 done, 1 failed" in done.stdout
    assert "| torch" not in done.stderr and "| numpy" not in done.stderr
