"""The feature store: nothing is encoded twice, nothing stale or damaged is used."""

import json
import multiprocessing
import os
import shutil
import time
from pathlib import Path

import pytest
import torch

import train
from promptkit import trainer as trainer_module
from promptkit.prompts import sentences
from promptkit.stores.feature_store import FeatureStore, image_files_key
from promptkit.use.feature_store import main


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("PROMPTKIT_FEATURES", str(tmp_path / "store"))
    return tmp_path / "store"


@pytest.fixture
def encoded(monkeypatch):
    """Number of images in each call of the image encoder."""
    calls = []
    encode = trainer_module.encode_image

    def counting(model, images):
        calls.append(len(images))
        return encode(model, images)

    monkeypatch.setattr(trainer_module, "encode_image", counting)
    return calls


EVALUATE = ("--eval-only",)


def evaluate(tiny_argv, tmp_path, trainer, output, *extra) -> dict:
    extra = (*extra, "TEST.KEEP_LOGITS", False)  # with it validation images are encoded, too
    assert train.main(tiny_argv(trainer, *extra, output=output, flags=EVALUATE)) == 0
    return json.loads((tmp_path / output / "result.json").read_text())


def test_a_second_method_encodes_no_image(tiny_argv, tmp_path, folder, encoded):
    first = evaluate(tiny_argv, tmp_path, "ZeroshotCLIP", "a")
    assert sum(encoded) == 36
    encoded.clear()
    again = evaluate(tiny_argv, tmp_path, "ZeroshotCLIP", "b")
    other = evaluate(tiny_argv, tmp_path, "ZeroshotCLIP2", "c")
    assert encoded == []
    off = evaluate(tiny_argv, tmp_path, "ZeroshotCLIP2", "d", "FEATURES.STORE", "False")
    assert sum(encoded) == 36
    assert first["metrics"] == again["metrics"] and other["per_class"] == off["per_class"]


def test_training_is_the_same_to_the_last_bit(tiny_argv, tmp_path, folder):
    """Also where validation in training reads from the store or not, and draws random numbers."""
    states = []
    for output, store in (("off", "False"), ("miss", "True"), ("hit", "True")):
        argv = tiny_argv("CoOp", "TEST.FINAL_MODEL", "best_val", "FEATURES.STORE", store,
                         output=output)  # fmt: skip
        assert train.main(argv) == 0
        path = tmp_path / output / "prompt_learner/model.pth.tar-2"
        result = json.loads((tmp_path / output / "result.json").read_text())
        states.append((torch.load(path)["state_dict"]["ctx"], result["metrics"]))
    for context, metrics in states[1:]:
        assert torch.equal(context, states[0][0]) and metrics == states[0][1]


def test_hand_crafted_features_are_encoded_once_for_all_methods(tiny_trainer, folder, monkeypatch):
    calls = []
    encode = sentences.encode_prompts

    def counting(model, prompts):
        calls.append(1)
        return encode(model, prompts)

    monkeypatch.setattr(sentences, "encode_prompts", counting)
    first = tiny_trainer("KgCoOp").hand_crafted
    assert calls == [1]
    second = tiny_trainer("TCP", output="b").hand_crafted
    assert calls == [1] and torch.equal(first, second)
    third = tiny_trainer("KgCoOp", "FEATURES.STORE", False, output="c").hand_crafted
    assert calls == [1, 1] and torch.equal(first, third)
    other = tiny_trainer("KgCoOp", "DATASET.TEMPLATE", "a print of a {}.", output="d")
    assert calls == [1, 1, 1] and not torch.equal(first, other.hand_crafted)


def test_logits_are_the_same_to_the_last_bit(tiny_trainer, folder):
    logits = {}
    for store in (False, True):
        trainer = tiny_trainer("ZeroshotCLIP", "FEATURES.STORE", store)
        seen = []
        process = trainer.evaluator.process
        trainer.evaluator.process = lambda mo, gt, s=seen, p=process: (s.append(mo), p(mo, gt))
        trainer.test()
        logits[store] = torch.cat(seen)
    assert torch.equal(logits[False], logits[True])


@pytest.mark.parametrize("change", ["image", "weights", "activation", "size", "draft", "batch"])
def test_what_decides_the_features_makes_another_entry(
    change, tiny_argv, tmp_path, folder, encoded, tiny_root, tiny_weights
):
    root = tmp_path / "copy"
    shutil.copytree(tiny_root, root)
    argv = [str(root) if x == tiny_root else x for x in tiny_argv("ZeroshotCLIP", flags=EVALUATE)]
    argv += ["TEST.KEEP_LOGITS", "False"]
    assert train.main(argv) == 0
    encoded.clear()
    argv[argv.index("--output-dir") + 1] = str(tmp_path / "second")
    if change == "image":
        path = next(Path(root, "tiny/images").glob("*_17.png"))
        os.utime(path, ns=(1, 1))
    elif change == "weights":
        content = torch.load(tiny_weights)
        content["state_dict"]["visual.proj"] *= 1.5
        torch.save(content, tmp_path / "other.pt")
        argv[argv.index("--backbone") + 1] = str(tmp_path / "other.pt")
    elif change == "activation":
        content = torch.load(tiny_weights) | {"activation": "gelu"}
        torch.save(content, tmp_path / "other.pt")
        argv[argv.index("--backbone") + 1] = str(tmp_path / "other.pt")
    elif change == "size":
        argv += ["INPUT.INTERPOLATION", "bicubic"]
    elif change == "draft":
        argv += ["INPUT.DRAFT", "True"]
    else:
        argv += ["DATALOADER.TEST.BATCH_SIZE", "7"]
    assert train.main(argv) == 0 and sum(encoded) == 36


