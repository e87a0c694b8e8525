"""The benchmarks that papers report on, and one spelling for the name of a data set."""

ELEVEN = frozenset(
    "imagenet caltech101 oxfordpets stanfordcars oxfordflowers food101 fgvcaircraft sun397 dtd "
    "eurosat ucf101".split()
)
VARIANTS = frozenset("imagenetv2 imagenetsketch imageneta imagenetr".split())
BENCHMARKS = ELEVEN | VARIANTS


def place_of(title: str) -> str:
    """A data set's name without what spellings differ in: OxfordPets and oxford_pets are one."""
    name = title.lower().replace("_", "").replace("-", "")
    return {"describabletextures": "dtd"}.get(name, name)
