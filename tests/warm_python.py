"""A `python` for scripts under test that spares the start: commands run in forks of this process.

It has torch imported, which takes a new process seconds. A script finds the program first on its
PATH; what it runs comes over a socket, with its folder, environment and streams. Everything else
(`python -c`, other files) is a process of its own, as ever.
"""

import contextlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import traceback
import warnings
from pathlib import Path

CLIENT = """
import json, os, socket, sys
link = socket.socket(socket.AF_UNIX)
link.connect(sys.argv[1])
text = json.dumps([sys.argv[2:], os.getcwd(), dict(os.environ)]).encode()
socket.send_fds(link, [len(text).to_bytes(8, "big")], [0, 1, 2])
link.sendall(text)
sys.exit(int(link.makefile().read()))
"""
PROGRAM = """#!/bin/sh
case "$1 $2" in
'train.py '* | '-m reports' | '-m protocols') exec {python} -I -S {client} {socket} "$@" ;;
esac
exec {python} "$@"
"""


class WarmPython:
    """Carries out what scripts ask `python` for, one after the other or side by side."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        (folder / "client.py").write_text(CLIENT)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(folder / "socket"))
        self.listener.listen()
        self.listener.settimeout(0.01)
        words = {"python": sys.executable, "client": folder / "client.py"}
        program = folder / "python"
        program.write_text(PROGRAM.format(**words, socket=folder / "socket"))
        program.chmod(0o755)
        self.running: dict[int, socket.socket] = {}

    def run(self, *command: str, cwd: Path, env: dict[str, str]) -> subprocess.CompletedProcess:
        """As subprocess.run with captured text; this `python` is the first on the PATH."""
        env = env | {"PATH": f"{self.folder}:{env['PATH']}"}
        paths = [self.folder / name for name in ("out", "err")]
        with open(paths[0], "w") as out, open(paths[1], "w") as err:
            process = subprocess.Popen(command, cwd=cwd, env=env, stdout=out, stderr=err)
            while process.poll() is None:
                with contextlib.suppress(TimeoutError):
                    self._start(self.listener.accept()[0])
                self._reap()
        texts = [path.read_text() for path in paths]
        return subprocess.CompletedProcess(command, process.returncode, *texts)

    def close(self) -> None:
        """Ends what is left."""
        self.listener.close()
        for child, link in self.running.items():
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            link.close()

    def _start(self, link: socket.socket) -> None:
        link.settimeout(None)
        size, streams, _, _ = socket.recv_fds(link, 8, 3)
        with link.makefile("rb") as file:
            asked = json.loads(file.read(int.from_bytes(size, "big")))
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            _carry_out(streams, *asked)
        for stream in streams:
            os.close(stream)
        self.running[child] = link

    def _reap(self) -> None:
        for child, link in list(self.running.items()):
            number, status = os.waitpid(child, os.WNOHANG)
            if number:
                link.sendall(str(os.waitstatus_to_exitcode(status) % 256).encode())
                link.close()
                del self.running[child]


def _carry_out(streams: list[int], words: list[str], folder: str, env: dict[str, str]) -> None:
    """In the fork: the command, with its streams, folder and environment. Does not return."""
    code = 1
    try:
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        with open(1, "w") as sys.stdout, open(2, "w", buffering=1) as sys.stderr:
            os.chdir(folder)
            os.environ.clear()
            os.environ.update(env)
            warnings.resetwarnings()  # pytest's are errors
            try:
                if words[0] == "-m":
                    sys.argv = words[1:]
                    sys.modules.pop(f"{words[1]}.__main__", None)
                    runpy.run_module(words[1], run_name="__main__", alter_sys=True)
                else:
                    sys.argv = words
                    runpy.run_path(words[0], run_name="__main__")
                code = 0
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else int(end.code is not None)
            except BaseException:
                traceback.print_exc()
    finally:
        os._exit(code)
