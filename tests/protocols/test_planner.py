"""The planner on made-up runs: order, failures, crashes, two at once, kills, signals."""

import json
import os
import random
import signal
import sys
import threading
import time
from collections import Counter

import pytest

import train
from protocols import alone, failure, finished, planner, state, worker
from protocols.local_pool import LocalPool
from protocols.pool import Ended
from protocols.state import State, state_of
from tests.protocols import made_up
from tests.protocols.made_up import Instant, cell, journal, planned
from whole_files import lock


@pytest.fixture(autouse=True)
def _made_up(monkeypatch):
    monkeypatch.setattr(train, "main", made_up.main)
    monkeypatch.setattr(planner, "POLL_SEC", 0.02)
    monkeypatch.setattr(finished, "is_finished", lambda *_: True)


def states(cells) -> list[str]:
    return [state_of(one).value for one in cells]


def processes(output) -> set[str]:
    return {line[2] for line in journal(output)}


def test_one_worker_carries_out_cells_in_order_and_what_is_finished_stays(tmp_path, capfd):
    cells = [cell(tmp_path, name, "0") for name in "abcde"]
    assert set(planned(cells).states.values()) == {State.DONE}
    assert [line[0] for line in journal(tmp_path) if line[1] == "ended"] == list("abcde")
    assert len(processes(tmp_path)) == 1 and str(os.getpid()) not in processes(tmp_path)
    assert capfd.readouterr().out.endswith("Progress: 5 done\n")
    planned(cells)
    assert len(journal(tmp_path)) == 10
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["result.json"]


def test_what_a_cell_needs_comes_first_and_a_failure_stops_only_what_needs_it(tmp_path, capfd):
    cells = [
        cell(tmp_path, "late", "0", needs=("early",)),
        cell(tmp_path, "early", "0.05"),
        cell(tmp_path, "bad", "fails"),
        cell(tmp_path, "after_bad", "0", needs=("bad",)),
    ]
    done = planned(cells, 2)
    order = [line[0] for line in journal(tmp_path) if line[1] == "begun"]
    assert order.index("early") < order.index("late") and "after_bad" not in order
    assert states(cells) == ["done", "done", "failed", "waiting"]
    assert done.failures == {"bad": "first line\nerror: it does not work"}
    assert failure.noted(cells[2]).why == done.failures["bad"]
    # Not again, unless that is said; with other arguments it is another run.
    assert planned(cells).failures == done.failures
    assert Counter(line[0] for line in journal(tmp_path))["bad"] == 1
    planned(cells, retry=True)
    assert Counter(line[0] for line in journal(tmp_path))["bad"] == 2
    mended = [*cells[:2], cell(tmp_path, "bad", "0"), cells[3]]
    assert states(mended)[2] == "waiting"
    planned(mended)
    assert states(mended) == ["done"] * 4 and not (tmp_path / "bad/failed.json").exists()


@pytest.mark.parametrize(
    ("word", "why"),
    [("kills itself", "error: its process ended, killed by SIGKILL"),
     ("raises", "RuntimeError: a mistake"), ("misspelt", "")],
)  # fmt: skip
def test_a_crash_takes_only_its_worker_along(tmp_path, word, why):
    cells = [cell(tmp_path, "first", "0"), cell(tmp_path, "bad", word), cell(tmp_path, "last", "0")]
    done = planned(cells)
    assert states(cells) == ["done", "failed", "done"]
    assert done.failures["bad"].endswith(why)
    assert len(processes(tmp_path)) == 1 + (word != "misspelt")


def test_cells_that_share_features_follow_the_one_that_makes_them(tmp_path):
    cells = [cell(tmp_path, f"{key}{i}", "0.05", shares=(key,)) for key in "xy" for i in range(3)]
    planned(cells, 4)
    lines = [line[:2] for line in journal(tmp_path)]
    for key in "xy":
        made = lines.index((f"{key}0", "ended"))
        assert all(lines.index((f"{key}{i}", "begun")) > made for i in (1, 2))
    assert len(processes(tmp_path)) > 1
    # Where the one that would make them fails, another one does.
    cells = [cell(tmp_path, "z0", "fails", shares=("z",)), cell(tmp_path, "z1", "0", shares=("z",))]
    planned(cells, 2)
    assert states(cells) == ["failed", "done"]


