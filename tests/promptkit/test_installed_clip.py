"""Which `clip` promptkit uses where a repository has its own."""

import importlib
import shutil
import sys
from pathlib import Path

import clip
import pytest

from promptkit.backbones import installed_clip

INSTALLED = Path(clip.__file__).parent
CHANGE = """

def build_model(state_dict, design_details):
    raise AssertionError("theirs")
"""


@pytest.fixture
def copy_in_front(tmp_path, monkeypatch):
    """Puts a copy of the package, with `more` in its model.py, before it on the path."""

    def make(more: str) -> Path:
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(INSTALLED, tmp_path / "clip", ignore=ignore)
        model = tmp_path / "clip/model.py"
        model.write_text(model.read_text() + more)
        for name in [name for name in sys.modules if name.split(".")[0] == "clip"]:
            monkeypatch.delitem(sys.modules, name)
        for name in [name for name in sys.modules if name.startswith(installed_clip.ALIAS)]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.syspath_prepend(tmp_path)
        importlib.invalidate_caches()
        return tmp_path / "clip/__init__.py"

    yield make
    for name in [name for name in sys.modules if name.startswith(installed_clip.ALIAS)]:
        del sys.modules[name]


def test_nothing_hides_it_here():
    assert installed_clip.find_clip() is clip is installed_clip.clip


def test_it_is_found_behind_a_changed_copy(copy_in_front, tiny_weights):
    theirs = copy_in_front(CHANGE)
    found = installed_clip.find_clip()
    assert found is installed_clip.find_clip()
    assert Path(found.__file__).parent == INSTALLED == Path(found.model.__file__).parent
    assert importlib.import_module("clip").__file__ == str(theirs)
    assert found.tokenize("a cat").tolist() == clip.tokenize("a cat").tolist()


def test_without_the_package_a_copy_that_nobody_changed_will_do(copy_in_front, monkeypatch):
    theirs = copy_in_front("")
    monkeypatch.setattr(installed_clip, "DISTRIBUTIONS", ("no-such-distribution",))
    assert installed_clip.find_clip().__file__ == str(theirs)


def test_without_the_package_a_changed_copy_is_refused(copy_in_front, monkeypatch):
    theirs = copy_in_front(CHANGE)
    monkeypatch.setattr(installed_clip, "DISTRIBUTIONS", ("no-such-distribution",))
    message = f"{theirs} is a changed copy of OpenAI's clip .its build_model takes state_dict, des"
    with pytest.raises(ImportError, match=message):
        installed_clip.find_clip()


def test_without_any_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setattr(installed_clip, "DISTRIBUTIONS", ("no-such-distribution",))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match="needs the package clip: pip install no-such"):
        installed_clip.find_clip()
