"""Checkpoint files: whole or absent, and read without running strangers' code."""

import gzip
import os
import pickle
import subprocess
import sys
import tarfile
import textwrap
import warnings
import zipfile
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from torch import nn

import dassl
from dassl.engine import TrainerBase
from dassl.utils import (
    count_num_param,
    init_network_weights,
    load_checkpoint,
    load_pretrained_weights,
    open_all_layers,
    open_specified_layers,
    resume_from_checkpoint,
    save_checkpoint,
)
from dassl.utils.whole_files import beside

ENGINE = Path(dassl.__file__).parents[1]  # not the one that is installed


class Evil:
    """Writes a file when it is unpickled."""

    def __init__(self, target):
        self.target = str(target)

    def __reduce__(self):
        return os.system, (f"touch {self.target}",)


def state(epoch=1, **extra):
    return {"state_dict": {"w": torch.ones(2)}, "epoch": epoch, **extra}


@pytest.mark.parametrize("zipped", [True, False])
def test_malicious_checkpoint_is_refused_and_not_run(tmp_path, zipped):
    path, mark = tmp_path / "model.pth.tar-1", tmp_path / "mark"
    torch.save(state(scheduler=Evil(mark)), path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(ValueError) as error:
        load_checkpoint(str(path))
    assert not mark.exists()
    message = str(error.value)
    assert str(path) in message and ".system" in message
    assert "load_checkpoint(path, trust=True)" in message
    assert "DASSL_TRUST_CHECKPOINTS=1" in message


@pytest.mark.parametrize("protocol", [2, 5])
def test_malicious_plain_pickle_is_refused_and_not_run(tmp_path, protocol):
    path, mark = tmp_path / "model.pth.tar-1", tmp_path / "mark"
    path.write_bytes(pickle.dumps({"a": Evil(mark)}, protocol=protocol))
    with pytest.raises(ValueError, match="model.pth.tar-1"):
        load_checkpoint(str(path))
    assert not mark.exists()


def test_trust_is_an_explicit_choice(tmp_path, monkeypatch):
    path = str(tmp_path / "model")
    torch.save({"a": OrderedDict(b=range(3))}, path)
    with pytest.raises(ValueError, match=r'asks for the Python object "(builtins\.)?range"'):
        load_checkpoint(path)
    assert load_checkpoint(path, trust=True) == {"a": {"b": range(3)}}
    monkeypatch.setenv("DASSL_TRUST_CHECKPOINTS", "0")
    with pytest.raises(ValueError):
        load_checkpoint(path)
    monkeypatch.setenv("DASSL_TRUST_CHECKPOINTS", "1")
    assert load_checkpoint(path) == {"a": {"b": range(3)}}


def test_no_code_of_allowed_classes_runs(tmp_path, monkeypatch):
    weight = nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([weight], lr=0.1, momentum=0.9)
    weight.sum().backward()
    optimizer.step()
    path = str(tmp_path / "model")
    torch.save({"optimizer": optimizer}, path)
    monkeypatch.setattr(torch.optim.SGD, "__setstate__", lambda *_: pytest.fail("was run"))
    before = set(torch.serialization.get_safe_globals())
    assert "optimizer" in load_checkpoint(path)
    assert set(torch.serialization.get_safe_globals()) == before  # nothing stays allowed


FOREIGN = {
    "an empty file": b"",
    "a text file that begins with 'hello, world'": b"hello, world",
    "a Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 9\n",
    "an HTML page": b"\n<!DOCTYPE html><html><head><title>Sign in</title>",
    "a zip archive without its end: it was cut short": b"PK\x03\x04 half a zip",
    "a gzip archive": gzip.compress(b"weights"),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_files_of_other_kinds_are_called_what_they_are(tmp_path, kind, capsys):
    path = tmp_path / "model.pth.tar-1"
    path.write_bytes(FOREIGN[kind])
    with pytest.raises(ValueError, match=f'model.pth.tar-1" is no checkpoint, it is {kind}'):
        load_checkpoint(str(path))
    assert capsys.readouterr().out == f'Unable to load checkpoint from "{path}"\n'


@pytest.mark.parametrize("kind", ["TorchScript", "tar", "zip"])
def test_archives_are_called_what_they_are(tmp_path, kind):
    path, inner = tmp_path / "model.pth.tar-1", tmp_path / "weights.txt"
    inner.write_text("1")
    if kind == "TorchScript":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it is deprecated
            torch.jit.trace(nn.Linear(1, 1), torch.ones(1, 1)).save(str(path))
    elif kind == "tar":
        with tarfile.open(path, "w") as archive:
            archive.add(inner, "weights.txt")
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.write(inner, "weights.txt")
    with pytest.raises(ValueError, match=f"is no checkpoint, it is a {kind} archive") as error:
        load_checkpoint(str(path))
    assert "weights_only" not in str(error.value)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("share", [0.3, 0.99])
def test_truncated_checkpoint(tmp_path, zipped, share):
    path = tmp_path / "model.pth.tar-1"
    torch.save({"state_dict": {"w": torch.ones(9999)}}, path, _use_new_zipfile_serialization=zipped)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(ValueError, match='model.pth.tar-1".* cut short') as error:
        load_checkpoint(str(path))
    assert "weights_only" not in str(error.value)


def test_missing_files(tmp_path):
    with pytest.raises(ValueError, match="File path is None"):
        load_checkpoint(None)
    with pytest.raises(FileNotFoundError, match='File is not found at ".*nowhere"'):
        load_checkpoint(str(tmp_path / "nowhere"))


def test_save_checkpoint_prints_and_writes(tmp_path, capsys):
    folder = tmp_path / "model"
    weights = OrderedDict([("module.w", torch.ones(1)), ("net.module.v", torch.ones(1))])
    save_checkpoint({"state_dict": weights, "epoch": 3}, str(folder), is_best=True)
    assert capsys.readouterr().out == (
        f"Checkpoint saved to {folder}/model.pth.tar-3\n"
        f'Best checkpoint saved to "{folder}/model-best.pth.tar"\n'
    )
    saved = load_checkpoint(str(folder / "model-best.pth.tar"))
    assert list(saved["state_dict"]) == ["w", "net.module.v"]
    assert list(weights) == ["module.w", "net.module.v"]  # the caller's is untouched
    assert (folder / "checkpoint").read_text() == "model.pth.tar-3\n"
    save_checkpoint({"state_dict": weights, "epoch": 4}, str(folder), model_name="best")
    assert (folder / "checkpoint").read_text() == "best\n"


@pytest.mark.parametrize(
    "failure", [OSError(28, "No space left on device"), RuntimeError("PytorchStreamWriter failed")]
)
def test_failed_save_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, failure):
    save_checkpoint(state(epoch=1, mark=1), str(tmp_path))
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}

    def fail(_, file):
        file.write(b"half")
        raise failure

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(OSError) as error:
        save_checkpoint(state(epoch=1, mark=2), str(tmp_path))
    assert str(tmp_path / "model.pth.tar-1") in str(error.value)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_a_file_is_replaced_not_written_over(tmp_path):
    """A reader that has the old file open never sees a mixture."""
    save_checkpoint(state(epoch=1, mark="old"), str(tmp_path))
    with open(tmp_path / "model.pth.tar-1", "rb") as reader:
        save_checkpoint(state(epoch=1, mark="new"), str(tmp_path))
        assert torch.load(reader, weights_only=True)["mark"] == "old"
    assert load_checkpoint(str(tmp_path / "model.pth.tar-1"))["mark"] == "new"


