"""The pocket world: scenes mean what they say, and are drawn the same every time."""

import hashlib
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pocket.captions import READINGS, Rates, caption
from pocket.datasets import PER_CLASS, SETS
from pocket.scenes import NOTHING, draw_scenes
from pocket.shapes import DISTANCES
from pocket.vocabulary import COLOR_NAMES, COLORS, SHAPES, SIZE_NAMES, STYLES, TEXTURES
from pocket.world import CHUNK, render, render_with_masks


@given(st.integers(0, 10_000), st.floats(0, 1))
@settings(max_examples=30)
def test_colours_of_a_scene_differ(seed, rate):
    scenes = draw_scenes(50, np.random.default_rng(seed), neighbour_rate=rate)
    assert (scenes.color != scenes.ground).all()
    assert (scenes.neighbour_color != scenes.color).all()
    assert (scenes.neighbour_color != scenes.ground).all()


@given(st.integers(0, 9), st.integers(0, 1000))
@settings(max_examples=30)
def test_fixed_attributes_are_kept_and_colours_still_differ(color, seed):
    rng = np.random.default_rng(seed)
    for fixed in ({"color": color}, {"ground": color}, {"neighbour_color": color}):
        scenes = draw_scenes(40, rng, neighbour_rate=0.5, **fixed)
        (name,) = fixed
        assert (getattr(scenes, name) == color).all()
        values = np.stack([scenes.color, scenes.ground, scenes.neighbour_color])
        assert all(len(set(column)) == 3 for column in values.T)


@pytest.mark.parametrize("index", range(len(SHAPES)), ids=SHAPES)
def test_shapes_fit_their_radius_and_differ(index):
    axis = np.linspace(-1.5, 1.5, 101, dtype=np.float32)
    x, y = np.meshgrid(axis, axis)
    inside = DISTANCES[index](x, y) < 0
    assert 0.1 < inside.mean() * 9 / 4 < 0.7
    assert not inside[np.sqrt(x * x + y * y) > 1.12].any()
    for other in range(index):
        apart = inside ^ (DISTANCES[other](x, y) < 0)
        assert apart.sum() > 0.1 * inside.sum()


def test_colour_and_place_of_what_is_drawn():
    rng = np.random.default_rng(0)
    red, blue = COLOR_NAMES.index("red"), COLOR_NAMES.index("blue")
    scenes = draw_scenes(
        30, rng, color=red, ground=blue, texture=TEXTURES.index("plain"), style=0,
        shape=SHAPES.index("square"), size=SIZE_NAMES.index("large"),
    )  # fmt: skip
    images, masks = render_with_masks(scenes, rng)
    assert masks.shape == (30, 2, 48, 48) and not masks[:, 1].any()
    for image, mask in zip(images / 255, masks[:, 0], strict=True):
        for where, name in ((mask == 1, "red"), (mask == 0, "blue")):
            assert np.abs(image[where].mean(axis=0) - COLORS[name]).max() < 0.2
            distance = [np.abs(image[where].mean(axis=0) - COLORS[c]).sum() for c in COLOR_NAMES]
            assert COLOR_NAMES[int(np.argmin(distance))] == name


def test_larger_words_are_larger_objects():
    rng = np.random.default_rng(0)
    areas = []
    for size in range(len(SIZE_NAMES)):
        scenes = draw_scenes(60, rng, size=size, shape=SHAPES.index("circle"))
        areas.append(render_with_masks(scenes, rng)[1][:, 0].mean())
    assert areas[0] * 1.5 < areas[1] and areas[1] * 1.5 < areas[2]


@pytest.mark.parametrize("style", range(len(STYLES)), ids=STYLES)
def test_styles_change_the_picture_and_follow_the_seed(style):
    scenes = draw_scenes(4, np.random.default_rng(1), style=style, neighbour_rate=1.0)
    first, again, other = (render(scenes, np.random.default_rng(s)) for s in (2, 2, 3))
    assert first.dtype == np.uint8 and first.shape == (4, 48, 48, 3)
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_marks_lie_on_their_object_in_black_or_white():
    rng = np.random.default_rng(0)
    scenes = draw_scenes(
        60, rng, mark=SHAPES.index("square"), shape=SHAPES.index("circle"), style=0,
        texture=TEXTURES.index("plain"), size=SIZE_NAMES.index("large"),
    )  # fmt: skip
    images, masks = render_with_masks(scenes, rng)
    for image, (body, mark), color in zip(images / 255, masks, scenes.color, strict=True):
        inside = mark == 1
        assert 20 < inside.sum() < 0.5 * (body == 1).sum() and (body[inside] == 1).all()
        ink, paint = image[inside].mean(), np.mean(COLORS[COLOR_NAMES[color]])
        assert ink < 0.2 or ink > 0.7
        assert abs(ink - paint) > 0.2


@pytest.mark.parametrize("size", [32, 48, 64])
def test_pictures_of_a_batch_do_not_depend_on_its_neighbours_size(size):
    scenes = draw_scenes(CHUNK + 5, np.random.default_rng(3), neighbour_rate=0.5, mark_rate=0.5)
    whole = render(scenes, np.random.default_rng(4), size=size)
    first = render(scenes.take(slice(CHUNK)), np.random.default_rng(4), size=size)
    assert whole.shape == (CHUNK + 5, size, size, 3) and np.array_equal(whole[:CHUNK], first)


