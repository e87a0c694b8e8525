"""Data sets, few-shot picks, loaders, samplers and transforms."""

import pickle

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.loading import photograph
from dassl.data import DataManager, DatasetWrapper
from dassl.data.data_manager import build_data_loader, stop_processes
from dassl.data.datasets import DatasetBase, Datum, build_dataset
from dassl.data.samplers import build_sampler
from dassl.data.transforms import build_transform
from dassl.utils import read_image, set_random_seed


def datum(label=0, classname=None, domain=0, impath="x"):
    """Return a Datum without a file behind it, as unpickling does."""
    item = Datum.__new__(Datum)
    item._impath, item._label, item._domain = impath, label, domain
    item._classname = f"c{label}" if classname is None else classname
    return item


GOLDEN_TRAIN = {
    1: "0_2 0_9 0_1 0_4 1_1 1_7 1_10 1_9",
    2: "0_0 0_1 0_10 0_5 1_2 1_10 1_4 1_9",
    3: "0_3 0_9 0_8 0_2 1_5 1_9 1_7 1_1",
}
GOLDEN_VAL = {
    1: "0_10 0_2 0_0 0_8",
    2: "0_8 0_6 0_4 0_0",
    3: "0_10 0_2 0_8 0_4",
}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_few_shot_picks_equal_upstream(seed, capsys):
    train = [datum(label, impath=f"{label}_{i}") for label in range(5) for i in range(12)]
    dataset = DatasetBase(train_x=train, test=train)
    set_random_seed(seed)
    picked = dataset.generate_fewshot_dataset(train, num_shots=4)
    val = dataset.generate_fewshot_dataset(train[::2], num_shots=4)
    assert len(picked) == len(val) == 20
    assert [item.impath for item in picked[:8]] == GOLDEN_TRAIN[seed].split()
    assert [item.impath for item in val[:4]] == GOLDEN_VAL[seed].split()
    assert capsys.readouterr().out == "Creating a 4-shot dataset\n" * 2


def test_few_shot_with_too_few_images():
    train = [datum(0), datum(0), datum(1)]
    dataset = DatasetBase(train_x=train)
    assert dataset.generate_fewshot_dataset(train) is train
    assert dataset.generate_fewshot_dataset(train, train) == (train, train)
    assert dataset.generate_fewshot_dataset(train, num_shots=3) == train
    both = dataset.generate_fewshot_dataset(train, train, num_shots=3, repeat=True)
    assert [item.label for item in both[1]] == [0, 0, 0, 1, 1, 1]


def test_dataset_reads_its_classes():
    train = [datum(1, "dog"), datum(0, "cat"), datum(1, "dog")]
    dataset = DatasetBase(train_x=train, test=train[:1])
    assert dataset.lab2cname == {0: "cat", 1: "dog"}
    assert dataset.classnames == ["cat", "dog"] and dataset.num_classes == 2
    assert list(dataset.split_dataset_by_label(train)) == [1, 0]
    assert dict(dataset.split_dataset_by_domain(train)) == {0: train}
    assert dataset.val is None and dataset.train_u is None


@pytest.mark.parametrize(
    ("train", "text"),
    [
        ([datum(0), datum(3)], r"0\.\.3.*missing: 1, 2\."),
        ([datum(-1), datum(0)], "got -1"),
        ([datum(0, "a"), datum(0, "b")], 'Label 0 has two class names, "a" and "b"'),
        ([], "train_x is empty"),
        (None, "train_x is empty"),
    ],
)
def test_wrong_labels(train, text):
    with pytest.raises(ValueError, match=text):
        DatasetBase(train_x=train)


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ({"test": [datum(1, "a")]}, r'Label 1 is "b" in train_x and "a" in test \("x"\)'),
        ({"val": [datum(0, "b")]}, r'Label 0 is "a" in train_x and "b" in val'),
        ({"test": [datum(2, "c")]}, r'2 of test \(class "c", "x"\) has no image .* 0\.\.1'),
        ({"val": [datum(-1, "a")]}, "Label -1 of val"),
    ],
)
def test_val_and_test_are_held_against_train(parts, text):
    with pytest.raises(ValueError, match=text):
        DatasetBase(train_x=[datum(0, "a"), datum(1, "b")], **parts)


