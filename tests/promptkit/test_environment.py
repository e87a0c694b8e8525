"""Which code a result says that it comes from."""

import importlib.util
import subprocess
import sys

import pytest

from promptkit.runs import environment


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A repository with one file of code, in place of the project's."""
    monkeypatch.setattr(environment, "PROJECT", tmp_path.resolve())
    (tmp_path / "train.py").write_text("LR = 0.1\n")
    (tmp_path / ".gitignore").write_text("output/\n")
    who = ("-c", "user.name=n", "-c", "user.email=e")
    for command in (("init", "-q"), ("add", "."), (*who, "commit", "-q", "-m", "first")):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    return tmp_path


def test_a_users_own_files_do_not_make_another_commit(clone):
    for name in ("configs/datasets/my birds.yaml", "notes.txt", "mine.py", "output/a.py"):
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        (clone / name).write_text("A = 1\n")
    git = environment.environment()["git"]
    assert git["dirty"] is False and len(git["commit"]) == 40


def test_untracked_code_that_runs_makes_another_commit(clone, monkeypatch):
    path = clone / "trainers/my method.py"
    path.parent.mkdir()
    path.write_text("A = 1\n")
    assert environment.environment()["git"]["dirty"] is False
    spec = importlib.util.spec_from_file_location("my_method", path)
    monkeypatch.setitem(sys.modules, "my_method", importlib.util.module_from_spec(spec))
    assert environment.environment()["git"]["dirty"] is True


def test_changed_code_makes_another_commit(clone):
    (clone / "train.py").write_text("LR = 0.2\n")
    assert environment.environment()["git"]["dirty"] is True
