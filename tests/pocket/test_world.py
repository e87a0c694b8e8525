"""The pocket world: scenes mean what they say, and are drawn the same every time."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pocket.captions import Rates, caption
from pocket.datasets import PER_CLASS, SETS, draw_class
from pocket.shapes import DISTANCES
from pocket.vocabulary import COLOR_NAMES, COLORS, SHAPES, SIZE_NAMES, STYLES, TEXTURES
from pocket.world import NO_NEIGHBOUR, draw_scenes, render


@given(st.integers(0, 10_000), st.floats(0, 1))
@settings(max_examples=30, deadline=None)
def test_colours_of_a_scene_differ(seed, rate):
    scenes = draw_scenes(50, np.random.default_rng(seed), neighbour_rate=rate)
    assert (scenes.color != scenes.ground).all()
    assert (scenes.neighbour_color != scenes.color).all()
    assert (scenes.neighbour_color != scenes.ground).all()


@given(st.integers(0, 9), st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
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
    images, masks = render(scenes, rng, with_masks=True)
    for image, mask in zip(images / 255, masks, strict=True):
        for where, name in ((mask == 1, "red"), (mask == 0, "blue")):
            assert np.abs(image[where].mean(axis=0) - COLORS[name]).max() < 0.2
            distance = [np.abs(image[where].mean(axis=0) - COLORS[c]).sum() for c in COLOR_NAMES]
            assert COLOR_NAMES[int(np.argmin(distance))] == name


def test_larger_words_are_larger_objects():
    rng = np.random.default_rng(0)
    areas = []
    for size in range(len(SIZE_NAMES)):
        scenes = draw_scenes(60, rng, size=size, shape=SHAPES.index("circle"))
        areas.append(render(scenes, rng, with_masks=True)[1].mean())
    assert areas[0] * 1.5 < areas[1] and areas[1] * 1.5 < areas[2]


@pytest.mark.parametrize("style", range(len(STYLES)), ids=STYLES)
def test_styles_change_the_picture_and_follow_the_seed(style):
    scenes = draw_scenes(4, np.random.default_rng(1), style=style, neighbour_rate=1.0)
    first, again, other = (render(scenes, np.random.default_rng(s)) for s in (2, 2, 3))
    assert first.dtype == np.uint8 and first.shape == (4, 48, 48, 3)
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_the_same_words_are_read_by_what_stands_before_them():
    rng = np.random.default_rng(0)
    scenes = draw_scenes(1, rng, neighbour_rate=1.0)
    names = [
        COLOR_NAMES[scenes.color[0]], COLOR_NAMES[scenes.ground[0]],
        COLOR_NAMES[scenes.neighbour_color[0]],
    ]  # fmt: skip
    shape, other = SHAPES[scenes.shape[0]], SHAPES[scenes.neighbour_shape[0]]
    exact = {"synonym": 0, "wrong": 0, "size": 0, "texture": 0, "style": 0, "also_ground": 0}
    beside = caption(scenes, 0, rng, rates=Rates(neighbour=1, **exact))
    assert f"{names[2]} {other}" in beside and ("next to" in beside or "beside" in beside)
    ground = caption(scenes, 0, rng, rates=Rates(neighbour=0, ground=1, **exact))
    assert f" {names[1]} {shape}" in ground and ("background" in ground or "front" in ground)
    plain = Rates(neighbour=0, ground=0, exact=1, color=1, shape=1, **exact)
    assert f" is a {names[0]} {shape}" in caption(scenes, 0, rng, rates=plain)
    loose = Rates(neighbour=0, ground=0, exact=0, loose=0.5, color=1, shape=1, **exact)
    texts = {caption(scenes, 0, rng, rates=loose).rstrip(".") for _ in range(200)}
    assert any(text.endswith(f" a {names[0]} {shape}") for text in texts)
    assert any(text.endswith(f" a {names[1]} {shape}") for text in texts)


def test_rates_are_the_shares_they_say():
    rng = np.random.default_rng(0)
    scenes = draw_scenes(2000, rng)
    assert (scenes.neighbour_shape == NO_NEIGHBOUR).all()
    rates = Rates(ground=0.3, synonym=0, wrong=0)
    texts = [caption(scenes, i, rng, rates=rates) for i in range(2000)]
    share = np.mean(["background" in text or "in front" in text for text in texts])
    assert share == pytest.approx(0.3, abs=0.03)


@pytest.mark.parametrize("name", sorted(SETS))
def test_sets_have_distinct_classes_and_are_drawn_the_same_every_time(name):
    pocket_set = SETS[name]
    assert len(pocket_set.classnames) >= 36 and sum(pocket_set.styles.values()) == pytest.approx(1)
    classname = pocket_set.classnames[7]
    images = draw_class(pocket_set, classname, "test")
    assert len(images) == PER_CLASS["test"] >= 20 and PER_CLASS["train"] >= 16
    assert np.array_equal(images, draw_class(pocket_set, classname, "test"))
    assert not np.array_equal(images[:8], draw_class(pocket_set, classname, "val")[:8])


def test_source_images_are_the_ones_the_weights_and_tables_were_made_with():
    digest = hashlib.sha256()
    for classname in ("black arrow", "red circle", "yellow triangle"):
        digest.update(draw_class(SETS["PocketShapes"], classname, "test").tobytes())
    assert digest.hexdigest()[:16] == GOLDEN


GOLDEN = "dc661c326d51b904"
