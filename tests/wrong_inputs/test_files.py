"""Wrong files: lists, picks, results, images and checkpoints; the message names the file."""

import os
import struct
import zlib

import pytest
import torch
from torch import nn

from dassl.data.datasets import Datum
from dassl.engine.base import TrainerBase
from dassl.utils import read_image
from datasets.content import checksum
from datasets.entries import make_datum
from datasets.image_list import read_classnames, read_list
from datasets.kept_picks import KeptPicks
from datasets.split_file import read_split
from datasets.text_files import read_text
from promptkit.runs import manifest
from wrong_inputs.of_lists import CLASS_NAMES, PICKS, RESULTS, SPLITS, TABLES


def refusal(path, read, content: str | None = None) -> str:
    """What `read` says of a file, which is its only trace."""
    if content is not None:
        path.write_bytes(content.encode("latin1"))
    with pytest.raises((ValueError, OSError)) as error:
        read()
    assert path.name in str(error.value)
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    return str(error.value)


@pytest.mark.parametrize(("content", "message"), SPLITS)
def test_splits(tmp_path, content, message):
    path = tmp_path / "split.json"
    assert message in refusal(path, lambda: read_split(str(path), str(tmp_path)), content)


@pytest.mark.parametrize(("content", "message"), TABLES)
def test_tables(tmp_path, content, message):
    path = tmp_path / "a.csv"
    assert message in refusal(path, lambda: read_list(str(path)), content)


@pytest.mark.parametrize(("content", "message"), CLASS_NAMES)
def test_class_names(tmp_path, content, message):
    path = tmp_path / "names.txt"
    assert message in refusal(path, lambda: read_classnames(str(path), ["a"]), content)


def items() -> list[Datum]:
    return [make_datum(f"/d/{name}{i}.png", label, name) for label, name in enumerate("ab")
            for i in range(3)]  # fmt: skip


@pytest.mark.parametrize(("content", "message"), PICKS)
def test_picks(tmp_path, content, message):
    kept = KeptPicks(folder=str(tmp_path), image_dir="/d", num_shots=2, seed=1)
    (tmp_path / "split_fewshot").mkdir()
    path = tmp_path / "split_fewshot/shot_2-seed_1.json"
    load = {"splits": {"train": items(), "val": []}, "shots": {"train": 2, "val": 2}}
    assert message in refusal(path, lambda: kept.load(**load), content)


def test_picks_of_a_class_with_a_backslash_are_found_where_the_folder_was_moved(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    found = []
    for folder in (here, there):
        train = [make_datum(f"{folder}/a\\b/{i}.png", 0, "a\\b") for i in range(2)]
        kept = KeptPicks(folder=str(folder), image_dir=str(folder), num_shots=2, seed=1)
        if folder == here:
            kept.save({"train": train, "val": []})
            here.rename(there)
        else:
            found = kept.load({"train": train, "val": []}, {"train": 2, "val": 2})["train"]
    assert [item.impath for item in found] == [f"{there}/a\\b/{i}.png" for i in range(2)]


@pytest.mark.parametrize(("content", "message"), RESULTS)
def test_results(tmp_path, content, message):
    whole = '{"schema": 1, "trainer": "T", "dataset": "D", "subset": "all", "seed": 1, "metrics": '
    if content.startswith("METRICS"):
        content = f"{whole}{content.removeprefix('METRICS ')}}}"
    path = tmp_path / "result.json"
    assert message in refusal(path, lambda: manifest.read_result(tmp_path), content)


@pytest.mark.parametrize("read", [read_image, read_text, checksum])
def test_pipes_are_refused_at_once(tmp_path, read):
    path = tmp_path / "pipe.png"
    os.mkfifo(path)
    assert "is no file, but a pipe, device or folder" in refusal(path, lambda: read(str(path)))


def png(width: int, height: int, *more: bytes) -> str:
    chunks = [b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0), *more, b"IEND"]
    parts = (struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in chunks)
    return (b"\x89PNG\r\n\x1a\n" + b"".join(parts)).decode("latin1")


