"""Which data sets a word means: `all`, `woven` and `pocket` by protocol, else their names."""

from protocols.places import DATA_SETS, names_in, refuse_path, refuse_twice

ELEVEN = ("imagenet", "caltech101", "oxford_pets", "stanford_cars", "oxford_flowers", "food101",
          "fgvc_aircraft", "sun397", "dtd", "eurosat", "ucf101")  # fmt: skip
WOVEN = tuple(f"woven_{name}" for name in ELEVEN)
POCKET = ("pocket_shapes", "pocket_sizes", "pocket_grounds", "pocket_duos", "pocket_neighbours",
          "pocket_marks")  # fmt: skip
VARIANTS = ("imagenetv2", "imagenet_sketch", "imagenet_a", "imagenet_r")
WOVEN_VARIANTS = ("woven_imagenet_v2", "woven_imagenet_sketch", "woven_imagenet_a",
                  "woven_imagenet_r")  # fmt: skip
POCKET_VARIANTS = ("pocket_shapes_murky", "pocket_shapes_sketch", "pocket_shapes_noisy",
                   "pocket_shapes_neon")  # fmt: skip
SOURCES = {"woven": WOVEN[0], "pocket": POCKET[0], "all": ELEVEN[0]}  # of transfer
_SETS, _VARIANTS = (ELEVEN, WOVEN, POCKET), (VARIANTS, WOVEN_VARIANTS, POCKET_VARIANTS)
# What all, woven and pocket are in each protocol.
OF = {
    "base2new": _SETS,
    "few_shot": _SETS,
    "cross_dataset": tuple(names[1:] for names in _SETS),
    "domain_generalization": _VARIANTS,
    "zero_shot": tuple((*names, *more) for names, more in zip(_SETS, _VARIANTS, strict=True)),
}


def chosen(word: str, protocol: str) -> tuple[str, ...]:
    """The data sets of a word: a group's name, or names with commas or spaces between.

    Raises:
        ValueError: it names none, one twice, or one that has no yaml.
    """
    groups = dict(zip(("all", "woven", "pocket"), OF[protocol], strict=True))
    names = list(groups.get(word, word.replace(",", " ").split()))
    if not names:
        raise ValueError("no data set is named")
    refuse_twice("the word of data sets", names)
    known = names_in(DATA_SETS)
    for name in names:
        refuse_path("data set", name)
        if name not in known:
            raise ValueError(f"no {DATA_SETS}/{name}.yaml; there are: {' '.join(known)}")
    return tuple(names)


def source_for(dataset: str) -> str:
    """What transfer protocols train on before they test on a data set."""
    return SOURCES.get(dataset.partition("_")[0], SOURCES["all"])
