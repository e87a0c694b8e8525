"""Classes of a user's own images: those that lack images to train or test on, all at once."""

from __future__ import annotations

from collections.abc import Mapping

from datasets.listing import IMAGE_SUFFIXES, some
from datasets.split_file import Splits

NAMED = 10  # so many classes are named


def check_known(folder: str, classes: list[str], known: list[str]) -> None:
    """Raises ValueError if a part's folder has classes that train/ does not have."""
    unknown = [name for name in classes if name not in known]
    if not unknown:
        return
    lower = {name.lower(): name for name in known}
    alike = [f"{name} is {lower[name.lower()]} there" for name in unknown if name.lower() in lower]
    quoted = some([repr(name) for name in unknown], NAMED)
    raise ValueError(
        f"{folder} has classes that train/ does not have: {len(unknown):,} ({quoted})"
        f"{f'; {some(alike)}' if alike else ''}. Every class needs training images, in a folder of "
        "the same name."
    )


def check_every_part(splits: Splits, origin: str, names: Mapping[str, str]) -> None:
    """Checks that each class has images to train and to test on.

    Args:
        splits: the images.
        origin: the folder or list that they are of.
        names: class name by class folder, for classes without any image; empty for lists.

    Raises:
        ValueError: classes have none; names them all.
    """
    train, val, test = ({item.classname for item in part} for part in splits)
    known = train | val | test | set(names.values())
    lacking = {
        "without any image": known - train - val - test,
        "without images to train on": (val | test) - train,
        "without images to test on": (train | val) - test,
    }
    lacks = [
        f"{what}: {len(found):,} ({some([repr(name) for name in sorted(found)], NAMED)})"
        for what, found in lacking.items()
        if found
    ]
    if not lacks:
        return
    advice = (
        f"Add images ({', '.join(IMAGE_SUFFIXES)}; an automatic split needs 2 a class), take those "
        "folders away, or give a list (DATASET.FOLDER.SPLIT)."
        if names
        else "Add lines for them, or take those classes out; a split of its own needs 2 a class."
    )
    raise ValueError(f"{origin} has classes {'; '.join(lacks)}. {advice}")
