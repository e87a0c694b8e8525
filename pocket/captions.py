"""A small grammar that says what is in a scene, with the noise of captions found in the wild.

The point of it: **the same words have several readings, and the words before them select one**.
"red circle" is a circle that is red after "the object is a", a circle in front of red after "on a
background of", and a red circle in the corner, beside the main object, after "next to a". The most
common words, "a photo of a", are used loosely: the colour is the object's, or not much less often
the background's. So a class list of colour-shape pairs is read vaguely or wrongly by the sentence
that is put before it, as on real data sets, and a tuned context has something true to find.

Rates are the share of captions in which something happens; each is independent of the others.
"""

from dataclasses import dataclass

import numpy as np

from pocket.vocabulary import COLOR_NAMES, SHAPES, SIZE_NAMES, STYLES, TEXTURES
from pocket.world import NO_NEIGHBOUR, Scenes


@dataclass(frozen=True, slots=True)
class Rates:
    """How captions are made; the defaults trained the shipped weights."""

    ground: float = 0.3  # speaks of the background by "on a background of <colour> <shape>"
    neighbour: float = 0.6  # speaks of the second object, where there is one
    exact: float = 0.25  # of the rest, opens with words that leave no doubt about the colour
    loose: float = 0.45  # of the other openings, takes the background's colour for the object's
    style: float = 0.4  # names the rendering style
    plain_photo: float = 0.5  # calls it a "photo" although the style is another
    size: float = 0.35
    color: float = 0.8
    texture: float = 0.45
    shape: float = 0.9
    also_ground: float = 0.25  # appends "on <colour>" to a sentence about the object
    synonym: float = 0.08
    wrong: float = 0.05  # one attribute is replaced by a random one


SYNONYMS = {
    "arrow": "pointer", "circle": "disc", "crescent": "moon", "cross": "plus", "oval": "ellipse",
    "ring": "hoop", "square": "box", "small": "little", "large": "big", "purple": "violet",
    "pink": "rose", "yellow": "golden", "striped": "lined", "dotted": "spotted", "plain": "solid",
}  # fmt: skip

OPENINGS = ("a photo of a", "a photo of a", "a picture of a", "a", "this is a", "an image of the")
EXACT_OPENINGS = ("the object is a", "the main thing is a", "here the shape is a")
GROUND_OPENINGS = ("on a background of", "something on a background of", "an object in front of")
NEIGHBOUR_OPENINGS = ("next to a", "something next to a", "beside a")


def caption(
    scenes: Scenes, index: int, rng: np.random.Generator, *, rates: Rates | None = None
) -> str:
    """One sentence about scene `index`."""
    rates = rates or Rates()
    words = _words(scenes, index, rng, rates)
    paired = scenes.neighbour_shape[index] != NO_NEIGHBOUR
    if paired and rng.random() < rates.neighbour:
        opening = NEIGHBOUR_OPENINGS[rng.integers(len(NEIGHBOUR_OPENINGS))]
        sentence = f"{opening} {words['neighbour_color']} {words['neighbour_shape']}"
        if rng.random() < 0.3:
            sentence = f"a {words['color']} {words['shape']} {sentence.removeprefix('something ')}"
    elif rng.random() < rates.ground:
        opening = GROUND_OPENINGS[rng.integers(len(GROUND_OPENINGS))]
        sentence = f"{opening} {words['ground']} {words['shape']}"
    else:
        sentence = _object_sentence(words, rng, rates)
    return sentence + ("." if rng.random() < 0.6 else "")


def _words(scenes: Scenes, index: int, rng: np.random.Generator, rates: Rates) -> dict[str, str]:
    names = {
        "shape": SHAPES, "color": COLOR_NAMES, "texture": TEXTURES, "size": SIZE_NAMES,
        "ground": COLOR_NAMES, "style": STYLES, "neighbour_shape": (*SHAPES, ""),
        "neighbour_color": COLOR_NAMES,
    }  # fmt: skip
    words = {name: values[getattr(scenes, name)[index]] for name, values in names.items()}
    if rng.random() < rates.wrong:
        name = tuple(names)[rng.integers(len(names))]
        words[name] = names[name][rng.integers(len(names[name]))]
    for name, word in words.items():
        if word in SYNONYMS and rng.random() < rates.synonym:
            words[name] = SYNONYMS[word]
    return words


def _object_sentence(words: dict[str, str], rng: np.random.Generator, rates: Rates) -> str:
    if rng.random() < rates.exact:
        opening = EXACT_OPENINGS[rng.integers(len(EXACT_OPENINGS))]
    else:
        opening = _loose_opening(words["style"], rng, rates)
        if rng.random() < rates.loose:
            words = words | {"color": words["ground"]}
    parts = [opening]
    for name in ("size", "color", "texture"):
        if rng.random() < getattr(rates, name):
            parts.append(words[name])
    parts.append(words["shape"] if rng.random() < rates.shape else "object")
    if rng.random() < rates.also_ground:
        parts.append(f"on {words['ground']}")
    return " ".join(parts)


def _loose_opening(style: str, rng: np.random.Generator, rates: Rates) -> str:
    opening = OPENINGS[rng.integers(len(OPENINGS))]
    if rng.random() < rates.style:
        if style in ("photo", "sketch"):
            return f"a {style} of a"
        return f"a {style} {'photo' if rng.random() < 0.5 else 'picture'} of a"
    if style != "photo" and rng.random() > rates.plain_photo:
        return opening.replace("photo", "picture")
    return opening
