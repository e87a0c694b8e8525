"""Hand-crafted sentences around a class name, `{}` in a template.

The benchmarks' stand here by the registered name of their class, be it ours or that of another
repository. A data set of one's own says its sentence itself, as the class attribute `template`.
Methods whose published code has sentences of its own hold these themselves.
"""

from collections.abc import Mapping

from promptkit.backbones.tokens import readable

DEFAULT_TEMPLATE = "a photo of a {}."

# From CoOp's trainers/zsclip.py; ImageNet and its variants take the default there.
CUSTOM_TEMPLATES = {
    "OxfordPets": "a photo of a {}, a type of pet.",
    "OxfordFlowers": "a photo of a {}, a type of flower.",
    "FGVCAircraft": "a photo of a {}, a type of aircraft.",
    "DescribableTextures": "{} texture.",
    "EuroSAT": "a centered satellite photo of {}.",
    "StanfordCars": "a photo of a {}.",
    "Food101": "a photo of {}, a type of food.",
    "SUN397": "a photo of a {}.",
    "Caltech101": "a photo of a {}.",
    "UCF101": "a photo of a person doing {}.",
    "ImageNet": "a photo of a {}.",
    "ImageNetSketch": "a photo of a {}.",
    "ImageNetV2": "a photo of a {}.",
    "ImageNetA": "a photo of a {}.",
    "ImageNetR": "a photo of a {}.",
}

# The seven that OpenAI picked out of the eighty below.
IMAGENET_TEMPLATES_SELECT = (
    "itap of a {}.",
    "a bad photo of the {}.",
    "a origami {}.",
    "a photo of the large {}.",
    "a {} in a video game.",
    "art of the {}.",
    "a photo of the small {}.",
)

_PICTURES = (
    "photo",
    "bad photo",
    "low resolution photo",
    "cropped photo",
    "bright photo",
    "dark photo",
    "close-up photo",
    "black and white photo",
    "pixelated photo",
    "jpeg corrupted photo",
    "blurry photo",
    "good photo",
    "sculpture",
    "rendering",
    "tattoo",
    "drawing",
    "painting",
    "doodle",
    "sketch",
    "rendition",
)
_QUALITIES = ("hard to see", "clean", "dirty", "cool", "large", "nice", "weird", "small")
_MATERIALS = ("embroidered", "plastic", "origami", "toy", "cartoon", "plushie")
_STYLES = ("graffiti", "art", "itap")

# The eighty of OpenAI's notebook Prompt_Engineering_for_ImageNet, "a origami" included.
IMAGENET_TEMPLATES = (
    *(f"a {picture} of {article} {{}}." for picture in _PICTURES for article in ("a", "the")),
    *(f"a photo of {article} {how} {{}}." for how in _QUALITIES for article in ("a", "the")),
    *(f"{article} {material} {{}}." for material in _MATERIALS for article in ("a", "the")),
    *(f"{style} of {article} {{}}." for style in _STYLES for article in ("a", "the")),
    "itap of my {}.",
    "a photo of my {}.",
    "a photo of one {}.",
    "a photo of many {}.",
    "a {} in a video game.",
    "the {} in a video game.",
)

# PromptSRC's published code has sixty of them, without these.
NOT_IN_PROMPTSRC = (
    "a dark photo of a {}.",
    "a black and white photo of a {}.",
    "a jpeg corrupted photo of the {}.",
    "a good photo of a {}.",
    "a tattoo of the {}.",
    "a drawing of the {}.",
    "a photo of a cool {}.",
    "a photo of the large {}.",
    "a photo of the nice {}.",
    "a photo of the weird {}.",
    "a photo of a small {}.",
    "a photo of the small {}.",
    "a toy {}.",
    "the cartoon {}.",
    "a plushie {}.",
    "the plushie {}.",
    "graffiti of the {}.",
    "art of the {}.",
    "itap of a {}.",
    "itap of my {}.",
)
PROMPTSRC_TEMPLATES = tuple(x for x in IMAGENET_TEMPLATES if x not in NOT_IN_PROMPTSRC)


def benchmark_name(dataset: object) -> str:
    """The benchmark that a data set is, or stands for by an attribute of this name."""
    return getattr(dataset, "stands_for", type(dataset).__name__)


def dataset_template(
    dataset: object, override: str = "", *, published: Mapping[str, str] | None = None
) -> str:
    """Find the one sentence for a data set.

    The first of these counts: `override`, `published` by the name of its class (or by that which
    its attribute `stands_for` gives), the attribute `template` of the data set, `CUSTOM_TEMPLATES`
    by the name of its class or of one that it is derived from, `DEFAULT_TEMPLATE`.

    Args:
        dataset: an instance of a registered data set.
        override: the config key `DATASET.TEMPLATE`; empty for none.
        published: the sentences of a method whose code does not have CoOp's.

    Raises:
        ValueError: if the template does not hold `{}` exactly once.
    """
    name, bases = type(dataset).__name__, (kind.__name__ for kind in type(dataset).__mro__)
    fallback = next((CUSTOM_TEMPLATES[x] for x in bases if x in CUSTOM_TEMPLATES), DEFAULT_TEMPLATE)
    own = (published or {}).get(benchmark_name(dataset))
    template = override or own or getattr(dataset, "template", fallback)
    if template.count("{}") != 1:
        raise ValueError(f"The template of {name} must hold '{{}}' just once; got {template!r}.")
    return template


def fill(template: str, classname: str) -> str:
    """Put a class name into a template."""
    return template.replace("{}", readable(classname))


def ensemble_templates(template: str, dataset_name: str) -> tuple[str, ...]:
    """List CoOp's ensemble (ZeroshotCLIP2): the seven and, but for ImageNet, the data set's own.

    Args:
        template: of the data set.
        dataset_name: see `benchmark_name`; only "ImageNet" itself is ImageNet here, no variant.
    """
    if dataset_name == "ImageNet":
        return IMAGENET_TEMPLATES_SELECT
    return (*IMAGENET_TEMPLATES_SELECT, template)
