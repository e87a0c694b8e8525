import errno
import json
import os
import pickle
import random
import shutil

import pytest

from dassl.data.datasets import DatasetBase, Datum
from datasets import picks
from datasets.class_subset import subsample_classes
from datasets.coop import CoOpDataset
from datasets.few_shot import sample_few_shot
from datasets.split_file import read_split


class Tiny(CoOpDataset):
    dataset_dir = "tiny"
    image_dir = "images"
    split_file = "split.json"


# Made by Dassl 0.6.3: seed -> first picks of train and of val, 4 shots of 5 x 12 images.
GOLDEN = {
    1: ("0_2 0_9 0_1 0_4 1_1 1_7 1_10 1_9", "0_10 0_2 0_0 0_8"),
    2: ("0_0 0_1 0_10 0_5 1_2 1_10 1_4 1_9", "0_8 0_6 0_4 0_0"),
    3: ("0_3 0_9 0_8 0_2 1_5 1_9 1_7 1_1", "0_10 0_2 0_8 0_4"),
}


def names(items):
    return [os.path.basename(item.impath).removesuffix(".png") for item in items]


def kept(root, *, num_shots=4, seed=1, suffix="pkl"):
    return root / "tiny" / "split_fewshot" / f"shot_{num_shots}-seed_{seed}.{suffix}"


@pytest.mark.parametrize("seed", GOLDEN)
def test_picks_are_those_of_dassl(make_cfg, seed):
    for _ in range(2):  # drawn, then read
        data = Tiny(make_cfg(num_shots=4, seed=seed))
        train, val = (golden.split() for golden in GOLDEN[seed])
        assert names(data.train_x)[:8] == train
        assert names(data.val)[:4] == val
        assert (len(data.train_x), len(data.val)) == (20, 20)


def test_sampling_itself_uses_the_random_state(root):
    train, val, _ = read_split(str(root / "tiny/split.json"), str(root / "tiny/images"))
    dataset = DatasetBase(train_x=train, val=val, test=val)
    random.seed(2)
    picked, picked_val = sample_few_shot(dataset, train, val, num_shots=4)
    assert (names(picked)[:8], names(picked_val)[:4]) == tuple(g.split() for g in GOLDEN[2])
    assert len(sample_few_shot(dataset, train, val, num_shots=8)[1]) == 20


def test_random_state_is_the_same_whether_drawn_or_read(make_cfg):
    states = []
    for _ in range(2):
        random.seed(99)
        random.random()
        Tiny(make_cfg(num_shots=4))
        states.append(random.getstate())
    assert states[0] == states[1]


def test_seed_zero_is_a_seed(make_cfg, root):
    Tiny(make_cfg(num_shots=4, seed=0))
    assert kept(root, seed=0).exists()


def test_no_seed_is_never_kept(make_cfg, root):
    random.seed(1)
    first = names(Tiny(make_cfg(num_shots=4, seed=-1)).train_x)
    assert first[:8] == GOLDEN[1][0].split()
    assert names(Tiny(make_cfg(num_shots=4, seed=-1)).train_x) != first
    assert not kept(root).parent.exists()


def test_no_shots_give_the_whole_split(make_cfg, root):
    data = Tiny(make_cfg(num_shots=-1))
    assert (len(data.train_x), len(data.val), len(data.test)) == (60, 30, 60)
    assert not kept(root).parent.exists()


def test_messages(make_cfg, root, capsys):
    Tiny(make_cfg(num_shots=4))
    assert f"Saving preprocessed few-shot data to {kept(root)}\n" in capsys.readouterr().out
    Tiny(make_cfg(num_shots=4))
    out = capsys.readouterr().out
    assert f"Loading preprocessed few-shot data from {kept(root)}\n" in out
    assert "Creating" not in out


