"""Full disks, memory, permissions: the file or the key is named, nothing is left half written."""

import json
import os
import pickle
import stat
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image
from safetensors import SafetensorError

import train
from dassl.utils.logger import Logger
from datasets import drawing
from datasets.drawing import draw
from pocket.datasets import SETS, PocketSet
from promptkit.stores.feature_store import FeatureStore
from promptkit.use import tensors_file
from reports.files import write_atomically

FULL = OSError(28, "No space left on device")


def fail(capsys, argv: list[str]) -> str:
    """The one message of a command line that must fail."""
    assert train.main(argv) == 1
    message = capsys.readouterr().err.split("error: ")
    assert len(message) == 2 and "Traceback" not in message[1]
    return message[1]


def raising(error: BaseException):
    def raise_it(*_, **__):
        raise error

    return raise_it


def hidden_or_partial(folder: Path) -> list[Path]:
    names = (".*", "*.tmp", "*.partial")
    return [path for name in names for path in folder.rglob(name)]


def test_a_full_log_is_named_and_the_console_goes_on(tiny_argv, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(time, "strftime", lambda *_: "-full")  # of the name beside an earlier log
    (tmp_path / "run").mkdir()
    (tmp_path / "run/log.txt").write_text("")
    (tmp_path / "run/log.txt-full").symlink_to("/dev/full")
    message = fail(capsys, tiny_argv("CoOp"))
    assert message.startswith(f"{tmp_path}/run/log.txt-full: No space left on device. ")
    assert sorted(os.listdir(tmp_path / "run")) == ["log.txt", "log.txt-full"]
    log = Logger("/dev/full")
    with pytest.raises(OSError, match="'/dev/full'"):
        log.write("a line\n")
    log.write("another\n")
    log.close()
    assert capsys.readouterr().out.endswith("a line\nanother\n")


def test_a_full_disk_at_the_result_is_named(tiny_argv, tmp_path, capsys, monkeypatch):
    flags = ("--eval-only",)
    assert train.main(tiny_argv("ZeroshotCLIP", output="first", flags=flags)) == 0  # keeps picks
    monkeypatch.setattr(json, "dump", raising(FULL))
    message = fail(capsys, tiny_argv("ZeroshotCLIP", flags=flags))
    assert message.startswith(f"{tmp_path}/run/run.json: No space left on device. ")
    assert not hidden_or_partial(tmp_path)


def test_full_few_shot_picks_and_reports_are_named(tiny_argv, tiny_root, tmp_path, capsys,
                                                   monkeypatch):  # fmt: skip
    monkeypatch.setattr(pickle, "dump", raising(FULL))
    message = fail(capsys, tiny_argv("CoOp", "DATASET.NUM_SHOTS", 3))
    folder = Path(tiny_root, "tiny/split_fewshot")
    assert message.startswith(f"{folder}/shot_3-seed_1.pkl: No space left on device. ")
    assert not list(folder.glob("shot_3*")) and not hidden_or_partial(Path(tiny_root))
    monkeypatch.setattr(Path, "write_bytes", raising(FULL))
    with pytest.raises(OSError, match="No space left on device: '.*/table.md'"):
        write_atomically(tmp_path / "table.md", b"")


def test_a_full_tensorboard_log_is_said_once_and_the_run_goes_on(tiny_trainer, capsys):
    trainer = tiny_trainer("CoOp", "TEST.NO_TEST", True)
    trainer.init_writer = lambda folder: setattr(trainer, "_writer", writer)
    writer = SimpleNamespace(log_dir="the_run/tensorboard", add_scalar=raising(FULL))
    trainer.train()
    line = "The TensorBoard log in the_run/tensorboard is not whole: No space left on device\n"
    assert capsys.readouterr().out.count(line) == 1
    trainer._writer = SimpleNamespace(log_dir="the_run/tensorboard", close=raising(FULL))
    trainer.close_writer()
    assert capsys.readouterr().out == line


def test_full_files_of_tensors_are_named(tiny_argv, tmp_path, capsys, monkeypatch):
    """safetensors has the system's error in words alone, torch behind one of its own."""
    words = "Error while serializing: I/O error: No space left on device (os error 28)"
    monkeypatch.setattr(tensors_file, "save_file", raising(SafetensorError(words)))
    with pytest.raises(OSError, match="No space left on device: '.*/a.safetensors'"):
        tensors_file.write_tensors({}, tmp_path / "a.safetensors", {})
    (tmp_path / "run").mkdir()
    (tmp_path / "run/cmat.pt").symlink_to("/dev/full")
    argv = tiny_argv(
        "ZeroshotCLIP", "TEST.COMPUTE_CMAT", True, "FEATURES.STORE", False, flags=("--eval-only",)
    )
    assert fail(capsys, argv).startswith(f"{tmp_path}/run/cmat.pt: No space left on device. ")
    assert not (tmp_path / "run/cmat.pt").is_symlink() and not hidden_or_partial(tmp_path)


def test_drawing_on_a_full_disk_names_the_folder_and_stops_soon(tmp_path, monkeypatch):
    drawn = []
    images = PocketSet.images
    monkeypatch.setattr(PocketSet, "images", lambda *task: drawn.append(task) or images(*task))
    monkeypatch.setattr(Image.Image, "save", raising(FULL))
    dataset = SETS["PocketSizes"]
    with pytest.raises(OSError, match=f"No space left on device: '{tmp_path}/pocket_sizes'"):
        draw(dataset, tmp_path)
    assert not list(tmp_path.iterdir()) and 0 < len(drawn) < len(dataset.classnames)


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device", "x.pt"), RuntimeError("unexpected pos 704")]
)
def test_a_full_feature_store_is_said_and_the_run_goes_on(
    tiny_argv, tmp_path, capsys, monkeypatch, error
):
    monkeypatch.setenv("PROMPTKIT_FEATURES", str(tmp_path / "store"))
    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", raising(error))
        assert train.main(tiny_argv("ZeroshotCLIP", flags=("--eval-only",))) == 0
    out = capsys.readouterr().out
    place = "x.pt: No space left" if isinstance(error, OSError) else f"{tmp_path}/store: the disk"
    assert f"Image features are not kept: {place}" in out and "Result: " in out
    assert not list((tmp_path / "store").iterdir())


