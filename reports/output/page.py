"""One page with everything: tables, figures and each run's details; it needs no network."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from reports.figures import canvas
from reports.layout.grid import Document
from reports.output.details import COLUMNS, CONFUSION_COLUMNS, TEXT_COLUMNS, details_of
from reports.output.formats import to_html
from reports.output.templating import as_it_is, filled
from reports.runs.run import LeftOut, Run


def render(
    title: str,
    sections: Sequence[tuple[Document, Sequence[Figure]]],
    folder: Path,
    runs: Sequence[Run],
    left_out: Sequence[LeftOut],
    notes: Sequence[str],
) -> str:
    """The whole page.

    Args:
        title: of the page.
        sections: documents with their figures.
        folder: what the paths of the runs are relative to.
        runs: listed one by one, in this order.
        left_out: files that could not be used.
        notes: on all of it.
    """
    return filled(
        "page.html.j2",
        title=title,
        sections=[
            {
                "anchor": document.title.lower().replace(" ", "-"),
                "title": document.title,
                "body": to_html(document),
                "pictures": list(map(_picture, figures)),
            }
            for document, figures in sections
        ],
        runs=[details_of(folder, run, f"run{index}") for index, run in enumerate(runs)],
        columns=COLUMNS,
        text_columns=TEXT_COLUMNS,
        confusion_columns=CONFUSION_COLUMNS,
        left_out=left_out,
        notes=notes,
        style=as_it_is("page.css"),
        script=as_it_is("page.js"),
    )


def _picture(figure: Figure) -> str:
    """In base64: the ids in its SVG stay its own."""
    picture = io.BytesIO()
    canvas.save(figure, picture, suffix="svg")
    return base64.b64encode(picture.getvalue()).decode()
