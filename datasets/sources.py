"""Where the fifteen benchmarks come from, and what a whole one holds.

Addresses are those of the data sets' own pages; md5 are the ones that torchvision pins, sha256
those of TensorFlow Datasets.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Download:
    """One file.

    Attributes:
        makes: what is there afterwards, below DATASET.ROOT: a sign that it is done.
        url: its address; or
        drive: its id on Google Drive.
        md5, sha256: checksum, where one is known.
        size: in bytes, where it is known; 0 where not.
        into: folder below DATASET.ROOT that an archive is unpacked into; None keeps the file.
        take: folder in the archive whose content is wanted; "" is all of it.
        inner: an archive in the archive, unpacked beside itself.
    """

    makes: str
    url: str = ""
    drive: str = ""
    md5: str = ""
    sha256: str = ""
    size: int = 0
    into: str | None = None
    take: str = ""
    inner: str = ""


@dataclass(frozen=True)
class Source:
    """One data set: what it holds, what can be downloaded, what has to be done by hand.

    Attributes:
        registered: its name in DATASET_REGISTRY.
        classes: number of them.
        images: of train, val and test; 0 where a set has no such part.
        page: where it is published.
        downloads: what `python -m datasets.fetch` gets.
        by_hand: steps for what it cannot get.
    """

    registered: str
    classes: int
    images: tuple[int, int, int]
    page: str
    downloads: tuple[Download, ...] = ()
    by_hand: tuple[str, ...] = field(default=())


_VGG = "https://www.robots.ox.ac.uk/~vgg/data"
_BERKELEY = "https://people.eecs.berkeley.edu/~hendrycks"

SOURCES = {
    "imagenet": Source(
        "ImageNet", 1000, (1_281_167, 0, 50_000), "https://image-net.org/download.php",
        by_hand=(
            "Accept the licence on the page; download ILSVRC2012_img_train.tar and ..._val.tar.",
            "Unpack train as imagenet/images/train/<WordNet id>/, the archives in it too.",
            "Unpack val and sort it into imagenet/images/val/<WordNet id>/ (valprep.sh of soumith/"
            "imagenetloader.torch does it).",
            "classnames.txt comes with this project.",
        ),
    ),
    "caltech101": Source(
        "Caltech101", 100, (4128, 1649, 2465), "https://data.caltech.edu/records/mzrjq-6wc02",
        (
            Download(
                "caltech-101/101_ObjectCategories",
                "https://data.caltech.edu/records/mzrjq-6wc02/files/caltech-101.zip",
                md5="3138e1922a9193bfa496528edbbc45d0", into="",
                inner="caltech-101/101_ObjectCategories.tar.gz",
            ),
        ),
    ),
    "oxford_pets": Source(
        "OxfordPets", 37, (2944, 736, 3669), f"{_VGG}/pets/",
        (
            Download(
                "oxford_pets/images", f"{_VGG}/pets/data/images.tar.gz",
                md5="5c4f3ee8e5d25df40f4fd59a7f44e54c", into="oxford_pets",
            ),
        ),
    ),
    "stanford_cars": Source(
        "StanfordCars", 196, (6509, 1635, 8041), "https://ai.stanford.edu/~jkrause/cars/",
        by_hand=(
            "The authors' server is offline. Get cars_train and cars_test from a mirror (for "
            "example the one on kaggle.com that torchvision's documentation names).",
            "Unpack them as stanford_cars/cars_train/00001.jpg ... and stanford_cars/cars_test/.",
        ),
    ),
    "oxford_flowers": Source(
        "OxfordFlowers", 102, (4093, 1633, 2463), f"{_VGG}/flowers/102/",
        (
            Download(
                "oxford_flowers/jpg", f"{_VGG}/flowers/102/102flowers.tgz",
                md5="52808999861908f626f3c1f4e79d11fa", into="oxford_flowers",
            ),
        ),
    ),
    "food101": Source(
        "Food101", 101, (50_500, 20_200, 30_300),
        "https://data.vision.ee.ethz.ch/cvl/datasets_extra/food-101/",
        (
            Download(
                "food-101/images", "https://data.vision.ee.ethz.ch/cvl/food-101.tar.gz",
                md5="85eeb15f3717b99a5da872d97d918f87", into="",
            ),
            Download(
                "food-101/split_zhou_Food101.json", drive="1QK0tGi096I0Ba6kggatX1ee6dJFIcEJl"
            ),
        ),
    ),
    "fgvc_aircraft": Source(
        "FGVCAircraft", 100, (3334, 3333, 3333), f"{_VGG}/fgvc-aircraft/",
        (
            Download(
                "fgvc_aircraft/variants.txt",
                f"{_VGG}/fgvc-aircraft/archives/fgvc-aircraft-2013b.tar.gz",
                size=2_753_340_328,  # published checksums are those of the tar within
                into="fgvc_aircraft", take="fgvc-aircraft-2013b/data",
            ),
        ),
    ),
    "sun397": Source(
        "SUN397", 397, (15_880, 3970, 19_850), "https://vision.princeton.edu/projects/2010/SUN/",
        (Download("sun397/split_zhou_SUN397.json", drive="1y2RD81BYuiyvebdN-JymPfyWYcd8_MUq"),),
        by_hand=(
            "The authors' server no longer has SUN397.tar.gz (md5 "
            "8ca2778205c41d23104230ba66911c7a; KaiyangZhou/CoOp issue 90). Get it from a mirror: "
            "opendatalab.com is named as one (Tianfu18/diff-feats-pose issue 9).",
            "Unpack it in sun397/, so that there is sun397/SUN397/a/abbey/.",
            "python -m datasets.check sun397 --root DATA then holds the files against the "
            "published split: 39,700 images of 397 classes.",
        ),
    ),
    "dtd": Source(
        "DescribableTextures", 47, (2820, 1128, 1692), f"{_VGG}/dtd/",
        (
            Download(
                "dtd/images", f"{_VGG}/dtd/download/dtd-r1.0.1.tar.gz",
                md5="fff73e5086ae6bdbea199a49dfb8a4c1", into="",
            ),
        ),
    ),
    "eurosat": Source(
        "EuroSAT", 10, (13_500, 5400, 8100), "https://github.com/phelber/EuroSAT",
        (
            Download(
                "eurosat/2750", "https://madm.dfki.de/files/sentinel/EuroSAT.zip",
                md5="c8fa014336c82ac7804f0398fcb19387", into="eurosat",
            ),
        ),
    ),
    "ucf101": Source(
        "UCF101", 101, (7639, 1898, 3783), "https://www.crcv.ucf.edu/data/UCF101.php",
        (
            Download(
                "ucf101/UCF-101-midframes", drive="10Jqome3vtUA2keJkNanAiFpgbyC9Hc2O",
                into="ucf101",
            ),
        ),
    ),
    "imagenetv2": Source(
        "ImageNetV2", 1000, (0, 0, 10_000), "https://github.com/modestyachts/ImageNetV2",
        (
            Download(
                "imagenetv2/imagenetv2-matched-frequency-format-val",
                "https://imagenetv2public.s3-us-west-2.amazonaws.com/"
                "imagenetv2-matched-frequency.tar.gz",
                into="imagenetv2",
            ),
        ),
    ),
    "imagenet_sketch": Source(
        "ImageNetSketch", 1000, (0, 0, 50_889), "https://github.com/HaohanWang/ImageNet-Sketch",
        by_hand=(
            "Download the archive that the page links to.",
            "Unpack it as imagenet-sketch/images/<WordNet id>/.",
        ),
    ),
    "imagenet_a": Source(
        "ImageNetA", 200, (0, 0, 7500), "https://github.com/hendrycks/natural-adv-examples",
        (
            Download(
                "imagenet-adversarial/imagenet-a", f"{_BERKELEY}/imagenet-a.tar",
                sha256="3bb3632277e6ba6392ea64c02ddbf4dd2266c9caffd6bc09c9656d28f012589e",
                size=687_552_512,
                into="imagenet-adversarial",
            ),
        ),
    ),
    "imagenet_r": Source(
        "ImageNetR", 200, (0, 0, 30_000), "https://github.com/hendrycks/imagenet-r",
        (
            Download(
                "imagenet-rendition/imagenet-r", f"{_BERKELEY}/imagenet-r.tar",
                sha256="18c6bf493b39a0d975d48e587437f562caab9c52ae6327dcfa9dd8eb54aa1b52",
                size=2_191_079_936,
                into="imagenet-rendition",
            ),
        ),
    ),
}  # fmt: skip


def fetch_command(registered: list[str], root: str) -> str:
    """The command that gets data sets, by their names in DATASET_REGISTRY; "" for others' sets."""
    keys = [key for key, source in SOURCES.items() if source.registered in registered]
    return f"python -m datasets.fetch {' '.join(keys)} --root {shlex.quote(root)}" if keys else ""


def named(names: list[str]) -> list[str]:
    """Keys of SOURCES by yaml or registered names, whatever their case; all of them for none.

    Raises:
        ValueError: there is no such data set.
    """
    aliases = {key: key for key in SOURCES}
    aliases |= {source.registered.lower(): key for key, source in SOURCES.items()}
    unknown = [name for name in names if name.lower() not in aliases]
    if unknown:
        raise ValueError(f"no data set is called {unknown[0]!r}; there are: {', '.join(SOURCES)}.")
    return [aliases[name.lower()] for name in names] or list(SOURCES)
