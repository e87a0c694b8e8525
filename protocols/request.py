"""What is asked for, checked: a method, its data sets and settings under one protocol."""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from protocols.data_sets import OF, chosen
from protocols.methods import is_zero_shot
from protocols.places import TRAINERS, names_in, refuse_path, refuse_twice

SEED, SHOTS = r"0|[1-9][0-9]{0,8}", r"[1-9][0-9]{0,8}"
FEW_SHOTS = ("1", "2", "4", "8", "16")
# What a protocol sets for each run, and what to say instead.
OWN_KEYS = {
    "SEED": "say SEEDS='1 2'",
    "DATASET.NUM_SHOTS": "say SHOTS=4",
    "OUTPUT_DIR": "say OUTPUT=folder",
    "DATASET.ROOT": "say DATA=folder",
    **dict.fromkeys(("RESUME", "TRAINER.NAME", "DATASET.NAME", "DATASET.SUBSAMPLE_CLASSES"),
                    "leave it out"),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Request:
    """One method under one protocol.

    Attributes:
        protocol: base2new, few_shot, cross_dataset, domain_generalization or zero_shot.
        trainer: the method.
        datasets: that it is trained and tested on, or tested on after a transfer.
        recipe: that was named; "" for the published one of each data set.
        pairs: KEY VALUE pairs behind those of the protocol.
        data: folder of the data sets.
        output: folder of the results.
        below: folder in it, ending with /, of one of several settings; "" for none.
        shots, seeds: numbers, as text.
        strict: one recipe for all data sets and shots.
        source: what transfer trains on; "" for the one that belongs to the data sets.
        module: of the user's own, imported first; "" for none.
    """

    protocol: str
    trainer: str
    datasets: tuple[str, ...]
    recipe: str = ""
    pairs: tuple[str, ...] = ()
    data: str = "data"
    output: str = "output"
    below: str = ""
    shots: tuple[str, ...] = ("16",)
    seeds: tuple[str, ...] = ("1", "2", "3")
    strict: bool = False
    source: str = ""
    module: str = ""


def requested(
    protocol: str, words: list[str], environment: Mapping[str, str], *, several_shots: bool = False
) -> Request:
    """The request of a script's arguments and environment.

    Args:
        protocol: its name.
        words: trainer, data sets (default all), recipe, KEY VALUE pairs.
        environment: DATA, OUTPUT, SEEDS, SHOTS, IMPORT, SOURCE and STRICT count.
        several_shots: a plan may have several numbers of shots in every protocol.

    Raises:
        ValueError: something of it has no meaning.
    """
    trainer, word, recipe, *pairs = [*words, *("", "all", "")[len(words) :]]
    is_path = "/" in recipe  # of which is said that it is none
    if (
        "." in recipe and not is_path and recipe not in names_in(f"{TRAINERS}/{trainer}")
    ):  # KEY VALUE ...
        recipe, pairs = "", [recipe, *pairs]
    recipe = "" if recipe == "default" else recipe
    check_method(trainer, recipe)
    several = several_shots or protocol == "few_shot"
    seeds, shots = numbers_of(environment, protocol, several)
    check_pairs(protocol, pairs)
    output = environment.get("OUTPUT") or "output"
    if os.path.lexists(output) and not os.path.isdir(output):
        raise ValueError(f"OUTPUT must be a folder; {output} is none")
    strict = bool(environment.get("STRICT"))
    if ("PROTOCOL.STRICT", "True") in zip(pairs[::2], pairs[1::2], strict=True):
        strict = True
    elif strict:
        pairs += ["PROTOCOL.STRICT", "True"]
    datasets = chosen(word or "all", protocol)
    if protocol == "zero_shot" and not is_zero_shot(trainer):
        raise ValueError(f"{trainer} is trained; this script is for ZeroshotCLIP and ZeroshotCLIP2")
    return Request(
        protocol=protocol, trainer=trainer, datasets=datasets, recipe=recipe, pairs=tuple(pairs),
        data=environment.get("DATA") or "data", output=output, shots=shots, seeds=seeds,
        strict=strict, source=environment.get("SOURCE", ""), module=environment.get("IMPORT", ""),
    )  # fmt: skip


def check_method(trainer: str, recipe: str) -> None:
    """Raises ValueError unless there are recipes of the trainer, and the one that is named."""
    refuse_path("trainer", trainer)
    refuse_path("recipe", recipe)
    if trainer not in names_in(TRAINERS):
        raise ValueError(
            f"no recipes in {TRAINERS}/{trainer}/; there are some for: "
            f"{' '.join(names_in(TRAINERS))}"
        )
    recipes = names_in(f"{TRAINERS}/{trainer}")
    if recipe and recipe not in recipes:
        raise ValueError(f"{trainer} has no recipe {recipe}; there are: {' '.join(recipes)}")


def numbers_of(
    environment: Mapping[str, str], protocol: str, several: bool
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Seeds and shots of an environment.

    Raises:
        ValueError: they are no such numbers, or one is there twice.
    """
    default = " ".join(FEW_SHOTS) if protocol == "few_shot" else "16"
    texts = environment.get("SEEDS") or "1 2 3", environment.get("SHOTS") or default
    seeds, shots = (tuple(text.split(" ")) for text in texts)
    seeds, shots = (tuple(filter(None, words)) for words in (seeds, shots))
    is_right = _all_match(SEED, seeds) and _all_match(SHOTS, shots)
    if not is_right or (len(shots) > 1 and not several):
        raise ValueError(
            "SEEDS must be numbers from 0 with spaces between, SHOTS one number from 1 (few_shot: "
            f"numbers), without zeros before them; got SEEDS='{texts[0]}' "
            f"SHOTS='{environment.get('SHOTS', '')}'"
        )
    refuse_twice("SEEDS", list(seeds))
    refuse_twice("SHOTS", list(shots))
    return seeds, shots


def _all_match(pattern: str, words: Iterable[str]) -> bool:
    words = list(words)
    return bool(words) and all(re.fullmatch(pattern, word) for word in words)


def check_pairs(protocol: str, pairs: list[str]) -> None:
    """Raises ValueError if KEY VALUE pairs contradict what the protocol sets for each run."""
    if protocol not in OF:
        raise ValueError(f"a protocol must be one of {' '.join(OF)}; got {protocol!r}")
    if len(pairs) % 2:
        raise ValueError(f"KEY VALUE pairs are not complete: {' '.join(pairs)}")
    for key in pairs[::2]:
        if key in OWN_KEYS:
            raise ValueError(
                f"{protocol} sets for each run what the pair sets, {key}: {OWN_KEYS[key]}"
            )
