"""One page with everything: tables, figures and each run's details; it needs no network."""

from __future__ import annotations

import base64
import html
import io
import json
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure
from tabulate import tabulate

from reports import canvas
from reports.files import read_json, read_text
from reports.grid import Document
from reports.render import to_html
from reports.run import LeftOut, Run
from reports.training import logs_of
from run_files.dotted import flatten
from run_files.result import Result

HERE = Path(__file__).parent
LOG_LINES = 12
MOST_CONFUSED = 10
RUN_COLUMNS = (
    "Trainer",
    "Accuracy",
    "Data set",
    "Classes",
    "Shots",
    "Seed",
    "Macro F1",
    "Training (s)",
    "Memory (MB)",
    "Recipe",
)
RIGHT = ("Shots", "Seed", "Accuracy", "Macro F1", "Training (s)", "Memory (MB)")


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
    parts, links = [], []
    for document, pictures in sections:
        name = document.title.lower().replace(" ", "-")
        links.append((name, document.title))
        drawn = "\n".join(_image(figure, document.title) for figure in pictures)
        parts.append(f'<section id="{name}">\n{to_html(document)}{drawn}\n</section>')
    if left_out:
        lines = "".join(
            f"<li><code>{html.escape(x.path)}</code>: {html.escape(x.reason)}</li>"
            for x in left_out
        )
        links.append(("unusable", "Unusable files"))
        parts.append(f'<section id="unusable"><h2>Unusable files</h2><ul>{lines}</ul></section>')
    links.append(("runs", "Runs"))
    parts.append(f'<section id="runs"><h2>Runs</h2>\n{_all_runs(folder, runs)}\n</section>')
    menu = "\n".join(f'<a href="#{name}">{html.escape(words)}</a>' for name, words in links)
    remarks = "".join(f"<p>{html.escape(note)}</p>" for note in notes)
    counted = f"{len(runs)} runs" + (f", {len(left_out)} unusable files" if left_out else "")
    return TEMPLATE.format(
        title=html.escape(title), counted=counted, menu=menu, notes=remarks,
        sections="\n".join(parts), style=read_text(HERE / "page.css"),
        script=read_text(HERE / "page.js"),
    )  # fmt: skip


TEMPLATE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<header><h1>{title}</h1><p>{counted}. Click a heading of a table to sort by it.</p>
<nav>
{menu}
</nav></header>
<main>
{notes}
{sections}
</main>
<script>
{script}</script>
</body>
</html>
"""


def _image(figure: Figure, title: str) -> str:
    picture = io.BytesIO()
    canvas.save(figure, picture, suffix="svg")
    data = base64.b64encode(picture.getvalue()).decode()  # its ids stay its own
    image = f'<img alt="{html.escape(title)}" src="data:image/svg+xml;base64,{data}">'
    return f'<div class="wide">{image}</div>'


def _all_runs(folder: Path, runs: Sequence[Run]) -> str:
    rows, details = [], []
    for index, run in enumerate(runs):
        result = read_json(folder / run.path, Result)
        rows.append(_row(index, run, result))
        details.append(_details(index, folder, run, result))
    alignment = ["right" if name in RIGHT else "left" for name in RUN_COLUMNS]
    table = tabulate(
        rows, headers=RUN_COLUMNS, tablefmt="unsafehtml", colalign=alignment, disable_numparse=True
    )
    return "\n".join([f'<div class="wide">\n{table}\n</div>', *details])


def _row(index: int, run: Run, result: Result) -> list[str]:
    f1 = result.metrics.macro_f1
    values = (
        f"{run.accuracy:.2f}", run.dataset, run.subset, run.shots if run.shots > 0 else "",
        run.seed, "" if f1 is None else f"{f1:.2f}",
        "" if run.step_sec is None or run.train_sec is None else f"{run.train_sec:.1f}",
        "" if run.peak_memory_bytes is None else f"{run.peak_memory_bytes / 1e6:,.0f}", run.recipe,
    )  # fmt: skip
    # In the first column, which stays in sight on a narrow screen; the accuracy is next to it.
    link = f'<a href="#run{index}">{html.escape(run.trainer)}</a>'
    return [link, *(html.escape(str(value)) for value in values)]


def _details(index: int, folder: Path, run: Run, result: Result) -> str:
    name = f"{run.trainer} on {run.dataset}, {run.subset} classes, seed {run.seed}"
    facts = {
        "folder": str(Path(run.path).parent),
        "seed": run.seed,
        "commit": run.commit or "not recorded",
        "device": run.device or "not recorded",
        "weights": run.weights or "not recorded",
        "training images": run.shot_list or "not recorded",
        **_own_data(run),
        "trained on": ", ".join(run.trained_on) if run.trained_on else "nothing",
        "command": " ".join(result.command) or "not recorded",
    }
    listed = "".join(f"<dt>{key}</dt><dd>{html.escape(str(x))}</dd>" for key, x in facts.items())
    config = flatten(result.config)
    settings = "\n".join(f"{key}: {value}" for key, value in sorted(config.items()))
    parts = [
        f'<details id="run{index}"><summary>{html.escape(name)}: {run.accuracy:.2f} %</summary>',
        f"<dl>{listed}</dl>",
        _confusions(result),
        _log_tail((folder / run.path).parent),
    ]
    if settings:
        parts.append(
            f"<details><summary>config</summary><pre>{html.escape(settings)}</pre></details>"
        )
    return "\n".join([*parts, "</details>"])


def _own_data(run: Run) -> dict[str, str]:
    """What says which images of a user's these are; {} for benchmarks."""
    own = run.own_data
    if own is None:
        return {}
    return {
        "own data": ", ".join(filter(None, (own.path, own.list, own.classnames))),
        "own images": own.images or "not recorded",
    }


def _confusions(result: Result) -> str:
    """The confusion matrix, drawn by the script when it is looked at, and its largest errors."""
    classes = {counts.label: counts for counts in result.per_class}
    if not classes or result.confused is None:
        return ""
    labels = sorted(classes)
    matrix = {
        "names": [classes[label].name for label in labels],
        "totals": [classes[label].total for label in labels],
        "cells": [[labels.index(x), labels.index(y), count] for x, y, count in result.confused]
        + [[i, i, classes[label].correct] for i, label in enumerate(labels)],
    }
    worst = sorted(result.confused, key=lambda entry: -entry[2])[:MOST_CONFUSED]
    rows = [
        [html.escape(classes[x].name), html.escape(classes[y].name), count,
         f"{100 * count / max(classes[x].total, 1):.1f}"]
        for x, y, count in worst
    ]  # fmt: skip
    headers = ("Class", "Taken for", "Images", "% of the class")
    table = tabulate(rows, headers=headers, tablefmt="unsafehtml", disable_numparse=True)
    data = html.escape(json.dumps(matrix))
    return (
        f'<h4>Confusion matrix</h4><canvas data-matrix="{data}"></canvas><p class="hint">Rows: '
        "class; columns: what it was taken for; dark: more of the class's images.</p>"
        f'<h4>Most confused</h4><div class="wide">{table}</div>'
    )


def _log_tail(place: Path) -> str:
    logs = logs_of(place)
    if not logs:
        return ""
    try:
        lines = read_text(logs[-1], errors="replace").splitlines()[-LOG_LINES:]
    except (OSError, ValueError) as error:
        lines = [str(error)]
    text = html.escape("\n".join(lines))
    return f"<h4>End of {html.escape(logs[-1].name)}</h4><pre>{text}</pre>"
