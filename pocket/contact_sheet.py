"""A picture of all pocket data sets: `python -m pocket.contact_sheet FILE` writes it as PNG."""

import argparse

import numpy as np
from PIL import Image, ImageDraw

from pocket.datasets import SETS, draw_class
from pocket.world import IMAGE_SIZE


def contact_sheet(*, columns: int = 12, rows: int = 2, scale: int = 2) -> Image.Image:
    """A picture with `rows` x `columns` test images of each data set, its name above them."""
    size, header = IMAGE_SIZE * scale, 18
    height = header + rows * size
    sheet = Image.new("RGB", (columns * size, height * len(SETS)), "white")
    pen = ImageDraw.Draw(sheet)
    for number, dataset in enumerate(SETS.values()):
        names = dataset.classnames
        picks = np.linspace(0, len(names) - 1, columns * rows).astype(int)
        pen.text((4, number * height + 3), f"{dataset.name}: {dataset.about}", fill="black")
        for place, pick in enumerate(picks):
            tile = Image.fromarray(draw_class(dataset, names[pick], "test")[place % 20])
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
        prog="python -m pocket.contact_sheet", description="Draw some images of each data set."
    )
    parser.add_argument("file", metavar="FILE", help="PNG to write")
    file = parser.parse_args(arguments).file
    if not file.lower().endswith(".png"):
        parser.error(f"FILE must end with .png; got {file!r}")
    contact_sheet().save(file)


if __name__ == "__main__":
    main()