def test_val_and_test_may_lack_classes_and_names():
    train = [datum(0, "a"), datum(1, "b"), datum(2, "a")]
    dataset = DatasetBase(train_x=train, val=[datum(1, "")], test=[datum(2, "a")])
    assert dataset.classnames == ["a", "b", "a"]


def test_input_domains():
    dataset = DatasetBase(train_x=[datum()])
    dataset.domains = ["photo", "sketch"]
    dataset.check_input_domains(["photo"], ["sketch"])
    with pytest.raises(ValueError, match=r"Input domain must belong to .*got \[art\]"):
        dataset.check_input_domains(["photo"], ["art"])


def test_datum_is_pickled_under_the_known_names(tmp_path):
    (tmp_path / "a.png").touch()
    item = Datum(str(tmp_path / "a.png"), 3, 1, "cat")
    content = pickle.dumps(item)
    assert b"dassl.data.datasets.base_dataset" in content
    assert vars(item) == {
        "_impath": str(tmp_path / "a.png"),
        "_label": 3,
        "_domain": 1,
        "_classname": "cat",
    }
    (tmp_path / "a.png").unlink()
    again = pickle.loads(content)  # no look at the file
    assert (again.label, again.domain, again.classname) == (3, 1, "cat")
    assert again.impath == str(tmp_path / "a.png")


def test_datum_without_a_file():
    with pytest.raises(FileNotFoundError, match='"/nowhere/a.png" not found .*DATASET.ROOT'):
        Datum("/nowhere/a.png", 0, classname="cat")
    with pytest.raises(TypeError, match="must be a string; got None"):
        Datum(None)


def test_table_and_loaders(make_cfg, capsys):
    dm = DataManager(make_cfg("DATASET.NUM_SHOTS", 4))
    out = capsys.readouterr().out
    table = """\
---------  -----------
Dataset    TinyColours
# classes  3
# train_x  12
# val      6
# test     9
---------  -----------
"""
    assert out.endswith(table)
    assert (dm.num_classes, dm.num_source_domains) == (3, 0)
    assert dm.lab2cname == {0: "red", 1: "green", 2: "blue"}
    assert dm.train_loader_u is None
    batch = next(iter(dm.train_loader_x))
    assert set(batch) == {"label", "domain", "impath", "index", "img"}
    assert batch["img"].shape == (5, 3, 16, 16)
    for label, path, index in zip(batch["label"], batch["impath"], batch["index"], strict=True):
        item = dm.dataset.train_x[index]
        assert (item.impath, item.label) == (path, label)
    labels = torch.cat([batch["label"] for batch in dm.test_loader])
    assert labels.tolist() == [0] * 3 + [1] * 3 + [2] * 3


def test_custom_transforms_are_announced(make_cfg, capsys):
    cfg = make_cfg()
    dm = DataManager(cfg, custom_tfm_train=lambda image: 1, custom_tfm_test=lambda image: 2)
    out = capsys.readouterr().out
    assert "* Using custom transform for training\n* Using custom transform for testing\n" in out
    assert next(iter(dm.train_loader_x))["img"].tolist() == [1] * 5
    assert next(iter(dm.test_loader))["img"].tolist() == [2] * 9


@pytest.mark.parametrize(
    ("batch_size", "is_train", "sizes"),
    [(4, True, [4, 4, 4]), (15, True, [15]), (16, True, [15]), (4, False, [4, 4, 4, 3])],
)
def test_last_partial_batch(make_cfg, batch_size, is_train, sizes):
    cfg = make_cfg()
    loader = build_data_loader(
        cfg,
        data_source=build_dataset(cfg).train_x,
        batch_size=batch_size,
        tfm=build_transform(cfg, is_train=False),
        is_train=is_train,
    )
    assert [len(batch["label"]) for batch in loader] == sizes


