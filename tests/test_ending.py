"""How commands and scripts end: by signals, by a closed pipe, by a full disk or memory."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import ending
import train

PROJECT = Path(train.__file__).parent


def start(code: str, **options) -> subprocess.Popen:
    """A command that watches, as all do, and then does what `code` says.

    With Ctrl-C as at a terminal, also where the tests run in the background, which ignores it.
    """
    begin = "import time, os, signal, ending; signal.signal(2, signal.default_int_handler); "
    return subprocess.Popen(
        [sys.executable, "-c", f"{begin}ending.watch(); {code}"],
        cwd=PROJECT, text=True, stderr=subprocess.PIPE, **options,
    )  # fmt: skip


# A child, forked as loading processes are: it ignores Ctrl-C, which the parent has as well. It says
# when it runs, since Python forgets signals that come during the fork; sleeps are short, because
# a signal that comes just before one is handled only after it.
FORKED = (
    "read, write = os.pipe()\n"
    "child = os.fork()\n"
    "if not child: os.write(write, b'x')\n"
    "while not child: time.sleep(0.05)\n"
    "os.read(read, 1)\n"
    "try:\n print('ready', flush=True)\n while True: time.sleep(0.05)\n"
    "finally: os.kill(child, 15); print(os.waitpid(child, 0)[1] >> 8, 'cleared up', flush=True)"
)


def raising(error: BaseException):
    def raise_it() -> None:
        raise error

    return raise_it


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_unwinds_in_one_line(number, code):
    process = start(f"exec({FORKED!r})", stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout.readline() == "ready\n"
    if number == signal.SIGINT:  # as a terminal sends it
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    out, err = process.communicate(timeout=120)
    assert process.returncode == code
    assert err == f"error: ended by {signal.Signals(number).name}\n"
    assert out == "143 cleared up\n"  # the child lived until it was ended, and said nothing


def test_a_signal_that_was_ignored_stays_so():
    code = "import signal; print(signal.getsignal(signal.SIGINT) == signal.SIG_IGN)"
    process = subprocess.run(
        ["bash", "-c", f'trap "" INT; {sys.executable} -c "import ending; ending.watch(); {code}"'],
        cwd=PROJECT, capture_output=True, text=True,
    )  # fmt: skip
    assert process.stdout == "True\n", process.stderr


@pytest.mark.parametrize("code", ["print('x')", "[print('x' * 99) for _ in range(9999)]"])
def test_output_that_nobody_reads_or_that_is_full(code):
    """At the end, when what is left is written, and in between."""
    read, write = os.pipe()
    os.close(read)
    process = start(code, stdout=write)
    os.close(write)
    assert process.communicate()[1] == (
        "error: standard output: its reader has ended (a pipe, such as | head)\n"
    )
    assert process.returncode == 141
    with open("/dev/full", "w") as full:
        process = start(code, stdout=full)
        message = "error: standard output: No space left on device\n"
        assert process.communicate()[1] == message and process.returncode == 1


def test_errors_that_nobody_caught_are_one_line_unless_they_are_mistakes(capfd, monkeypatch):
    for error, words in (
        (OSError(28, "No space left on device", "table.md"), "table.md: No space left on device"),
        (MemoryError(), "out of memory: MemoryError"),
        (RuntimeError("std::bad_alloc"), "out of memory: std::bad_alloc"),
    ):
        ending.explain(type(error), error, None)
        assert capfd.readouterr().err == f"error: {words}\n"
        monkeypatch.setenv("TRACEBACK", "1")
        ending.explain(type(error), error, None)
        assert "error: " not in capfd.readouterr().err.replace("Error: ", "")
        monkeypatch.delenv("TRACEBACK")
    monkeypatch.setattr(threading, "excepthook", ending._explain_in_thread)
    for error, line in ((OSError(28, "Full"), "error: a file: Full\n"), (SystemExit(3), "")):
        thread = threading.Thread(target=raising(error))
        thread.start()
        thread.join()
        assert capfd.readouterr().err == line
    ending.explain(RuntimeError, RuntimeError("size mismatch"), None)
    assert capfd.readouterr().err == "RuntimeError: size mismatch\n"
    with pytest.raises(ending.Ended) as ended:  # before anything watches for Ctrl-C
        ending.explain(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert ended.value.code == 130


def test_a_script_takes_its_training_along(tmp_path):
    """Of two loading processes nothing is left either, and a checkpoint is."""
    environment = os.environ | {
        "VIRTUAL_ENV": sys.prefix, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "DATA": str(tmp_path / "data"), "OUTPUT": str(tmp_path / "out"), "SEEDS": "1", "SHOTS": "1",
        "TMPDIR": str(tmp_path), "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    words = ["CoOp", "pocket_sizes", "pocket", "OPTIM.MAX_EPOCH", "2000", "FEATURES.VIEWS", "0",
             "DATALOADER.NUM_WORKERS", "2", "TRAIN.CHECKPOINT_FREQ", "1"]  # fmt: skip
    script = subprocess.Popen(
        ["bash", "scripts/base2new.sh", *words], cwd=PROJECT, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    for line in script.stdout:
        if "/model.pth.tar-2" in line:  # the folder points to the first, at least
            break
    script.send_signal(signal.SIGTERM)
    rest = script.communicate(timeout=120)[0]
    assert script.returncode == 143
    assert "error: ended by SIGTERM" in rest and "Traceback" not in rest
    with pytest.raises(ProcessLookupError):
        for _ in range(50):  # those that have ended may still be listed for a moment
            os.killpg(script.pid, 0)
            time.sleep(0.1)
    (pointer,) = tmp_path.rglob("checkpoint")
    assert (pointer.parent / pointer.read_text().strip()).is_file()
    assert not list(tmp_path.rglob("*.tmp")) and not list(tmp_path.rglob("*.partial"))
    assert {path.name for path in tmp_path.iterdir()} == {"data", "out"}