def test_a_file_is_on_the_disk_before_it_gets_its_name(tmp_path, monkeypatch):
    """Else a power cut could leave the name with half of the content, or none."""
    synced, replaced = {}, []
    fsync, replace = os.fsync, os.replace

    def noted_fsync(descriptor):
        synced[os.fstat(descriptor).st_ino] = os.fstat(descriptor).st_size
        fsync(descriptor)

    def checked_replace(source, target):
        state = os.stat(source)
        assert synced.get(state.st_ino) == state.st_size > 0, target
        replaced.append(os.path.basename(target))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "replace", checked_replace)
    save_checkpoint({"state_dict": {"w": torch.ones(3)}, "epoch": 1}, str(tmp_path), is_best=True)
    assert {"model.pth.tar-1", "checkpoint", "model-best.pth.tar"} <= set(replaced)


def test_what_a_killed_save_left_is_cleared_by_the_next(tmp_path):
    code = "from dassl.utils.whole_files import beside; print(beside('model.pth.tar-1'))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ENGINE, check=True)
    (tmp_path / done.stdout.strip()).write_bytes(b"half")
    living = beside(tmp_path / "model.pth.tar-1")
    living.write_bytes(b"half")
    save_checkpoint(state(epoch=1), str(tmp_path))
    names = {p.name for p in tmp_path.iterdir()}
    assert names == {"model.pth.tar-1", "checkpoint", living.name}
    assert load_checkpoint(str(tmp_path / "model.pth.tar-1"))["epoch"] == 1


