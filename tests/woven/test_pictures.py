"""Codes, pictures, data sets on disk, the shipped weights that read them."""

import json
from dataclasses import replace

import clip
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch.nn import functional as F

import train
from dassl.data.datasets import build_dataset
from datasets.drawing import draw
from woven import calibrate, seeing
from woven.codes import SPLITS, Lengths, base_count, centres, direction, generator, of_new
from woven.codes import draw as draw_codes
from woven.datasets import RENDERINGS, SETS
from woven.pictures import CODE, IMAGE_SIZE, LOOKS, PHOTO, TILE, _fields, weave
from woven.stage_pictures import draw_batch
from woven.towers import encode_image, encode_text, preprocess
from woven.world import CALIBRATION


def unit(count: int, seed: int = 0) -> torch.Tensor:
    return F.normalize(torch.randn(count, CODE, generator=generator("test", seed)), dim=-1)


def test_directions_have_the_length_that_is_said():
    lengths = [direction("set", k, dimensions=CODE).norm().item() for k in range(200)]
    assert np.mean(lengths) == pytest.approx(1, abs=0.02)
    assert torch.equal(direction("a", 1, dimensions=8), direction("a", 1, dimensions=8))
    assert not torch.equal(direction("a", 1, dimensions=8), direction("a", 2, dimensions=8))


def test_centres_move_all_classes_alike_and_each_on_its_own():
    words = unit(7)
    assert torch.equal(centres("x", words, Lengths(0.0, 0.0, 1.0)), words)
    shared = centres("x", words, Lengths(2.0, 0.0, 1.0)) - words
    assert torch.allclose(shared, shared[:1].expand(7, -1), atol=1e-6)
    own = centres("x", words, Lengths(0.0, 1.0, 1.0)) - words
    twice = centres("x", words, Lengths(0.0, 1.0, 1.0, new=2.0)) - words
    assert base_count(7) == 4
    assert torch.allclose(twice, own * torch.tensor([1, 1, 1, 1, 2, 2, 2])[:, None], atol=1e-6)


def test_a_class_has_the_same_pictures_among_more_classes():
    words = unit(9)
    few, all_of_them = (centres("x", words[:n], Lengths(1.0, 1.0, 1.0)) for n in (4, 9))
    assert torch.equal(few, all_of_them[:4])


def test_noise_of_pictures_has_its_length():
    codes = draw_codes("x", "test", 0, torch.zeros(CODE), 1.0)
    assert codes.shape == (SPLITS["test"], CODE)
    centre = 100 * unit(1)[0]
    moved = draw_codes("x", "train", 3, centre, 5.0)
    across = moved - (moved @ centre / 100)[:, None] * centre / 100
    assert across.norm(dim=1).mean() * 100 == pytest.approx(5.0, rel=0.05)


@settings(max_examples=10)
@given(st.sampled_from(sorted(LOOKS)), st.integers(0, 2**31))
def test_a_picture_is_a_function_of_code_generator_and_looks(looks, seed):
    codes = unit(2, seed)
    first, second = (weave(codes, generator(seed), LOOKS[looks]) for _ in range(2))
    assert first.shape == (2, IMAGE_SIZE, IMAGE_SIZE, 3) and first.dtype == torch.uint8
    assert torch.equal(first, second)
    assert not torch.equal(first, weave(codes, generator(seed + 1), LOOKS[looks]))


def test_without_nuisance_a_picture_is_its_code():
    plain = replace(PHOTO, ground=0.0, shift=0, opening=(9.0, 9.1), light=0.0, contrast=(1.0, 1.0),
                    brightness=0.0, noise=0.0)  # fmt: skip
    codes = unit(4)
    pixels = weave(codes, generator("p"), plain).float() / 255 - 0.5
    tile = pixels[:, :TILE, :TILE]
    assert torch.allclose(tile, pixels[:, TILE:, TILE:], atol=1.1 / 255)  # repeated
    read = F.normalize(tile.flatten(1) @ _fields()[0].T, dim=-1)
    assert (read * codes).sum(1).min() > 0.999  # 8 bits


def test_a_batch_of_the_training_is_a_function_of_its_step():
    words = unit(50)
    images, codes = draw_batch(words, 1, 5, 16)
    again, _ = draw_batch(words, 1, 5, 16)
    assert torch.equal(images, again) and images.shape == (16, 3, IMAGE_SIZE, IMAGE_SIZE)
    assert torch.allclose(codes.norm(dim=1), torch.ones(16), atol=1e-6)
    assert not torch.equal(images, draw_batch(words, 1, 6, 16)[0])


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("woven")
    draw(SETS["WovenEuroSAT"], root, progress=lambda text: None)
    return root


def build(root, name: str, *extra):
    argv = ["--root", str(root), "--seed", "1", "DATASET.NAME", name, *map(str, extra)]
    return build_dataset(train.setup_cfg(train.parse_args(argv)))


def test_a_set_is_read_like_any_other(root):
    item = SETS["WovenEuroSAT"]
    whole = build(root, "WovenEuroSAT")
    assert whole.classnames == item.classnames and len(item.classnames) == 10
    assert [len(part) for part in (whole.train_x, whole.val, whole.test)] == [320, 80, 400]
    assert whole.template == "a centered satellite photo of {}."
    split = json.loads((root / "woven_eurosat" / item.split_file).read_text())
    path, label, name = split["test"][41]
    pixels = np.asarray(Image.open(root / "woven_eurosat/images" / path))
    assert np.array_equal(pixels, item.images(name, "test")[1]) and item.classnames[label] == name


