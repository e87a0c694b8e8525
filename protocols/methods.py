"""What a planner has to know of methods, read from their recipes and from the text of trainers/.

Nothing is imported: the classes need torch. A class line says what a trainer is.
"""

import re
from functools import cache

from protocols.places import PROJECT, TRAINERS, names_in
from protocols.recipes import defaults_of

CLASS = re.compile(r"^class (\w+)\(([\w, ]+)\):", re.M)
OWN_IMAGES = re.compile(r"^    has_frozen_images = False$", re.M)
BESIDES = ("CLIPLoRA", "LinearProbe", "MMA", "SkipTuning", "TwoSFS")  # tune no prompt either


@cache
def _texts() -> tuple[str, ...]:
    """Of trainers/ and of the bases in promptkit."""
    paths = [*(PROJECT / "trainers").glob("*.py"), *(PROJECT / "promptkit").glob("*_trainer.py")]
    return tuple(path.read_text() for path in sorted(paths))


@cache
def bases() -> dict[str, tuple[str, ...]]:
    """By class what it is derived from."""
    found = (match.groups() for text in _texts() for match in CLASS.finditer(text))
    return {name: tuple(parents.replace(" ", "").split(",")) for name, parents in found}


@cache
def _encoding_images() -> frozenset[str]:
    """Classes that say themselves that their image features are their own."""
    found = set()
    for text in _texts():
        starts = [match.start() for match in CLASS.finditer(text)]
        for begin, end in zip(starts, [*starts[1:], len(text)], strict=False):
            if OWN_IMAGES.search(text, begin, end):
                found.add(CLASS.match(text, begin)[1])
    return frozenset(found)


def is_a(name: str, base: str) -> bool:
    """Whether a trainer is derived from a class."""
    return name == base or any(is_a(parent, base) for parent in bases().get(name, ()))


def is_on_features(trainer: str) -> bool:
    """Whether it trains on frozen features: in seconds, so that the start of a process counts."""
    return trainer == "LinearProbe" or is_a(trainer, "FeatureTrainer")


def is_zero_shot(trainer: str) -> bool:
    """Whether nothing is trained."""
    return trainer.startswith("Zeroshot")


def has_frozen_images(trainer: str) -> bool:
    """Whether its image features are those of every method, which are stored."""
    return not any(is_a(trainer, name) for name in _encoding_images())


def is_bound(trainer: str) -> bool:
    """Whether it has no classifier of other classes than those of its training.

    No recipe of such a method is the default for base-to-new.
    """
    return not any(line == "base2new" for lines in defaults_of(trainer).values() for line in lines)


def groups(protocol: str) -> dict[str, tuple[str, ...]]:
    """The methods of the words prompts, adapters and all in a comparison by a protocol."""
    few_shot = protocol == "few_shot"  # zero-shot has no shots
    names = [name for name in names_in(TRAINERS) if not (few_shot and is_zero_shot(name))]
    other = [name for name in names if is_on_features(name) or name in BESIDES]
    other.sort(key=lambda name: (is_bound(name), not is_on_features(name)))
    prompts = tuple(name for name in names if name not in other)
    adapters = tuple(name for name in other if few_shot or not is_bound(name))
    zero_shot = () if few_shot else ("ZeroshotCLIP",)
    return {"prompts": prompts, "adapters": zero_shot + adapters, "all": prompts + adapters}
