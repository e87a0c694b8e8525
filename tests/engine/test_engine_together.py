"""Several files appear together, whenever the process is killed."""

import json
import os

import pytest
import torch
from torch import nn

from dassl.engine import TrainerBase
from dassl.utils import processes as own_processes
from dassl.utils import whole_files as own_whole_files
from dassl.utils.together import LIST, finish, write_together
from tests.test_architecture import PROJECT
from whole_files import processes


def contents(folder) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def writers(text: bytes) -> dict:
    return {name: lambda file: file.write(text) for name in ("a/best", "b/best", "a/pointer")}


class Kill(BaseException):
    pass


def killed_at(monkeypatch, number: int, call) -> bool:
    """Calls, and ends it before the rename of that number; whether there were so many."""
    left, replace = [number], os.replace

    def dying(*pair):
        if left[0] == 0:
            raise Kill
        left[0] -= 1
        replace(*pair)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", dying)
        try:
            call()
        except Kill:
            return True
    return False


def test_all_files_are_old_or_all_are_new_after_the_next_start(tmp_path, monkeypatch):
    write_together(tmp_path, writers(b"old"))
    seen = set()
    for number in range(10):
        if not killed_at(monkeypatch, number, lambda: write_together(tmp_path, writers(b"new"))):
            break
        finish(tmp_path)
        found = {name: text for name, text in contents(tmp_path).items() if "partial" not in name}
        assert set(found) == {"a/best", "b/best", "a/pointer"}
        assert len(set(found.values())) == 1
        seen.add(found["b/best"])
        write_together(tmp_path, writers(b"old"))
    assert number == 4 and seen == {b"old", b"new"}  # the list, and three files
    assert set(contents(tmp_path)) == {"a/best", "b/best", "a/pointer"}


def test_two_best_models_are_of_one_epoch(tmp_path, monkeypatch):
    trainer = TrainerBase()
    for name in ("a", "b"):
        trainer.register_model(name, nn.Linear(1, 1))
    trainer.save_model(0, str(tmp_path), model_name="model-best.pth.tar")
    save = lambda: trainer.save_model(1, str(tmp_path), model_name="model-best.pth.tar")  # noqa: E731
    for number, epoch in enumerate((1, 2, 2, 2, 2)):
        assert killed_at(monkeypatch, number, save)
        assert trainer.resume_model_if_exist(str(tmp_path)) == epoch
        trainer.load_model(str(tmp_path))
        trainer.save_model(0, str(tmp_path), model_name="model-best.pth.tar")


def test_best_models_of_two_epochs_are_no_model_and_no_dead_end(tmp_path):
    """Dassl leaves such a folder when it is killed between the two."""
    trainer = TrainerBase()
    for name in ("a", "b"):
        trainer.register_model(name, nn.Linear(1, 1))
    trainer.save_model(2, str(tmp_path), model_name="model-best.pth.tar")
    later = (tmp_path / "a/model-best.pth.tar").read_bytes()
    trainer.save_model(1, str(tmp_path), model_name="model-best.pth.tar")
    (tmp_path / "a/model-best.pth.tar").write_bytes(later)
    with pytest.raises(ValueError, match=r"a/model-best.*\(epoch 3\), .*\(epoch 2\).*start it ag"):
        trainer.load_model(str(tmp_path))
    assert trainer.resume_model_if_exist(str(tmp_path)) == 0


def test_everything_is_on_the_disk_before_the_pointer_moves(tmp_path, monkeypatch):
    calls, sync, replace = [], os.fsync, os.replace
    monkeypatch.setattr(
        os, "fsync", lambda fd: (calls.append(os.readlink(f"/proc/self/fd/{fd}")), sync(fd))
    )
    monkeypatch.setattr(
        os, "replace", lambda old, new: (calls.append(f"-> {new}"), replace(old, new))
    )
    trainer = TrainerBase()
    for name in ("a", "b"):
        trainer.register_model(name, nn.Linear(1, 1))
    trainer.save_model(0, str(tmp_path))
    first = next(i for i, call in enumerate(calls) if call.startswith("->"))
    for name in ("a", "b"):
        for file in ("model.pth.tar-1", "checkpoint"):
            assert any(f"/{name}/.{file}." in call for call in calls[:first])
        assert str(tmp_path / name) in calls[:first]
    moved = [call for call in calls if call.startswith("->")]
    assert [os.path.basename(call) for call in moved] == [
        LIST,
        *["model.pth.tar-1"] * 2,
        *["checkpoint"] * 2,
    ]


@pytest.mark.parametrize(
    "moves",
    ["half", {"a": 1}, [1], ["../.x.0-1-1.a.partial"], ["/etc/.x.0-1-1.a.partial"], ["a/x"], [""]],
)
def test_a_list_of_renames_from_elsewhere_moves_nothing(tmp_path, moves):
    path = tmp_path / "run" / LIST
    path.parent.mkdir()
    path.write_text(moves if moves == "half" else json.dumps(moves))
    (tmp_path / ".x.0-1-1.a.partial").write_text("mine")
    with pytest.raises(ValueError, match="Delete it, and the run goes on"):
        finish(path.parent)
    assert (tmp_path / ".x.0-1-1.a.partial").is_file()


def test_the_engines_copies_are_those_of_the_project():
    """The engine is a distribution of its own and imports nothing of ours."""
    for copy, file in ((own_processes, "processes.py"), (own_whole_files, "__init__.py")):
        with open(copy.__file__) as ours, open(PROJECT / "whole_files" / file) as original:
            assert ours.read() == original.read().replace(
                f"from {processes.__name__}", "from dassl.utils.processes"
            )


def test_weights_of_a_pair_are_those_of_its_epoch(tmp_path):
    trainer = TrainerBase()
    models = {name: nn.Linear(1, 1) for name in ("a", "b")}
    for name, model in models.items():
        trainer.register_model(name, model)
    for epoch in range(3):
        for model in models.values():
            nn.init.constant_(model.weight, epoch)
        trainer.save_model(epoch, str(tmp_path))
    (tmp_path / "b/checkpoint").write_text("model.pth.tar-2\n")  # killed between the pointers
    assert trainer.resume_model_if_exist(str(tmp_path)) == 2
    assert all(torch.equal(m.weight, torch.ones(1, 1)) for m in models.values())