def test_files_are_in_upstreams_form_and_in_json(make_cfg, root):
    data = Tiny(make_cfg(num_shots=4))
    assert sorted(os.listdir(kept(root).parent)) == ["shot_4-seed_1.json", "shot_4-seed_1.pkl"]
    content = kept(root).read_bytes()
    assert content[:2] == b"\x80" + bytes([pickle.HIGHEST_PROTOCOL])
    stored = pickle.loads(content)
    assert list(stored) == ["train", "val"]
    assert all(type(item) is Datum for item in stored["train"] + stored["val"])
    assert Datum.__module__ == "dassl.data.datasets.base_dataset"
    first = vars(stored["train"][0])
    assert first["_impath"] == str(root / "tiny/images/0/0_2.png") == data.train_x[0].impath
    assert (first["_label"], first["_domain"], first["_classname"]) == (0, 0, "c0")
    twin = json.loads(kept(root, suffix="json").read_text())
    assert twin["train"][0] == ["images/0/0_2.png", 0, "c0"]
    assert (len(twin["train"]), len(twin["val"])) == (20, 20)


@pytest.mark.parametrize("suffix", ["pkl", "json"])
def test_either_file_is_enough(make_cfg, root, suffix, capsys):
    first = names(Tiny(make_cfg(num_shots=4)).train_x)
    kept(root, suffix=suffix).unlink()
    random.seed(1234)
    capsys.readouterr()
    assert names(Tiny(make_cfg(num_shots=4)).train_x) == first
    assert "Loading preprocessed few-shot data from" in capsys.readouterr().out


def test_a_file_without_val_as_of_imagenet_leaves_val_whole(make_cfg, root):
    first = names(Tiny(make_cfg(num_shots=4)).train_x)
    whole = names(Tiny(make_cfg(num_shots=-1)).val)
    kept(root, suffix="json").unlink()
    picks = pickle.loads(kept(root).read_bytes())
    kept(root).write_bytes(pickle.dumps({"train": picks["train"]}))
    again = Tiny(make_cfg(num_shots=4))
    assert names(again.train_x) == first and names(again.val) == whole


def test_a_moved_data_folder_is_found_again(make_cfg, root, tmp_path):
    first = names(Tiny(make_cfg(num_shots=4)).train_x)
    moved = tmp_path / "elsewhere"
    shutil.move(root, moved)
    kept(moved, suffix="json").unlink()
    data = Tiny(make_cfg(num_shots=4, root=moved))
    assert names(data.train_x) == first
    assert all(os.path.isfile(item.impath) for item in data.train_x + data.val)
    assert data.train_x[0].impath.startswith(str(moved))


def rewrite_pickle(make_cfg, root, change):
    """Draws picks and leaves the pickle alone, `change`d as another machine would write it."""
    first = Tiny(make_cfg(num_shots=4))
    kept(root, suffix="json").unlink()
    picks = pickle.loads(kept(root).read_bytes())
    change(picks)
    kept(root).write_bytes(pickle.dumps(picks, pickle.HIGHEST_PROTOCOL))
    return first


@pytest.mark.parametrize("prefix", ["/home/someone/data/tiny/images", "D:\\data\\tiny\\images"])
def test_stale_absolute_paths_are_rebased(make_cfg, root, prefix):
    def move(picks):
        for item in picks["train"] + picks["val"]:
            item._impath = item.impath.replace(str(root / "tiny/images"), prefix)

    first = rewrite_pickle(make_cfg, root, move)
    again = Tiny(make_cfg(num_shots=4))
    assert [item.impath for item in again.train_x] == [item.impath for item in first.train_x]
    assert [item.impath for item in again.val] == [item.impath for item in first.val]


