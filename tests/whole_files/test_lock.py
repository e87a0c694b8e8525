"""One run at a time in a folder; a dead one's place is taken, by one."""

import json
import os
import signal
import threading
import time

import pytest

import train
from whole_files import lock
from whole_files.processes import this_process


def write_lock(folder, **changes) -> None:
    folder.mkdir(exist_ok=True)
    holder = {"host": "there", "pid": 7, "since": "noon", "process": "x-7-1", "token": "00ff"}
    (folder / lock.NAME).write_text(json.dumps(holder | changes))


def silent_for(folder, seconds: float) -> None:
    os.utime(folder / lock.NAME, (time.time() - seconds,) * 2)


def in_child(work) -> int:
    """Process number of a child that does the work, then ends."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(1)
    return child


def test_it_is_there_during_a_run_only_and_says_whose_it_is(tmp_path):
    with lock.held(tmp_path / "run") as own:
        said = json.loads((tmp_path / "run/run.lock").read_text())
        assert said["pid"] == os.getpid() and said == own.claim
        assert os.listdir(tmp_path / "run") == ["run.lock"]
        with pytest.raises(lock.Held, match=rf"process {os.getpid()} on .*since .*choose another"):
            with lock.held(tmp_path / "run"):
                pass
        assert (tmp_path / "run/run.lock").exists()
    assert not os.listdir(tmp_path / "run")


def test_a_second_run_ends_with_one_message(tiny_argv, tmp_path, capsys):
    with lock.held(tmp_path / "run"):
        assert train.main(tiny_argv("CoOp")) == 1
    message = capsys.readouterr().err
    assert f"is in use by the run of process {os.getpid()} on" in message
    assert "Traceback" not in message
    assert not os.listdir(tmp_path / "run")


def test_finished_folders_are_answered_while_they_are_held(tiny_argv, tmp_path, capsys):
    argv = tiny_argv("ZeroshotCLIP", flags=("--eval-only",))
    assert train.main(argv) == 0
    with lock.held(tmp_path / "run"):
        assert train.main(argv) == train.main([*argv, "TRAIN.PRINT_FREQ", "3"]) == 0
    assert capsys.readouterr().out.count("Finished before") == 2
    write_lock(tmp_path / "run", process=this_process()[:-1] + "x1")  # of nobody, an hour ago
    silent_for(tmp_path / "run", 3600)
    assert train.main(argv) == 0
    assert not (tmp_path / "run/run.lock").exists()


def test_the_place_of_a_killed_process_is_taken_at_once(tmp_path):
    def hold():
        with lock.held(tmp_path):
            signal.pause()

    child = in_child(hold)
    while not (tmp_path / lock.NAME).exists():
        time.sleep(0.01)
    with pytest.raises(lock.Held, match=f"process {child}"), lock.held(tmp_path):
        pass
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with lock.held(tmp_path):
        pass
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("content", ["elsewhere", "", "[1]", '{"token": "../x"}'])
def test_one_of_another_machine_is_dead_when_it_is_silent_for_long(tmp_path, content):
    write_lock(tmp_path)
    if content != "elsewhere":
        (tmp_path / lock.NAME).write_text(content)
    silent_for(tmp_path, lock.STALE_SEC - 20)
    with pytest.raises(lock.Held, match=r"its last sign of life is 2[78]\d s old"):
        with lock.held(tmp_path):
            pass
    silent_for(tmp_path, lock.STALE_SEC + 20)
    with lock.held(tmp_path) as own:
        assert json.loads((tmp_path / lock.NAME).read_text()) == own.claim
    assert not os.listdir(tmp_path)


def test_what_killed_takers_left_is_cleared(tmp_path):
    """One was killed while it took over from one that was killed while it held."""
    place = this_process().split("-")[0]
    write_lock(tmp_path, process=f"{place}-{2**30}-1")
    os.rename(tmp_path / lock.NAME, tmp_path / "run.lock.00ff")
    write_lock(tmp_path, process=f"{place}-{2**30}-1")
    with lock.held(tmp_path):
        assert os.listdir(tmp_path) == [lock.NAME]


@pytest.mark.parametrize("name", ["run.lock", "run.lock.00ff", ".run.lock.{}.11.partial"])
def test_what_was_killed_in_a_finished_folder_is_cleared(tmp_path, name):
    dead = f"{this_process().split('-')[0]}-{2**30}-1"
    write_lock(tmp_path, process=dead)
    os.rename(tmp_path / lock.NAME, tmp_path / name.format(dead))
    lock.forget_dead(tmp_path)
    assert not os.listdir(tmp_path)


def test_of_many_takers_one_gets_it(tmp_path):
    place = this_process().split("-")[0]
    for _ in range(5):
        write_lock(tmp_path, process=f"{place}-{2**30}-1")
        together, out = threading.Barrier(8), []

        def take(together=together, out=out):
            together.wait()
            try:
                with lock.held(tmp_path):
                    out.append("held")
                    time.sleep(0.1)
            except lock.Held:
                out.append("refused")

        takers = [threading.Thread(target=take) for _ in range(8)]
        for taker in takers:
            taker.start()
        for taker in takers:
            taker.join()
        assert sorted(out) == ["held"] + ["refused"] * 7
        assert not os.listdir(tmp_path)


def test_the_heart_beats_mends_and_finds_out_that_another_took_over(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "BEAT_SEC", 0.01)
    path = tmp_path / lock.NAME

    def wait_until(condition):
        end = time.monotonic() + 10
        while not condition() and time.monotonic() < end:
            time.sleep(0.01)
        assert condition()

    with lock.held(tmp_path) as own:
        silent_for(tmp_path, 100)
        wait_until(lambda: time.time() - path.stat().st_mtime < 50)
        path.unlink()
        wait_until(path.exists)
        own.check()
        path.write_text("")  # as a drive that is away for a while: nobody took over
        time.sleep(0.05)
        path.write_text(json.dumps(own.claim))
        silent_for(tmp_path, 100)
        wait_until(lambda: time.time() - path.stat().st_mtime < 50)
        own.check()
        write_lock(tmp_path)
        wait_until(lambda: own.taken_by)
        with pytest.raises(lock.Held, match="process 7 on there .*took over its folder"):
            own.check()
    assert path.exists()  # it is the other's


def test_on_a_drive_without_links(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    with lock.held(tmp_path), pytest.raises(lock.Held), lock.held(tmp_path):
        pass
    assert not os.listdir(tmp_path)


def test_who_lives_elsewhere_is_told_by_the_clock_of_the_drive(tmp_path, monkeypatch):
    """By that of this machine, which is wrong here, the dead would live, or the living be dead."""
    write_lock(tmp_path)
    for silent_sec, own_time, is_alive in ((280, time.time() + 3600, True), (320, 0.0, False)):
        silent_for(tmp_path, silent_sec)
        with monkeypatch.context() as patch:
            patch.setattr(time, "time", lambda own_time=own_time: own_time)
            assert lock.is_alive(tmp_path / lock.NAME) is is_alive
    assert os.listdir(tmp_path) == [lock.NAME]