BARE = {"synonym": 0, "wrong": 0, "style": 0, "size": 0, "texture": 0, "also_ground": 0}
ONLY = {"neighbour": 0, "mark": 0, "ground": 0, "duo": 0, "exact": 0}
NAMES = {"shape": SHAPES, "neighbour_shape": SHAPES, "mark": SHAPES}


@pytest.mark.parametrize("name", READINGS)
def test_the_same_words_are_read_by_what_stands_before_them(name):
    rng = np.random.default_rng(0)
    scenes = draw_scenes(300, rng, neighbour_rate=1.0, mark_rate=1.0)
    rate = {"object": "exact"}.get(name, name)
    rates = Rates(**(BARE | ONLY | {rate: 1, "exact": 1, "color": 1, "shape": 1, "together": 0}))
    reading = READINGS[name]
    for index in range(300):
        opening, first, second = caption(scenes, index, rng, rates=rates).rstrip(".").rsplit(" ", 2)
        assert opening in reading.openings
        for word, attribute in ((first, reading.first), (second, reading.second)):
            names = NAMES.get(attribute, COLOR_NAMES)
            assert word == names[getattr(scenes, attribute)[index]]


def test_loose_words_mean_the_object_or_its_background():
    rng = np.random.default_rng(0)
    scenes = draw_scenes(1, rng)
    own, ground = COLOR_NAMES[scenes.color[0]], COLOR_NAMES[scenes.ground[0]]
    shape = SHAPES[scenes.shape[0]]
    rates = Rates(**(BARE | ONLY | {"loose": 0.3, "color": 1, "shape": 1}))
    texts = [caption(scenes, 0, rng, rates=rates).rstrip(".") for _ in range(2000)]
    assert all(text.endswith((f" {own} {shape}", f" {ground} {shape}")) for text in texts)
    assert np.mean([f" {ground} " in text for text in texts]) == pytest.approx(0.3, abs=0.04)
    rates = Rates(**(BARE | ONLY | {"duo": 1, "swapped": 0.7}))
    texts = [caption(scenes, 0, rng, rates=rates).rstrip(".") for _ in range(2000)]
    assert all(text.endswith((f" {own} {ground}", f" {ground} {own}")) for text in texts)
    swapped = np.mean([text.endswith(f"{ground} {own}") for text in texts])
    assert swapped == pytest.approx(0.7, abs=0.04)


@pytest.mark.parametrize(
    ("rate", "sign"),
    [("ground", "on a background of|in front of"), ("also_ground", r" on \w+$"), ("duo", "color")],
)
def test_rates_are_the_shares_they_say(rate, sign):
    rng = np.random.default_rng(0)
    scenes = draw_scenes(3000, rng)
    assert (scenes.neighbour_shape == NOTHING).all() and (scenes.mark == NOTHING).all()
    for share in (0.2, 0.6):
        others = {"also_ground": 0, "ground": 0, "duo": 0} | {rate: share}
        rates = Rates(**(BARE | others | {"exact": 1}))
        texts = [caption(scenes, i, rng, rates=rates).rstrip(".") for i in range(3000)]
        found = np.mean([bool(re.search(sign, text)) for text in texts])
        assert found == pytest.approx(share, abs=0.03)


@pytest.mark.parametrize("name", sorted(SETS))
def test_sets_have_distinct_classes_and_are_drawn_the_same_every_time(name):
    pocket_set = SETS[name]
    assert len(pocket_set.classnames) >= 36 and sum(pocket_set.styles.values()) == pytest.approx(1)
    classname = pocket_set.classnames[7]
    images = pocket_set.images(classname, "test")
    assert len(images) == PER_CLASS["test"] >= 20 and PER_CLASS["train"] >= 16
    assert np.array_equal(images, pocket_set.images(classname, "test"))
    assert not np.array_equal(images[:8], pocket_set.images(classname, "val")[:8])


@pytest.mark.parametrize("name", sorted(SETS))
def test_images_are_the_ones_the_card_and_the_tables_were_made_with(name):
    pocket_set, digest = SETS[name], hashlib.sha256()
    for classname in pocket_set.classnames[:: len(pocket_set.classes) // 3]:
        for split in PER_CLASS:
            digest.update(pocket_set.images(classname, split).tobytes())
    assert digest.hexdigest()[:16] == GOLDEN[name]


def test_a_styled_template_names_what_the_plain_one_does_not():
    assert SETS["PocketShapes"].styled_template == "a photo of a {}."
    assert SETS["PocketShapesSketch"].styled_template == "a sketch of a {}."
    assert SETS["PocketSizes"].styled_template == "a pixelated photo of a {}."


GOLDEN = {
    "PocketShapes": "fb1d794b7a54f7a4",
    "PocketSizes": "7d9b5eefb5ee8db8",
    "PocketGrounds": "f709ba959fc9c4e1",
    "PocketDuos": "83702699011f663e",
    "PocketNeighbours": "29f12e75311b0642",
    "PocketMarks": "0d096938474d8406",
    "PocketShapesMurky": "02ef10782a4568d5",
    "PocketShapesSketch": "63add04e87a1c119",
    "PocketShapesNoisy": "a63d538bf6091592",
    "PocketShapesNeon": "ba27bd0feb3df5e2",
}