@pytest.mark.parametrize("change", [{"_impath": "/data/tiny/images/0/0_99.png"}, {"_label": 1}])
def test_a_pick_that_the_split_lacks_is_an_error(make_cfg, root, change):
    rewrite_pickle(make_cfg, root, lambda picks: vars(picks["train"][0]).update(change))
    with pytest.raises(ValueError, match="made from another split.*Delete it") as error:
        Tiny(make_cfg(num_shots=4))
    assert str(error.value).startswith(str(kept(root)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: p["train"].pop(), "train has 3 images of class 'c4' where 4 are drawn from the"),
        (lambda p: p["train"].append(p["val"][0]), "train has 5 images of class 'c0' where 4 are"),
        (lambda p: p["train"].__delitem__(slice(4)), "train has 0 images of class 'c0' where 4"),
        (lambda p: p["val"].pop(), "val has 3 images of class 'c4' where 4 are drawn from the 6"),
        (lambda p: p["train"].__setitem__(1, p["train"][0]), "train has .*0_2.png more than once"),
    ],
)
def test_picks_that_no_draw_gives_are_refused(make_cfg, root, change, message):
    rewrite_pickle(make_cfg, root, change)
    with pytest.raises(ValueError, match=message) as error:
        Tiny(make_cfg(num_shots=4))
    assert str(error.value).startswith(f"{kept(root)}: ")
    assert "new picks will be drawn" in str(error.value)


def test_a_class_with_fewer_images_than_shots_gives_all_of_them(make_cfg, root):
    path = root / "tiny/split.json"
    split = json.loads(path.read_text())
    split["train"] = split["train"][9:]  # 3 images of c0
    split["val"] = [entry for entry in split["val"] if entry[1] > 0]
    path.write_text(json.dumps(split))
    for _ in range(2):  # drawn, then read
        data = Tiny(make_cfg(num_shots=4))
        assert [i.label for i in data.train_x] == [0] * 3 + [1] * 4 + [2] * 4 + [3] * 4 + [4] * 4
        assert {i.label for i in data.val} == {1, 2, 3, 4}


class Malicious:
    def __reduce__(self):
        return os.mkdir, ("executed",)


def test_a_malicious_pickle_is_refused_and_not_executed(make_cfg, root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    kept(root).parent.mkdir()
    kept(root).write_bytes(pickle.dumps({"train": [Malicious()], "val": []}))
    with pytest.raises(ValueError, match=r"refers to \w+\.mkdir, and only dassl") as error:
        Tiny(make_cfg(num_shots=4))
    assert str(kept(root)) in str(error.value)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no pickle",
        b"<!DOCTYPE html>",
        pickle.dumps([1, 2]),
        pickle.dumps({"train": []}),
        pickle.dumps({"train": [1], "val": []}),
        pickle.dumps({"train": 1, "val": []}),
    ],
)
def test_a_damaged_pickle_is_named(make_cfg, root, content):
    kept(root).parent.mkdir()
    kept(root).write_bytes(content)
    with pytest.raises(ValueError, match="shot_4-seed_1.pkl is no list of images"):
        Tiny(make_cfg(num_shots=4))


@pytest.mark.parametrize(
    "content",
    ["", "[]", '{"train": []}', '{"train": [["a", "0", "c"]], "val": []}', '{"train": [3]}'],
)
def test_a_damaged_json_is_named(make_cfg, root, content):
    kept(root).parent.mkdir()
    kept(root, suffix="json").write_text(content)
    with pytest.raises(ValueError, match="shot_4-seed_1.json is no list of images"):
        Tiny(make_cfg(num_shots=4))


def test_disagreement_names_both_files(make_cfg, root):
    Tiny(make_cfg(num_shots=4))
    twin = json.loads(kept(root, suffix="json").read_text())
    twin["val"].reverse()
    kept(root, suffix="json").write_text(json.dumps(twin))
    with pytest.raises(ValueError, match="Delete the one that you do not trust") as error:
        Tiny(make_cfg(num_shots=4))
    assert str(kept(root)) in str(error.value)
    assert str(kept(root, suffix="json")) in str(error.value)


def test_a_failed_write_leaves_no_file(make_cfg, root, monkeypatch):
    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        Tiny(make_cfg(num_shots=4))
    assert os.listdir(kept(root).parent) == []


def test_on_a_read_only_disk_the_picks_are_drawn_and_that_is_said(
    make_cfg, root, monkeypatch, capsys
):
    def refuse(*_):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("os.replace", refuse)
    assert names(Tiny(make_cfg(num_shots=4)).train_x)[:8] == GOLDEN[1][0].split()
    message = f"Few-shot picks are not kept, {root / 'tiny'} is read-only; the seed draws the same"
    assert message in capsys.readouterr().out and os.listdir(kept(root).parent) == []