def test_empty_data(make_cfg, monkeypatch):
    cfg = make_cfg()
    for empty in (None, []):
        with pytest.raises(ValueError, match="training loader: its list of images is empty"):
            build_data_loader(cfg, data_source=empty)
    monkeypatch.setitem(build_dataset.__globals__["DATASET_REGISTRY"]._objects, "TinyColours", Bare)
    with pytest.raises(ValueError, match="split test of data set TinyColours is empty"):
        DataManager(cfg)


class Bare(DatasetBase):
    def __init__(self, cfg):
        super().__init__(train_x=[datum()], test=[])


@pytest.mark.parametrize("workers", [0, 1])
def test_unreadable_image_is_named(make_cfg, tmp_path, workers):
    (tmp_path / "bad.png").write_text("no image")
    items = [datum(impath=str(tmp_path / "bad.png"))]
    cfg = make_cfg("DATALOADER.NUM_WORKERS", workers)
    loader = build_data_loader(cfg, data_source=items, tfm=lambda image: image)
    with pytest.raises(OSError, match='Cannot read image ".*bad.png": it is a text file'):
        next(iter(loader))
    stop_processes(loader)
    items[0]._impath = "/nowhere.png"
    loader = build_data_loader(cfg, data_source=items, tfm=lambda image: image)
    with pytest.raises(FileNotFoundError, match='Cannot read image "/nowhere.png"'):
        next(iter(loader))
    stop_processes(loader)


def test_read_image(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(np.full((50, 40), 7, dtype=np.uint8)).save(path)
    image = read_image(str(path))
    assert image.mode == "RGB" and image.size == (40, 50) and image.getpixel((0, 0)) == (7, 7, 7)
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(OSError, match='Cannot read image ".*a.png"'):
        read_image(str(path))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n", "it is a Git LFS pointer"),
        (b"<!DOCTYPE html>", "it is an HTML page"),
        (b"", "it is an empty file"),
        (b"\x00\x01\x02", "not an image, or of a format unknown to PIL"),
    ],
)
def test_what_was_taken_for_an_image_is_said(tmp_path, content, message):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(OSError, match=f'Cannot read image ".*a.png": {message}'):
        read_image(str(tmp_path / "a.png"))


@pytest.mark.parametrize(
    ("size", "suffix", "decoded"),
    [
        ((128, 96), "jpg", (64, 48)),  # a quarter would leave 24
        ((126, 97), "jpg", (126, 97)),  # odd
        ((94, 94), "jpg", (94, 94)),  # less than twice would be left
        ((128, 96), "png", (128, 96)),
        ((500, 200), "jpg", (125, 50)),
        ((800, 408), "jpg", (100, 51)),
    ],
)
def test_a_draft_has_at_least_twice_the_side_and_whole_pixels(tmp_path, size, suffix, decoded):
    path = tmp_path / f"a.{suffix}"
    photograph(*size, np.random.default_rng(0)).save(path)
    assert read_image(str(path)).size == size
    drafted = read_image(str(path), 24)
    assert drafted.size == decoded and drafted.mode == "RGB"


@pytest.mark.parametrize("size", [(448, 448), (600, 480), (1000, 920)])
def test_a_draft_is_nearer_than_another_interpolation(make_cfg, tmp_path, size):
    photograph(*size, np.random.default_rng(0)).save(tmp_path / "a.jpg", quality=90)
    item = datum(impath=str(tmp_path / "a.jpg"))
    pixels = {}
    for draft, interpolation in ((False, "bicubic"), (True, "bicubic"), (False, "bilinear")):
        opts = ("INPUT.SIZE", (112, 112), "INPUT.TRANSFORMS", ("normalize",))
        cfg = make_cfg(*opts, "INPUT.DRAFT", draft, "INPUT.INTERPOLATION", interpolation)
        transform = build_transform(cfg, is_train=False).transforms[:-1]  # levels of gray
        for is_train in (False, True):
            image = DatasetWrapper(cfg, [item], transform[0], is_train=is_train)[0]["img"]
            pixels[draft, interpolation, is_train] = np.asarray(image, dtype=float)
    whole, draft = pixels[False, "bicubic", False], pixels[True, "bicubic", False]
    difference = abs(draft - whole).mean()
    assert 0 < difference < 1.6
    assert difference < 0.6 * abs(pixels[False, "bilinear", False] - whole).mean()
    assert (pixels[True, "bicubic", True] == whole).all()  # training reads the whole image