def test_entries_of_other_users_are_no_error(tmp_path, capsys, monkeypatch):
    """Those that may be read are; those that may not are made again."""
    store, features = FeatureStore(tmp_path), torch.ones(2, 3)
    store.get({"a": 1}, lambda: features)
    denied = raising(PermissionError(13, "Permission denied"))
    with monkeypatch.context() as patch:
        patch.setattr(os, "utime", denied)
        assert torch.equal(store.get({"a": 1}, raising(AssertionError())), features)
        patch.setattr(Path, "unlink", denied)
        assert store.prune(0.0) == 0
    with monkeypatch.context() as patch:
        patch.setattr("promptkit.stores.feature_store.checksum", denied)
        patch.setattr(FeatureStore, "_write", lambda *_: None)
        assert torch.equal(store.get({"a": 1}, lambda: features + 1), features + 1)
    assert "cannot be used: Permission denied" in capsys.readouterr().out


@pytest.mark.parametrize(("umask", "file_mode"), [(0o077, 0o600), (0o002, 0o664)])
def test_the_umask_says_who_may_read(tiny_argv, tmp_path, monkeypatch, umask, file_mode):
    """Of all that a run writes, its entry in the store, and drawn data."""
    monkeypatch.setenv("PROMPTKIT_FEATURES", str(tmp_path / "store"))
    monkeypatch.setattr(drawing, "_write_class", lambda *_: [])
    before = os.umask(umask)
    try:
        assert train.main(tiny_argv("CoOp", "TEST.COMPUTE_CMAT", True)) == 0
        draw(SETS["PocketSizes"], tmp_path / "data")
        write_atomically(tmp_path / "tables/a.md", b"")
    finally:
        os.umask(before)
    names = set()
    for path in tmp_path.rglob("*"):
        mode = stat.S_IMODE(path.stat().st_mode)
        wanted = file_mode if path.is_file() else 0o777 & ~umask
        assert mode == wanted, f"{path}: {mode:o}"
        names.add(path.name.split("-")[0])
    assert names >= {"run.json", "result.json", "log.txt", "checkpoint", "model.pth.tar", "a.md",
                     "cmat.pt", "split_pocket.json", "store"}  # fmt: skip
    assert len(list((tmp_path / "store").glob("*.pt"))) == 2  # of test and validation images


ON_CPU = "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate 400 bytes. Error code 12"  # noqa: E501  (torch's own words)
ON_GPU = "CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 78 GiB."
LOST = "DataLoader worker (pid 7) is killed by signal: Killed. "


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError(ON_CPU), "CPU: DefaultCPUAllocator: can't allocate memory: you tried"),
        (torch.cuda.OutOfMemoryError(ON_GPU), "GPU: CUDA out of memory. Tried to allocate 20.00"),
        (RuntimeError("std::bad_alloc"), "CPU: std::bad_alloc. Lower"),
        (MemoryError(), "CPU: MemoryError. Lower"),
    ],
)
def test_memory_that_ran_out_names_the_keys(tiny_argv, tmp_path, capsys, monkeypatch, error, words):
    from trainers.coop import CoOp

    monkeypatch.setattr(CoOp, "loss", raising(error))
    message = fail(capsys, tiny_argv("CoOp"))
    assert message.startswith(f"out of memory on the {words}")
    for key in ("DATALOADER.TRAIN_X.BATCH_SIZE", "DATALOADER.TEST.BATCH_SIZE",
                "TRAINER.COOP.CHUNK", "TRAINER.COOP.PREC"):  # fmt: skip
        assert key in message
    assert not (tmp_path / "run/result.json").exists()


def test_a_loading_process_that_was_ended_names_its_key_and_mistakes_keep_their_traceback(
    tiny_argv, capsys, monkeypatch
):
    from trainers.coop import CoOp

    monkeypatch.setattr(CoOp, "loss", raising(RuntimeError(LOST)))
    assert "killed by signal: Killed. Lower DATALOADER.NUM_WORKERS" in fail(
        capsys, tiny_argv("CoOp", output="a")
    )
    monkeypatch.setattr(CoOp, "loss", raising(RuntimeError("size mismatch")))
    with pytest.raises(RuntimeError, match="size mismatch"):
        train.main(tiny_argv("CoOp", output="b"))