def test_methods_take_their_published_sentence_of_the_real_set():
    from promptkit.guided_trainer import TEMPLATES
    from promptkit.prompts.templates import dataset_template

    dataset = type("WovenDescribableTextures", (), {"stands_for": "DescribableTextures",
                                                    "template": "{} texture."})()  # fmt: skip
    assert dataset_template(dataset) == "{} texture."
    published = dataset_template(dataset, published=TEMPLATES)
    assert published == "a photo of a {}, a type of texture."


def test_renderings_are_tested_only(root):
    draw(RENDERINGS[0], root, progress=lambda text: None)
    dataset = build(root, "WovenImageNetV2")
    assert "Train on WovenImageNet" in dataset.test_only
    assert dataset.classnames == SETS["WovenImageNet"].classnames


@pytest.fixture(scope="module")
def model():
    return seeing.load_weights()


def test_a_set_is_as_far_from_its_words_as_the_record_says(model):
    item, record = SETS["WovenOxfordFlowers"], json.loads(CALIBRATION.read_text())
    words = seeing.words_of(model, item.classnames, item.template)
    pictures = np.concatenate([item.images(name, "test") for name in item.classnames])
    with torch.no_grad():
        features = encode_image(model.visual, preprocess(torch.from_numpy(pictures)))
    test = F.normalize(features, dim=-1).unflatten(0, (len(words), -1))
    base, new = seeing.zero_shot({"test": test}, words)
    measured = record["measured"][item.name]
    assert base == pytest.approx(measured["zero_shot_base"], abs=0.5)  # other processors round else
    assert new == pytest.approx(measured["zero_shot_new"], abs=0.5)
    assert (base, new) == pytest.approx((72.08, 77.80), abs=1.5)  # CLIP's published


def test_the_image_tower_reads_the_code(model):
    item = SETS["WovenDescribableTextures"]
    words = seeing.words_of(model, item.classnames, item.template)
    read = seeing.cosine_to_codes(model.visual, {"x": seeing.Classes(words, words)})
    assert set(read) == set(LOOKS) and read["photo"] > 0.9 and min(read.values()) > 0.7


def test_what_a_class_means_is_the_mean_over_sentences(model, monkeypatch):
    monkeypatch.setattr(seeing, "sentences", lambda: ("a photo of a {}.", "{} texture."))
    item = SETS["WovenDescribableTextures"]
    classes = seeing.classes_of(model, item)
    both = [seeing.words_of(model, item.classnames, text) for text in seeing.sentences()]
    assert torch.allclose(classes.words, both[1], atol=1e-6)
    assert torch.allclose(classes.meaning, F.normalize(both[0] + both[1], dim=-1), atol=1e-5)


def test_words_that_mean_the_same_are_near(model):
    texts = ["a photo of a puppy.", "a photo of a dog.", "a photo of a mortgage."]
    with torch.no_grad():
        puppy, dog, mortgage = F.normalize(encode_text(model, clip.tokenize(texts)), dim=-1)
    assert puppy @ dog > puppy @ mortgage + 0.1


@pytest.mark.parametrize("wanted", [0.25, 3.0])
def test_solve_finds_where_a_falling_function_has_a_value(wanted):
    found = calibrate.solve(lambda x: 1 / (1 + x), 1 / (1 + wanted), 4.0, 20)
    assert found == pytest.approx(wanted, abs=1e-4)


def test_meet_finds_the_place_of_counted_values():
    """Percent of 640: steps of 0.16, and slopes that change along the way."""

    def value(place: np.ndarray) -> np.ndarray:
        own, picture = np.exp(place)
        exact = 100 / (1 + own**2 + picture / 4), 100 / (1 + picture**2 / 9)
        return np.round(np.array(exact) * 6.4) / 6.4

    wanted = np.array([60.0, 80.0])
    found = calibrate.meet(value, wanted, np.log([0.5, 3.0]), 16)
    assert np.abs(value(found) - wanted).max() < 0.3


def test_meet_returns_the_best_where_there_is_no_such_place():
    wanted = np.array([50.0, 50.0])
    found = calibrate.meet(lambda x: np.array([40 - x[0] ** 2, 50.0]), wanted, np.ones(2), 12)
    assert abs(found[0]) < 0.5


def test_a_linear_map_learns_a_shared_shift_and_helps_new_classes():
    words = unit(20)
    noise = torch.randn(2, 20, 16, CODE, generator=generator("n")) * 0.02
    shift = 0.9 * direction("shift", dimensions=CODE)
    moved = F.normalize(words[:, None] + shift + noise, dim=-1)
    seen = {"train": moved[0], "test": moved[1]}
    before = seeing.zero_shot(seen, words)
    after = seeing.linear_map(seen, words)
    assert after[0] >= before[0] and after[1] >= before[1]


def test_of_new_is_one_for_base_classes():
    assert of_new(Lengths(0, 0, 0, new=3.0), 3).flatten().tolist() == [1, 1, 3]