def store_of(folder, **options) -> FeatureStore:
    return FeatureStore(Path(folder), **options)


def test_a_damaged_entry_is_made_again(tmp_path, capsys):
    store, features = store_of(tmp_path), torch.randn(5, 3)
    store.get({"a": 1}, lambda: features)
    (path,) = tmp_path.glob("*.pt")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    calls = []
    found = store.get({"a": 1}, lambda: calls.append(1) or features)
    assert calls == [1] and torch.equal(found, features)
    assert "are damaged, they are made again" in capsys.readouterr().out
    assert torch.equal(store.get({"a": 1}, lambda: pytest.fail("it is there")), features)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_every_precision_comes_back(tmp_path, dtype):
    features = torch.randn(5, 3).to(dtype)
    store_of(tmp_path).get({"a": 1}, lambda: features)
    found = store_of(tmp_path).get({"a": 1}, lambda: pytest.fail("it is there"))
    assert found.dtype == dtype and torch.equal(found, features)


def test_large_entries_are_mapped(tmp_path, monkeypatch):
    monkeypatch.setattr("promptkit.stores.feature_store.MAP_BYTES", 10)
    features = torch.randn(5, 3)
    store_of(tmp_path).get({"a": 1}, lambda: features)
    assert torch.equal(store_of(tmp_path).get({"a": 1}, lambda: None), features)


def test_the_least_recently_used_go_first(tmp_path, capsys):
    store = store_of(tmp_path)
    for number in range(3):
        store.get({"n": number}, lambda: torch.zeros(1000, 100))
    for age, (path, _) in enumerate(store.entries()):
        os.utime(path, (1000 - age, 1000 - age))
    store.get({"n": 0}, lambda: pytest.fail("it is there"))  # used now
    assert main(["du", "--folder", str(tmp_path)]) == 0
    assert "3 entries, 1.2 MB" in capsys.readouterr().out
    assert main(["prune", "--folder", str(tmp_path), "--gb", "0.0009"]) == 0
    assert "1 entries deleted" in capsys.readouterr().out
    store.get({"n": 0}, lambda: pytest.fail("it is there"))
    small = store_of(tmp_path, limit_gb=0.0005)
    small.get({"n": 9}, lambda: torch.zeros(1000, 100))
    assert len(small.entries()) == 1


def test_what_killed_processes_left_is_deleted_once_it_is_a_day_old(tmp_path):
    store = store_of(tmp_path)
    store.get({}, lambda: torch.zeros(1))
    for name, hours in ((".key.old.partial", 25), (".key.new.partial", 1)):
        (tmp_path / name).write_text("half")
        os.utime(tmp_path / name, (time.time() - hours * 3600,) * 2)
    store.prune(limit_gb=1)
    assert [path.name for path in tmp_path.glob(".*")] == [".key.new.partial"]
    assert len(store.entries()) == 1


def test_files_of_others_are_not_counted_nor_deleted(tmp_path):
    (tmp_path / "ViT-B-16.pt").write_text("weights")
    store = store_of(tmp_path)
    store.get({}, lambda: torch.zeros(1))
    assert len(store.entries()) == 1 and store.prune(limit_gb=0) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["ViT-B-16.pt"]


def test_a_folder_that_cannot_be_written_costs_no_run(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    features = torch.zeros(2, 2)
    assert store_of(tmp_path / "file/store").get({}, lambda: features) is features
    assert "Image features are not kept" in capsys.readouterr().out


def test_the_same_features_are_one_entry_whoever_writes_them(tmp_path):
    first, second = store_of(tmp_path), store_of(tmp_path)
    features = torch.arange(4.0)

    def compute():  # the other process is faster
        second.get({}, lambda: features)
        return features

    assert torch.equal(first.get({}, compute), features)
    assert len(first.entries()) == 1


def _race(folder: str, number: int) -> bool:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(200, 50, generator=generator)
    results = [FeatureStore(Path(folder)).get({"a": n}, lambda: features) for n in range(10)]
    return all(torch.equal(result, features) for result in results)


def test_several_processes_at_once(tmp_path):
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        assert all(pool.starmap(_race, [(str(tmp_path), n) for n in range(2)]))
    names = os.listdir(tmp_path)
    assert len(names) == 10 and all(name.endswith(".pt") for name in names)


def test_the_order_of_images_counts(tmp_path):
    for name in "ab":
        (tmp_path / name).write_text(name)
    paths = [str(tmp_path / name) for name in "ab"]
    assert image_files_key(paths) != image_files_key(paths[::-1])