def test_wrapper_variants(make_cfg):
    cfg = make_cfg("DATALOADER.K_TRANSFORMS", 3, "DATALOADER.RETURN_IMG0", True)
    items = build_dataset(cfg).train_x
    assert isinstance(DatasetWrapper(cfg, items)[0]["img"], Image.Image)
    with pytest.raises(ValueError, match="K_TRANSFORMS is 3"):
        DatasetWrapper(cfg, items, is_train=True)
    item = DatasetWrapper(cfg, items, transform=build_transform(cfg), is_train=True)[1]
    assert len(item["img"]) == 3 and not torch.equal(item["img"][0], item["img"][1])
    assert item["img0"].shape == (3, 16, 16) and item["img0"].min() < 0  # normalised
    pair = DatasetWrapper(cfg, items, transform=[lambda x: 1, lambda x: 2], is_train=False)[0]
    assert (pair["img"], pair["img2"]) == (1, 2)


def domains_and_labels():
    return [datum(label=i % 4, domain=i // 12) for i in range(36)]


def test_random_domain_sampler():
    data = domains_and_labels()
    set_random_seed(0)
    sampler = build_sampler("RandomDomainSampler", data_source=data, batch_size=6, n_domain=2)
    order = list(sampler)
    assert len(order) == len(sampler) and len(order) % 6 == 0 and order
    for start in range(0, len(order), 6):
        domains = [data[i].domain for i in order[start : start + 6]]
        assert len(set(domains)) == 2 and domains.count(domains[0]) == 3
    every = build_sampler("RandomDomainSampler", data_source=data, batch_size=6, n_domain=0)
    assert sorted(every) == list(range(36)) and list(every) != list(every)
    with pytest.raises(ValueError, match="multiple of 3"):
        build_sampler("RandomDomainSampler", data_source=data, batch_size=7)
    with pytest.raises(ValueError, match="N_DOMAIN is 4, but the data have 3"):
        build_sampler("RandomDomainSampler", data_source=data, batch_size=8, n_domain=4)


def test_sequential_domain_sampler():
    sampler = build_sampler("SeqDomainSampler", data_source=domains_and_labels(), batch_size=15)
    assert list(sampler)[:15] == [*range(5), *range(12, 17), *range(24, 29)]
    assert len(sampler) == len(list(sampler)) == 30


def test_random_class_sampler():
    data = domains_and_labels() + [datum(label=4)]  # a class with a single image
    set_random_seed(0)
    sampler = build_sampler("RandomClassSampler", data_source=data, batch_size=9, n_ins=3)
    order = list(sampler)
    assert len(order) == len(sampler) >= 27
    for start in range(0, len(order), 3):
        labels = [data[i].label for i in order[start : start + 3]]
        assert len(set(labels)) == 1
    with pytest.raises(ValueError, match=r"at least N_INS \(4\); got 3"):
        build_sampler("RandomClassSampler", data_source=data, batch_size=3, n_ins=4)
    with pytest.raises(ValueError, match="needs 6 classes a batch, but the data have 5"):
        build_sampler("RandomClassSampler", data_source=data, batch_size=6, n_ins=1)


def test_unknown_sampler():
    with pytest.raises(ValueError, match="Unknown sampler type: Ordered"):
        build_sampler("Ordered", data_source=[])


def test_archives(tmp_path, capsys):
    import zipfile

    from dassl.data.datasets.base_dataset import extract_archive

    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("inside.txt", "hello")
    extract_archive(str(tmp_path / "a.zip"))
    assert (tmp_path / "inside.txt").read_text() == "hello"
    assert capsys.readouterr().out == f"Extracting file ...\nFile extracted to {tmp_path}\n"
    with pytest.raises(NotImplementedError):
        extract_archive(str(tmp_path / "a.rar"))
    with pytest.raises(NotImplementedError):
        DatasetBase(train_x=[datum()]).download_data("u", str(tmp_path / "a.zip"), False)