def test_a_flipped_byte_is_found_wherever_it_matters(tmp_path):
    """Every seventh byte of a file: the message names it, or what is read is what was written."""
    weights = {"w": torch.arange(24.0).reshape(4, 6), "b": torch.ones(3, dtype=torch.float16)}
    save_checkpoint({"state_dict": weights, "epoch": 1}, str(tmp_path))
    path, found = tmp_path / "model.pth.tar-1", 0
    whole = path.read_bytes()
    for place in range(0, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        try:
            read = load_checkpoint(str(path))["state_dict"]
        except ValueError as error:
            assert str(path) in str(error)
            found += 1
        else:  # in the room between the parts, or in a date
            assert all(torch.equal(read[name], value) for name, value in weights.items()), place
    assert found > len(whole) / 7 / 4


def test_damaged_weights_are_named_and_what_to_do(tmp_path):
    save_checkpoint({"state_dict": {"w": torch.full((64,), 1.0)}, "epoch": 1}, str(tmp_path))
    path = tmp_path / "model.pth.tar-1"
    content = bytearray(path.read_bytes())
    place = content.index(b"\x00\x00\x80\x3f" * 64)
    content[place] ^= 1
    path.write_bytes(content)
    assert torch.load(path, weights_only=True)["state_dict"]["w"][0] != 1  # torch says nothing
    with pytest.raises(ValueError, match=r'-1" is damaged: the checksum .*data/0 is wrong.*delete'):
        load_checkpoint(str(path))


def test_files_without_checksums_load(tmp_path):
    torch.save(state(mark=1), tmp_path / "old", _use_new_zipfile_serialization=False)
    assert load_checkpoint(str(tmp_path / "old"))["mark"] == 1
    if not hasattr(torch.serialization, "set_crc32_options"):
        return  # torch before 2.6 always writes them
    torch.serialization.set_crc32_options(False)
    try:
        torch.save(state(mark=2), tmp_path / "none")
    finally:
        torch.serialization.set_crc32_options(True)
    assert load_checkpoint(str(tmp_path / "none"))["mark"] == 2


def test_other_errors_of_a_save_are_not_called_disk_errors(tmp_path):
    with pytest.raises((pickle.PicklingError, AttributeError)):
        save_checkpoint(state(hook=lambda: None), str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_full_disk_for_real(tmp_path):
    """A limit on the file size makes the system itself refuse the write."""
    script = f"""
        import resource, signal, sys, torch
        from dassl.utils import save_checkpoint
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        try:
            save_checkpoint({{"state_dict": {{"w": torch.ones(200_000)}}, "epoch": 1}},
                            {str(tmp_path / "model")!r})
        except OSError as error:
            sys.exit(0 if "model.pth.tar-1" in str(error) else f"no path: {{error}}")
        sys.exit("no OSError")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, cwd=ENGINE
    )
    assert done.returncode == 0, done.stderr
    assert not list((tmp_path / "model").iterdir())


def test_resume_needs_a_training_checkpoint(tmp_path):
    torch.save({"ctx": torch.ones(1)}, tmp_path / "weights")
    (tmp_path / "checkpoint").write_text("weights\n")
    with pytest.raises(ValueError, match="keys state_dict and epoch; got a dictionary with .* ctx"):
        resume_from_checkpoint(str(tmp_path), nn.Linear(1, 1))
    (tmp_path / "checkpoint").write_text("gone\n")
    with pytest.raises(FileNotFoundError, match="gone"):
        resume_from_checkpoint(str(tmp_path), nn.Linear(1, 1))


def test_resume_returns_the_epoch_and_loads_strictly(tmp_path, capsys):
    model = nn.Linear(2, 1)
    save_checkpoint({"state_dict": model.state_dict(), "epoch": 7}, str(tmp_path))
    other = nn.Linear(2, 1)
    capsys.readouterr()
    assert resume_from_checkpoint(str(tmp_path), other, torch.optim.SGD(other.parameters())) == 7
    assert torch.equal(model.weight, other.weight)
    assert "Loaded optimizer" not in capsys.readouterr().out
    with pytest.raises(ValueError, match="model.pth.tar-7.*model weights cannot be taken up"):
        resume_from_checkpoint(str(tmp_path), nn.Linear(3, 1))


def test_load_pretrained_weights(tmp_path, capsys):
    source, target = nn.Linear(2, 1), nn.Linear(2, 1)
    path = str(tmp_path / "weights")
    torch.save({"module.weight": source.weight.data, "bias": torch.ones(5)}, path)
    load_pretrained_weights(target, path)
    assert torch.equal(target.weight, source.weight)
    assert capsys.readouterr().out == (
        f"Successfully loaded pretrained weights from {path}\n"
        "Layers discarded due to unmatched keys or size: ['bias']\n"
    )
    with pytest.warns(UserWarning, match="check the key names manually"):
        load_pretrained_weights(nn.Conv2d(1, 1, 1), path)


@pytest.mark.parametrize("wrap", [
    lambda state: {"model_state_dict": state, "epoch": 3},
    lambda state: {"model": state},
    lambda state: {**state, "_extra_state": {"steps": 3}},
    lambda state: {"state_dict": {"model_state_dict": state}},
    lambda state: {"state_dict": {f"module.{key}": value for key, value in state.items()}},
])  # fmt: skip
def test_weights_are_taken_out_of_their_wrappers(tmp_path, wrap):
    source, target = nn.Linear(2, 1), nn.Linear(2, 1)
    torch.save(wrap(source.state_dict()), tmp_path / "weights")
    load_pretrained_weights(target, str(tmp_path / "weights"))
    assert torch.equal(target.weight, source.weight) and torch.equal(target.bias, source.bias)


NO_WEIGHTS = {
    r"a tensor of shape \(3,\)": torch.ones(3),
    "the int 7": 7,
    r"nothing \(None\)": None,
    r"'state_dict', the list \[1\], in a dictionary": {"state_dict": [1]},
    r"'w', the list \[1\], in a dictionary": {"state_dict": {"w": [1]}, "epoch": 1},
    r"a dictionary with the keys \(none\)": {},
}


@pytest.mark.parametrize("found", NO_WEIGHTS)
def test_what_holds_no_weights_is_described(tmp_path, found):
    torch.save(NO_WEIGHTS[found], tmp_path / "model.pth.tar-1")
    (tmp_path / "checkpoint").write_text("model.pth.tar-1\n")
    model, trainer = nn.Linear(1, 1), TrainerBase()
    trainer.register_model("", model)
    with pytest.raises(ValueError, match=f"must hold a state dict.*got {found}.*that training"):
        load_pretrained_weights(model, str(tmp_path / "model.pth.tar-1"))
    with pytest.raises(ValueError, match=f"must hold a state dict.*got {found}"):
        trainer.load_model(str(tmp_path), epoch=1)
    with pytest.raises(ValueError, match='model.pth.tar-1".* must '):
        resume_from_checkpoint(str(tmp_path), model)


def test_layers_and_counts():
    model = nn.Sequential(OrderedDict(a=nn.Linear(2, 3), b=nn.Linear(3, 1)))
    open_specified_layers(model, "b")
    assert [p.requires_grad for p in model.parameters()] == [False, False, True, True]
    assert not model.a.training and model.b.training
    open_all_layers(model)
    assert all(p.requires_grad for p in model.parameters()) and model.a.training
    with pytest.raises(ValueError, match='no layer "c". Its layers: a, b'):
        open_specified_layers(model, ["c"])
    assert count_num_param(model) == 13
    assert count_num_param(params=model.a.parameters()) == 9
    assert count_num_param(params=[{"params": list(model.b.parameters())}]) == 4
    with pytest.raises(ValueError):
        count_num_param()


def test_init_network_weights():
    model = nn.Sequential(nn.Conv2d(3, 64, 3), nn.BatchNorm2d(64), nn.Linear(64, 64))
    init_network_weights(model, "normal", gain=0.5)
    assert 0.45 < model[0].weight.std() < 0.55 and not model[2].bias.any()
    assert (model[1].weight == 1).all()
    init_network_weights(model, "orthogonal", gain=1.0)
    torch.testing.assert_close(
        model[2].weight @ model[2].weight.t(), torch.eye(64), atol=1e-4, rtol=0
    )
    with pytest.raises(ValueError, match='normal, xavier, kaiming, orthogonal; got "zero"'):
        init_network_weights(model, "zero")
