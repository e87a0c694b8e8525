"""Trainer files written for upstream, by each route of docs/extending.md."""

import json
import shutil
import sys
from pathlib import Path

import pytest
import torch

import train
import trainers  # noqa: F401  (registers them, before a test copies the registry)
from dassl.engine import TRAINER_REGISTRY
from tests.other_repository import TRAINER, accuracies, options, run_python, write_repository

PROJECT = Path(train.__file__).parent

ON_COOP = "from trainers.coop import CustomCLIP, load_clip_to_cpu\n"


@pytest.fixture
def by_import(tmp_path, monkeypatch):
    """Writes a module that --import finds, and forgets what it registers."""
    monkeypatch.setattr(TRAINER_REGISTRY, "_objects", dict(TRAINER_REGISTRY._objects))
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    names = []

    def write(name: str, text: str) -> tuple[str, str]:
        (tmp_path / f"{name}.py").write_text(text)
        names.append(name)
        return "--import", name

    yield write
    for name in names:
        sys.modules.pop(name, None)


def test_a_file_on_coops_names_trains_what_coop_trains(tiny_argv, tmp_path, by_import):
    flags = by_import("context_file", ON_COOP + TRAINER.format(name="Context", node="CONTEXT"))
    words = ("TRAINER.COOP.CTX_INIT", "a photo of a")
    assert train.main(tiny_argv("Context", *words, output="theirs", flags=flags)) == 0
    assert train.main(tiny_argv("CoOp", *words, output="ours")) == 0
    contexts, metrics = [], []
    for name in ("theirs", "ours"):
        state = torch.load(tmp_path / name / "prompt_learner/model.pth.tar-2")["state_dict"]
        contexts.append(state["ctx"])
        metrics.append(json.loads((tmp_path / name / "result.json").read_text())["metrics"])
    torch.testing.assert_close(*contexts, rtol=1e-3, atol=1e-5)
    assert metrics[0] == metrics[1]
    flags = (*flags, "--eval-only", "--model-dir", str(tmp_path / "theirs"), "--load-epoch", "2")
    assert train.main(tiny_argv("Context", *words, output="again", flags=flags)) == 0
    again = json.loads((tmp_path / "again/result.json").read_text())["metrics"]
    assert again == metrics[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (ON_COOP + TRAINER.format(name="CoOp", node="COOP2"),
         'An object named "CoOp" was already registered in "TRAINER" registry, by trainers.coop. '
         "Rename the one in broken_file"),
        ("from .coop import load_clip_to_cpu\n", "write 'from datasets.oxford_pets', 'from"),
        ("from trainers.coop import Nothing\n", "cannot import name 'Nothing' from 'trainers."),
        ("import no_such_package\n", "No module named 'no_such_package'. The module is there, but"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_taken_says_why(tiny_argv, by_import, capsys, text, message):
    flags = by_import("broken_file", text)
    assert train.main(tiny_argv("Context", flags=flags)) == 1
    assert message in capsys.readouterr().err


def test_with_their_own_clip_here_or_our_engine_there_it_is_the_same(
    tiny_argv, tmp_path, tiny_weights
):
    repository = write_repository(tmp_path / "repository", "Shift", tiny_weights)
    here = tmp_path / "files"  # what the first route needs: their clip, and the files by themselves
    shutil.copytree(repository / "clip", here / "clip")
    for file in ("trainers/shift.py", "datasets/other_shapes.py"):
        shutil.copy(repository / file, here)
    flags = ("--import", "shift", "--import", "other_shapes")
    argv = options(tiny_argv("Shift", output="here", flags=flags))
    # A method of the project in the same process: it does not use their clip.
    own = options(tiny_argv("CoOp", output="own", flags=flags), tiny_weights)
    command = [str(PROJECT / "train.py"), *argv, "--then", *own]
    ours = accuracies(run_python(command, tmp_path, [here]))
    assert (tmp_path / "here/result.json").is_file()

    argv = options(tiny_argv("Shift", output="there"))
    theirs = accuracies(run_python(["train.py", *argv], repository, [PROJECT / "engine"]))
    assert theirs == ours[:1] and len(ours) == 2
    states = [
        torch.load(tmp_path / name / "prompt_learner/model.pth.tar-2")["state_dict"]["shift"]
        for name in ("here", "there")
    ]
    assert torch.equal(*states) and states[0].abs().max() > 0
