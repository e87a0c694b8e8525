"""scripts/setup.sh: which Python an environment is made with."""

import shutil
import subprocess
from pathlib import Path

import pytest

import train

PROJECT = Path(train.__file__).parent
BASH = shutil.which("bash")


def found(folder: Path, *versions: tuple[str, str]) -> subprocess.CompletedProcess:
    """What `find_python` finds where the PATH holds these commands, of these versions, alone."""
    folder.mkdir()
    for name, version in versions:
        check = f"import sys; sys.version_info = ({version.replace('.', ', ')}, 0); "
        script = f'#!{BASH}\ncode="$2"\nexec {shutil.which("python3")} -c "{check}${{code#*;}}"\n'
        (folder / name).write_text(script)
        (folder / name).chmod(0o755)
    command = [BASH, "-c", f"source {PROJECT}/scripts/setup.sh; PATH={folder}; find_python"]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.parametrize(("newest", "chosen"), [
    ("3.9", "python3.12"), ("3.10", "python3"), ("3.13", "python3"), ("3.14", "python3.12"),
])  # fmt: skip
def test_a_promised_version_is_chosen(tmp_path, newest, chosen):
    done = found(tmp_path / "bin", ("python3", newest), ("python3.12", "3.12"))
    assert done.stdout == f"{chosen}\n"


def test_without_one_it_says_which(tmp_path):
    done = found(tmp_path / "bin", ("python3", "3.14"))
    assert done.returncode == 1
    assert done.stderr.startswith("error: Python 3.10 to 3.13 is needed;")
