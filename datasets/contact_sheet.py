"""Pictures of drawn data sets: `python -m datasets.contact_sheet woven FILE` writes a PNG."""

import argparse

import numpy as np
from PIL import Image, ImageDraw

import pocket.datasets
import woven.datasets
from datasets.drawing import DrawnSet

WORLDS = {"woven": woven.datasets.SETS, "pocket": pocket.datasets.SETS}
SIZE = 96  # of an image, pixels


def contact_sheet(
    sets: dict[str, DrawnSet], *, columns: int = 12, rows: int = 2, size: int = SIZE
) -> Image.Image:
    """A picture with `rows` x `columns` test images of each data set, its name above them."""
    header = 18
    height = header + rows * size
    sheet = Image.new("RGB", (columns * size, height * len(sets)), "white")
    pen = ImageDraw.Draw(sheet)
    for number, dataset in enumerate(sets.values()):
        names = dataset.classnames
        picks = np.linspace(0, len(names) - 1, columns * rows).astype(int)
        pen.text((4, number * height + 3), f"{dataset.name}: {dataset.about}", fill="black")
        for place, pick in enumerate(picks):
            tile = Image.fromarray(dataset.images(names[pick], "test")[place % 20])
            tile = tile.resize((size, size), Image.Resampling.NEAREST)
            ImageDraw.Draw(tile).text(
                (2, size - 13), names[pick], fill="white", stroke_fill="black", stroke_width=1
            )
            x, y = place % columns * size, number * height + header + place // columns * size
            sheet.paste(tile, (x, y))
    return sheet


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m datasets.contact_sheet", description="Draw some images of each data set."
    )
    parser.add_argument("world", choices=WORLDS, help="whose data sets")
    parser.add_argument("file", metavar="FILE", help="PNG to write")
    options = parser.parse_args(arguments)
    file = options.file
    if not file.lower().endswith(".png"):
        parser.error(f"FILE must end with .png; got {file!r}")
    contact_sheet(WORLDS[options.world]).save(file)


if __name__ == "__main__":
    main()