@pytest.mark.filterwarnings("ignore")  # PIL's of what it goes on to refuse
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (png(60_000, 60_000), "decompression bomb"),
        (png(8, 8, b"zTXta\0\0" + zlib.compress(b"x" * 80_000_000, 9)), "Cannot read image"),
        (png(8, 8), "Cannot read image"),
        (png(0, 8), "Cannot read image"),
        ("II*\0\x08\0\0\0\xff\xff", "Cannot read image"),
        ("P6\n1000000 1000000\n255\n", "decompression bomb"),
        ("GIF89a\xff\xff\xff\xff\0\0\0", "Cannot read image"),
        ("BM" + "\xff" * 60, "Cannot read image"),
        ("", "an empty file"),
        ("hello", "a text file"),
    ],
)
def test_images(tmp_path, content, message):
    path = tmp_path / "a.png"
    assert message in refusal(path, lambda: read_image(str(path)), content)


class Small(TrainerBase):
    """One linear model with momentum."""

    def __init__(self) -> None:
        super().__init__()
        model = nn.Linear(2, 3)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        self.register_model("m", model, optimizer, torch.optim.lr_scheduler.StepLR(optimizer, 2))


def whole() -> dict:
    trainer = Small()
    trainer._models["m"](torch.ones(1, 2)).sum().backward()
    trainer._optims["m"].step()
    return {
        "state_dict": trainer._models["m"].state_dict(), "epoch": 1,
        "optimizer": trainer._optims["m"].state_dict(),
        "scheduler": trainer._scheds["m"].state_dict(),
    }  # fmt: skip


STATES = {
    "none": lambda w: None,
    "text": lambda w: "text",
    "list": lambda w: [1],
    "no epoch": lambda w: {"state_dict": w["state_dict"]},
    "epoch of text": lambda w: w | {"epoch": "1"},
    "epoch below 0": lambda w: w | {"epoch": -1},
    "epoch of truth": lambda w: w | {"epoch": True},
    "no weights": lambda w: w | {"state_dict": None},
    "weights of text": lambda w: w | {"state_dict": "text"},
    "empty weights": lambda w: w | {"state_dict": {}},
    "weights that are texts": lambda w: w | {"state_dict": {"weight": "x"}},
    "other names": lambda w: w | {"state_dict": {"x": torch.ones(1)}},
    "other shapes": lambda w: w | {"state_dict": {"weight": torch.ones(9), "bias": torch.ones(3)}},
    "optimizer of text": lambda w: w | {"optimizer": "text"},
    "empty optimizer": lambda w: w | {"optimizer": {}},
    "optimizer of two groups": lambda w: w | {"optimizer": {"param_groups": [{}, {}], "state": {}}},
    "momentum of another shape": lambda w: w | {"optimizer": w["optimizer"] | {
        "state": {0: {"momentum_buffer": torch.ones(7)}}}},
    "schedule of text": lambda w: w | {"scheduler": "text"},
}  # fmt: skip


@pytest.mark.parametrize("name", STATES)
def test_checkpoints(tmp_path, name):
    folder = tmp_path / "m"
    folder.mkdir()
    torch.save(STATES[name](whole()), folder / "model.pth.tar-1")
    (folder / "checkpoint").write_text("model.pth.tar-1\n")
    with pytest.raises(ValueError) as error:
        Small().resume_model_if_exist(str(tmp_path))
    assert "model.pth.tar-1" in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("share", [0, 0.01, 0.3, 0.6, 0.9, 0.99])
def test_checkpoints_that_are_cut_short(tmp_path, share):
    path = tmp_path / "m/model.pth.tar-1"
    path.parent.mkdir()
    torch.save(whole(), path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    (path.parent / "checkpoint").write_text(path.name)
    with pytest.raises(ValueError) as error:
        Small().resume_model_if_exist(str(tmp_path))
    assert str(path) in str(error.value) and "Invalid argument" not in str(error.value)


@pytest.mark.parametrize("pointer", ["", "\n", "none", "../m", "\x00", "\udcff"])
def test_pointers(tmp_path, pointer):
    (tmp_path / "m").mkdir()
    (tmp_path / "m/checkpoint").write_bytes(pointer.encode("utf-8", "surrogateescape"))
    with pytest.raises(FileNotFoundError, match="checkpoint"):
        Small().resume_model_if_exist(str(tmp_path))
