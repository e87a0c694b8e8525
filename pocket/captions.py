"""A small grammar that says what is in a scene, with the noise of captions found in the wild.

The point of it: **the same words have several readings, and the words before them select one**
(`READINGS`). "red circle" is a circle that is red after "the object is a", a circle in front of red
after "on a background of", a red circle beside the main object after "next to a", a red object of
any shape with a circle drawn on it after "marked with a". The most common words, "a photo of a",
are used loosely: mostly of the object, but often with the background's colour. So a class list of
colour-shape pairs is read rightly, vaguely or wrongly by the sentence that is put before it, as on
real data sets, and a tuned context has something true to find.
"""

from dataclasses import dataclass

import numpy as np

from pocket.scenes import NOTHING, Scenes
from pocket.vocabulary import COLOR_NAMES, SHAPES, SIZE_NAMES, STYLES, TEXTURES


@dataclass(frozen=True, slots=True)
class Reading:
    """Two words of a scene and the openings after which they mean it."""

    first: str
    second: str
    openings: tuple[str, ...]


READINGS = {
    "object": Reading(
        "color", "shape", ("the object is a", "the main thing is a", "here the shape is a")
    ),
    "ground": Reading(
        "ground", "shape",
        ("on a background of", "something on a background of", "an object in front of"),
    ),
    "neighbour": Reading(
        "neighbour_color", "neighbour_shape", ("next to a", "something next to a", "beside a")
    ),
    "mark": Reading("color", "mark", ("marked with a", "something marked with a", "bearing a")),
    "duo": Reading("color", "ground", ("the colors are", "in the colors")),
}  # fmt: skip
LOOSE_OPENINGS = (
    "a photo of a", "a photo of a", "a picture of a", "a", "this is a", "an image of the",
)  # fmt: skip

SYNONYMS = {
    "arrow": "pointer", "circle": "disc", "crescent": "moon", "cross": "plus", "oval": "ellipse",
    "ring": "hoop", "square": "box", "small": "little", "large": "big", "purple": "violet",
    "pink": "rose", "yellow": "golden", "striped": "lined", "dotted": "spotted", "plain": "solid",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rates:
    """Shares of captions in which something happens; the defaults trained the shipped weights.

    First the reading is chosen: `neighbour` of the scenes with a second object, else `mark` of
    those with a mark, else `ground`, `duo` and `exact` (the object, without doubt), each of what
    the ones before it left. All others speak of the object after a loose opening.
    """

    neighbour: float = 0.6
    mark: float = 0.8
    ground: float = 0.3
    duo: float = 0.15
    exact: float = 0.25
    loose: float = 0.45  # of the loose sentences, give the object the background's colour
    swapped: float = 0.8  # of the duos after a loose opening, name the background's colour first
    style: float = 0.4  # of the loose sentences, name the rendering style
    plain_photo: float = 0.5  # say "photo" although the style is another
    size: float = 0.35  # name the size; likewise the next three, of the loose and exact sentences
    color: float = 0.8
    texture: float = 0.45
    shape: float = 0.9
    also_ground: float = 0.25  # of the same, append "on <colour of the background>"
    together: float = 0.3  # of the neighbours, are named after the object
    synonym: float = 0.08  # of the words that have one
    wrong: float = 0.05  # of the captions, have one attribute replaced by a random one


def caption(
    scenes: Scenes, index: int, rng: np.random.Generator, *, rates: Rates | None = None
) -> str:
    """One sentence about scene `index`."""
    rates = rates or Rates()
    words = _words(scenes, index, rng, rates)
    name = _reading(scenes, index, rng, rates)
    if name in ("object", "loose"):
        sentence = _object_sentence(words, rng, rates, exact=name == "object")
    elif name == "duo" and rng.random() >= rates.exact:
        colors = words["color"], words["ground"]
        colors = colors[::-1] if rng.random() < rates.swapped else colors
        sentence = " ".join([_loose_opening(words["style"], rng, rates), *colors])
    else:
        reading = READINGS[name]
        opening = _pick(reading.openings, rng)
        sentence = f"{opening} {words[reading.first]} {words[reading.second]}"
        if name == "neighbour" and rng.random() < rates.together:
            sentence = f"a {words['color']} {words['shape']} {sentence.removeprefix('something ')}"
    return sentence + ("." if rng.random() < 0.6 else "")


def _pick(openings: tuple[str, ...], rng: np.random.Generator) -> str:
    return openings[rng.integers(len(openings))]


def _reading(scenes: Scenes, index: int, rng: np.random.Generator, rates: Rates) -> str:
    if scenes.neighbour_shape[index] != NOTHING and rng.random() < rates.neighbour:
        return "neighbour"
    if scenes.mark[index] != NOTHING and rng.random() < rates.mark:
        return "mark"
    if rng.random() < rates.ground:
        return "ground"
    if rng.random() < rates.duo:
        return "duo"
    return "object" if rng.random() < rates.exact else "loose"


def _words(scenes: Scenes, index: int, rng: np.random.Generator, rates: Rates) -> dict[str, str]:
    names = {
        "shape": SHAPES, "color": COLOR_NAMES, "texture": TEXTURES, "size": SIZE_NAMES,
        "ground": COLOR_NAMES, "style": STYLES, "neighbour_shape": (*SHAPES, ""),
        "neighbour_color": COLOR_NAMES, "mark": (*SHAPES, ""),
    }  # fmt: skip
    words = {name: values[getattr(scenes, name)[index]] for name, values in names.items()}
    if rng.random() < rates.wrong:
        name = tuple(names)[rng.integers(len(names))]
        values = [word for word in names[name] if word]
        words[name] = values[rng.integers(len(values))]
    for name, word in words.items():
        if word in SYNONYMS and rng.random() < rates.synonym:
            words[name] = SYNONYMS[word]
    return words


def _object_sentence(
    words: dict[str, str], rng: np.random.Generator, rates: Rates, *, exact: bool
) -> str:
    if exact:
        parts = [_pick(READINGS["object"].openings, rng)]
    else:
        parts = [_loose_opening(words["style"], rng, rates)]
        if rng.random() < rates.loose:
            words = words | {"color": words["ground"]}
    for name in ("size", "color", "texture"):
        if rng.random() < getattr(rates, name):
            parts.append(words[name])
    parts.append(words["shape"] if rng.random() < rates.shape else "object")
    if rng.random() < rates.also_ground:
        parts.append(f"on {words['ground']}")
    return " ".join(parts)


def _loose_opening(style: str, rng: np.random.Generator, rates: Rates) -> str:
    opening = _pick(LOOSE_OPENINGS, rng)
    if rng.random() < rates.style:
        if style in ("photo", "sketch"):
            return f"a {style} of a"
        return f"a {style} {'photo' if rng.random() < 0.5 else 'picture'} of a"
    if style != "photo" and rng.random() >= rates.plain_photo:
        return opening.replace("photo", "picture")
    return opening
