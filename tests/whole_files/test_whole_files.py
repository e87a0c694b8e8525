"""Files are whole or not there; what the killed left is told from what the living write."""

import os
import signal
import subprocess
import sys
import time

import pytest

import whole_files
from whole_files import ABANDONED_SEC, beside, replacing, sweep
from whole_files.processes import is_gone, this_process


def word_of_a_killed_process() -> str:
    child = os.fork()
    if child == 0:
        signal.pause()
    place, _, _ = this_process().split("-")
    with open(f"/proc/{child}/stat") as file:
        start = file.read().rpartition(")")[2].split()[19]
    word = f"{place}-{child}-{start}"
    assert is_gone(word) is False
    os.kill(child, signal.SIGKILL)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    assert is_gone(word) is True  # a zombie: its parent has not asked after it
    os.waitpid(child, 0)
    return word


def test_processes_live_until_they_are_killed_and_a_number_is_no_process():
    word = word_of_a_killed_process()
    assert is_gone(word) is True and is_gone(this_process()) is False
    place, pid, start = this_process().split("-")
    assert is_gone(f"{place}-{pid}-{int(start) + 1}") is True  # an earlier one of this number
    assert is_gone(f"0{place}-{pid}-{start}") is None  # another machine's
    assert is_gone("half") is is_gone(f"{place}-{pid}") is is_gone(f"{place}-x-1") is None
    assert is_gone(f"{place}-{10**30}-1") is True


def test_the_same_word_in_a_later_call_and_another_in_another_process():
    code = "from whole_files.processes import this_process; print(this_process())"
    home = os.path.dirname(os.path.dirname(whole_files.__file__))
    other = subprocess.run(
        [sys.executable, "-c", code], cwd=home, capture_output=True, text=True, check=True
    ).stdout.strip()
    assert this_process() == this_process() != other
    assert other.split("-")[0] == this_process().split("-")[0] and is_gone(other)


def test_leftovers_of_the_dead_are_swept_and_no_others(tmp_path):
    dead, place = word_of_a_killed_process(), this_process().split("-")[0]
    elsewhere = f"{'1' if place[0] == '0' else '0'}{place[1:]}-1-1"
    names = [f".a.{word}.00ff.partial" for word in (dead, this_process(), elsewhere)]
    old = [".a.00ff.partial", f".b.{elsewhere}.0.partial"]
    for name in [*names, *old, "a.partial", ".a.json"]:
        (tmp_path / name).write_text("half")
    for name in old:
        os.utime(tmp_path / name, (time.time() - ABANDONED_SEC - 60,) * 2)
    folder = tmp_path / f".set.{dead}.1.partial"
    (folder / "images").mkdir(parents=True)
    sweep(tmp_path, "set")
    assert not folder.exists() and (tmp_path / names[0]).exists()
    sweep(tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {*names[1:], "a.partial", ".a.json"}
    sweep(tmp_path / "nowhere")


def test_a_file_is_replaced_whole_and_its_name_is_nobody_elses(tmp_path):
    path = tmp_path / "new/a.json"
    leftover = f".a.json.{word_of_a_killed_process()}.1.partial"
    with replacing(path) as partial:
        (path.parent / leftover).write_text("half")
        partial.write_text("1")
        assert not path.exists() and beside(path) != partial
    assert [p.name for p in path.parent.iterdir()] == ["a.json"]
    with pytest.raises(ZeroDivisionError), replacing(path) as partial:
        partial.write_text("half")
        raise ZeroDivisionError
    assert path.read_text() == "1" and [p.name for p in path.parent.iterdir()] == ["a.json"]


def test_file_and_folder_are_on_the_disk_in_this_order(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(whole_files, "synced", lambda path: calls.append(path))
    replace = os.replace
    monkeypatch.setattr(os, "replace", lambda *pair: (calls.append("replace"), replace(*pair)))
    with replacing(tmp_path / "a") as partial:
        partial.write_text("1")
    assert calls == [partial, "replace", tmp_path]