@pytest.mark.parametrize(
    ("subset", "sizes", "classes"),
    [
        ("all", (60, 30, 60), ["c0", "c1", "c2", "c3", "c4"]),
        ("base", (36, 18, 36), ["c0", "c1", "c2"]),
        ("new", (24, 12, 24), ["c3", "c4"]),
    ],
)
def test_subsets(make_cfg, subset, sizes, classes, capsys):
    data = Tiny(make_cfg(subset=subset))
    assert (len(data.train_x), len(data.val), len(data.test)) == sizes
    assert data.lab2cname == dict(enumerate(classes))
    assert {item.label: item.classname for item in data.test} == data.lab2cname
    out = capsys.readouterr().out
    message = f"SUBSAMPLE {subset.upper()} CLASSES!\n"
    assert (message in out) == (subset != "all")


def test_shots_of_a_subset_are_among_those_of_all_classes(make_cfg):
    def picks(subset):
        data = Tiny(make_cfg(num_shots=4, subset=subset))
        return names(data.train_x), names(data.val)

    everything, base, new = picks("all"), picks("base"), picks("new")
    assert base[0] + new[0] == everything[0]
    assert base[1] + new[1] == everything[1]


def test_subset_is_that_of_the_first_data_set(root):
    train, val, _ = read_split(str(root / "tiny/split.json"), str(root / "tiny/images"))
    first = [item for item in train if item.label in (1, 3, 4)]
    base = subsample_classes(first, val, subsample="base")
    assert [{i.classname: i.label for i in items} for items in base] == [{"c1": 0, "c3": 1}] * 2


def test_unknown_subset_is_an_error(make_cfg):
    message = r"DATASET.SUBSAMPLE_CLASSES must be one of all, base, new; got 'old'"
    with pytest.raises(ValueError, match=message):
        Tiny(make_cfg(subset="old"))


def test_picks_as_lines_are_read_and_written(make_cfg, root, capsys):
    """In the form of arXiv:2503.11609: keys of a Datum, absolute paths of another machine."""
    first = names(Tiny(make_cfg(num_shots=4)).train_x)
    assert picks.main([str(root)]) == 0
    train, val = (kept(root).with_name(f"shot_4-seed_1_{part}.jsonl") for part in ("train", "val"))
    assert capsys.readouterr().out.endswith(f"{train}\n")
    lines = [json.loads(line) for line in train.read_text().splitlines()]
    assert lines[0] == {
        "_impath": "images/0/0_2.png", "_label": 0, "_classname": "c0", "_domain": 0
    }  # fmt: skip
    for path in (train, val):
        there = path.read_text().replace("images/", "/home/somebody/data/tiny/images/")
        path.write_text(there)
    for suffix in ("pkl", "json"):
        kept(root, suffix=suffix).unlink()
    data = Tiny(make_cfg(num_shots=4))
    assert names(data.train_x) == first and len(data.val) == 20
    val.unlink()  # as ImageNet's
    assert len(Tiny(make_cfg(num_shots=4)).val) == 30


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[:-20], "shot_4-seed_1_train.jsonl"),
        (lambda text: text.replace('"_label": 0', '"_label": 1', 1), "does not have"),
        (lambda text: "", "is empty"),
    ],
)
def test_damaged_lines_are_named(make_cfg, root, change, message):
    Tiny(make_cfg(num_shots=4))
    assert picks.main([str(root)]) == 0
    for suffix in ("pkl", "json"):
        kept(root, suffix=suffix).unlink()
    path = kept(root).with_name("shot_4-seed_1_train.jsonl")
    path.write_text(change(path.read_text()))
    with pytest.raises(ValueError, match=message):
        Tiny(make_cfg(num_shots=4))


def test_a_folder_without_picks_is_said(tmp_path, capsys):
    assert picks.main([str(tmp_path)]) == 1
    assert f"below {tmp_path}" in capsys.readouterr().err