def test_a_cell_that_somebody_else_holds_is_left_to_them(tmp_path):
    cells = [cell(tmp_path, name, "0") for name in "ab"]
    with lock.held(cells[0].folder, state.LOCK):
        assert states(cells) == ["running", "waiting"]
        assert worker.carry_out(cells[0]) is worker.Outcome.ELSEWHERE
    child = os.fork()
    if child == 0:
        with lock.held(cells[0].folder, state.LOCK):
            time.sleep(0.3)
            made_up.main(list(cells[0].argv))
        os._exit(0)
    while state_of(cells[0]) is not State.RUNNING:
        time.sleep(0.01)
    planned(cells)
    os.waitpid(child, 0)
    assert states(cells) == ["done", "done"]
    assert [line for line in journal(tmp_path) if line[0] == "a"][0][2] == str(child)
    assert len(journal(tmp_path)) == 4


def test_what_a_dead_one_left_is_stale_and_gone_on_with(tmp_path):
    one = cell(tmp_path, "a", "0")
    child = os.fork()
    if child == 0:
        with lock.held(one.folder, state.LOCK):
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert state_of(one) is State.STALE
    planned([one])
    assert state_of(one) is State.DONE
    assert os.listdir(one.folder) == ["result.json"]


def test_a_task_of_its_own_awaits_who_holds_its_cell_and_takes_over_from_the_dead(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(alone, "POLL_SEC", 0.01)
    one = cell(tmp_path, "a", "0")
    child = os.fork()
    if child == 0:
        with lock.held(one.folder, state.LOCK):
            time.sleep(0.2)
            os.kill(os.getpid(), signal.SIGKILL)
    while state_of(one) is not State.RUNNING:
        time.sleep(0.01)
    threading.Timer(0.3, os.waitpid, (child, 0)).start()
    assert alone.carry_out_alone(one, {}) == 0
    assert capsys.readouterr().out == "a is held by somebody else: waiting for their end\n"
    assert [line[:2] for line in journal(tmp_path)] == [("a", "begun"), ("a", "ended")]


def test_what_a_task_needs_is_asked_of_train_where_it_is_not_known(tmp_path, monkeypatch):
    first = cell(tmp_path, "first", "0")
    one = cell(tmp_path, "one", "0", needs=("first",))
    with pytest.raises(ValueError, match="first is not done, and one needs it"):
        alone.carry_out_alone(one, {"first": first})
    (tmp_path / "first").mkdir()
    (tmp_path / "first/result.json").write_text("{}")
    assert alone.carry_out_alone(one, {"first": first}) == 0
    monkeypatch.setattr(train, "main", lambda argv: print("error: of other settings") or 1)
    with pytest.raises(ValueError, match="first is not done"):
        alone.carry_out_alone(one, {"first": first})


def test_a_failure_of_somebody_else_since_is_not_tried_again(tmp_path, capsys):
    one = cell(tmp_path, "bad", "fails")
    assert worker.carry_out(one) is worker.Outcome.FAILED
    capsys.readouterr()
    assert worker.carry_out(one) is worker.Outcome.FAILED
    assert capsys.readouterr().err == "first line\nerror: it does not work\n"
    assert [line[1] for line in journal(tmp_path)] == ["begun"]
    (tmp_path / "bad/result.json").write_text("{}")  # by hand, later
    assert state_of(one) is State.DONE
    os.utime(tmp_path / "bad/result.json", (0, 0))
    assert state_of(one) is State.FAILED


def test_a_crash_is_noted_under_the_lock_alone(tmp_path):
    one = cell(tmp_path, "a", "0")
    with lock.held(one.folder, state.LOCK):
        planner._note_crash(one, "killed")
    assert failure.noted(one) is None
    planner._note_crash(one, "killed")
    assert failure.noted(one).why == "killed" and os.listdir(one.folder) == ["failed.json"]


class _Elsewhere(Instant):
    """Somebody else has every cell, though their lock does not look alive."""

    count = 0

    def events(self, timeout_sec: float):
        time.sleep(0.001)
        for one in self.started:
            self.count += 1
            is_over = self.count == 3
            yield Ended(one, worker.Outcome.DONE if is_over else worker.Outcome.ELSEWHERE)
        self.started.clear()


def test_a_cell_that_is_elsewhere_is_not_offered_again_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(planner, "POLL_SEC", 0.1)
    pool, begin = _Elsewhere(), time.monotonic()
    planner.Planner(planner.Plan([cell(tmp_path, "a", "0")]), pool, planner.Screen()).run()
    assert pool.count == 3 and time.monotonic() - begin > 0.2


def test_what_another_planner_has_just_finished_counts_as_long_as_it_took(tmp_path):
    cells = [cell(tmp_path, "a"), cell(tmp_path, "b", "0")]
    done = planner.Planner(planner.Plan(cells), Instant(), planner.Screen())
    (tmp_path / "a").mkdir()
    seconds = {"seconds": {"train": 60.0, "test": 7.0}}
    done.begun["a"] = time.monotonic()
    (tmp_path / "a/result.json").write_text(json.dumps(made_up.result_of(cells[0], **seconds)))
    done._take(Ended(cells[0], worker.Outcome.DONE))
    assert done.timing.expected(cells[1]) == 67


def planner_process(cells, jobs: int, log) -> int:
    """Forks a planner; its process number."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        with open(log, "a", buffering=1) as sys.stdout:
            os.dup2(sys.stdout.fileno(), 1)
            os.dup2(sys.stdout.fileno(), 2)
            import ending

            ending.watch()
            planned(cells, jobs)
            code = 0
    except SystemExit as end:
        code = end.code
    finally:
        os._exit(code)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_the_planner_and_its_workers_and_the_same_call_goes_on(
    tmp_path, monkeypatch, number, code
):
    signal.signal(signal.SIGINT, signal.default_int_handler)
    cells = [cell(tmp_path, "long", "30"), cell(tmp_path, "short", "0")]
    child = planner_process(cells, 2, tmp_path / "log")
    while states(cells) != ["running", "done"]:
        time.sleep(0.01)
    begin = time.monotonic()
    os.kill(child, number)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == code
    assert time.monotonic() - begin < 10
    (at_work,) = {line[2] for line in journal(tmp_path) if line[0] == "long"}
    with pytest.raises(ProcessLookupError):
        os.kill(int(at_work), 0)
    assert states(cells) == ["waiting", "done"]  # not failed, and no lock is left
    monkeypatch.setattr(time, "sleep", lambda _: None)
    planned(cells)
    assert states(cells) == ["done", "done"]


def kill_and_restart(output, cells: int, kills: int, planners: int = 1) -> None:
    """Cells of milliseconds; planners, and sometimes workers, are killed and started again."""
    rng = random.Random(cells)
    todo = [cell(output, f"c{i}", str(rng.uniform(0.001, 0.02)),
                 needs=(f"c{i - 1}",) if i % 7 == 1 else ()) for i in range(cells)]  # fmt: skip
    for _ in range(kills):
        children = [planner_process(todo, 2, output / "log") for _ in range(planners)]
        time.sleep(rng.uniform(0.05, 0.35))
        if rng.random() < 0.3 and (lines := journal(output)):
            try:
                os.kill(int(lines[-1][2]), signal.SIGKILL)
            except ProcessLookupError:
                pass
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    done = planned(todo, 2, retry=True)  # a worker that was killed alone has failed
    assert not done.failures
    assert states(todo) == ["done"] * cells
    what = Counter(line[:2] for line in journal(output))
    assert not [name for name, kind in what if kind == "two at once"]
    # A kill may come between the result and its line.
    assert max(what[f"c{i}", "ended"] for i in range(cells)) == 1
    assert sum(what[f"c{i}", "ended"] for i in range(cells)) >= cells - kills * 2 * planners
    left = [path for path in output.rglob("*") if path.suffix in (".lock", ".partial")]
    assert not left and not [path for path in output.rglob("failed.json")]


def test_cells_whose_planners_are_killed_are_neither_lost_nor_done_twice(tmp_path):
    kill_and_restart(tmp_path, cells=30, kills=3)


def test_two_planners_share_an_output(tmp_path):
    cells = [cell(tmp_path, f"c{i}", "0.01") for i in range(20)]
    children = [planner_process(cells, 2, tmp_path / "log") for _ in range(3)]
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
    assert states(cells) == ["done"] * 20
    what = Counter(line[:2] for line in journal(tmp_path))
    assert set(what.values()) == {1} and len(what) == 40


@pytest.mark.kills
@pytest.mark.parametrize("planners", [1, 3])
def test_200_cells_killed_20_times(tmp_path, planners):
    kill_and_restart(tmp_path, cells=200, kills=20, planners=planners)


def test_workers_see_their_gpus(tmp_path, monkeypatch):
    seen = tmp_path / "seen"
    seen.mkdir()

    def main(argv):
        (seen / f"{argv[1][-1]}").write_text(os.environ["CUDA_VISIBLE_DEVICES"])
        time.sleep(0.1)
        return 0

    monkeypatch.setattr(train, "main", main)
    cells = [cell(tmp_path, name) for name in "ab"]
    pool = LocalPool([{"CUDA_VISIBLE_DEVICES": number} for number in "10"])
    planner.Planner(planner.Plan(cells), pool, planner.Screen()).run()
    assert {path.read_text() for path in seen.iterdir()} == {"0", "1"}
