"""Documents as markdown, LaTeX, CSV and HTML."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup
from tabulate import tabulate

from reports.layout.grid import (
    DAGGER,
    DOUBLE_DAGGER,
    MINUS,
    PLUS_MINUS,
    Cell,
    Document,
    Grid,
    Written,
)
from reports.output.templating import filled


@dataclass(frozen=True)
class Style:
    """How a format writes what is in a table.

    Attributes:
        best, second: templates of the two best values of a column.
        text: escapes what is not a number.
        signs: what stands for our signs.
    """

    tablefmt: str
    best: str
    second: str
    text: Callable[[str], str]
    signs: dict[str, str]

    def write(self, text: str) -> str:
        """Any text, escaped, in one line."""
        return self.sign(self.text(" ".join(text.splitlines())))

    def sign(self, text: str) -> str:
        """With the format's signs."""
        for ours, theirs in self.signs.items():
            text = text.replace(ours, theirs)
        return text

    def entry(self, entry: Written | str) -> str:
        """An entry of a table."""
        if isinstance(entry, str):
            return self.write(entry)
        value = {1: self.best, 2: self.second}.get(entry.rank, "{}").format(entry.value)
        return value + self.sign(entry.rest)


def _latex(text: str) -> str:
    return re.sub(
        r"[\\&%$#_{}~^]", lambda match: LATEX_ESCAPES.get(match[0], f"\\{match[0]}"), text
    )


LATEX_ESCAPES = {"\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}"}


MARKDOWN = Style("pipe", "**{}**", "<ins>{}</ins>", lambda text: text.replace("|", "\\|"), {})
LATEX_SIGNS = {PLUS_MINUS: "$\\pm$", MINUS: "$-$", DAGGER: "\\dag", DOUBLE_DAGGER: "\\ddag"}
LATEX = Style("latex_raw", "\\textbf{{{}}}", "\\underline{{{}}}", _latex, LATEX_SIGNS)


def table(grid: Grid, style: Style) -> str:
    """One table in one format."""
    lines = [[style.write(label), *map(style.entry, entries)] for label, entries in grid.lines()]
    headers = [style.write(name) for name in (grid.corner, *grid.columns)]
    alignment = ("left", *["right"] * len(grid.columns))
    return tabulate(
        lines, headers=headers, tablefmt=style.tablefmt, colalign=alignment, disable_numparse=True
    )


def to_markdown(document: Document) -> str:
    """Title, tables, their keys, notes, what was left out."""
    parts = [f"# {document.title}"]
    own, shared = document.keys()
    for grid, lines in zip(document.grids, own, strict=True):
        parts += [f"## {grid.title}", table(grid, MARKDOWN), *_markdown_list(lines)]
    parts += [*_markdown_list(shared), *document.notes]
    if document.left_out:
        lines = [f"`{item.path}`: {item.reason}" for item in document.left_out]
        parts += ["## Left out", *_markdown_list(lines)]
    return "\n\n".join(parts) + "\n"


def _markdown_list(lines: Sequence[str]) -> list[str]:
    return ["\n".join(f"- {line}" for line in lines)] if lines else []


def to_latex(document: Document) -> str:
    """Tables for a paper, each in its own float; notes and what was left out as comments."""
    parts = [f"% {document.title}"]
    for grid in document.grids:
        body = table(grid, LATEX)
        caption = LATEX.write(grid.title)
        key = "".join(f"\\\\\n{{\\footnotesize {LATEX.write(f'{n}: {w}')}}}" for n, w in grid.key)
        parts.append(
            f"\\begin{{table}}\n\\centering\n\\caption{{{caption}}}\n{body}{key}\n\\end{{table}}"
        )
    remarks = [*document.notes, *(f"Left out: {x.path}: {x.reason}" for x in document.left_out)]
    parts.append("\n".join(f"% {line}" for text in remarks for line in text.splitlines()))
    return "\n\n".join(parts) + "\n"


def to_html(document: Document) -> Markup:
    """A fragment: a section that a page can take in."""
    own, shared = document.keys()
    tables = list(zip(document.grids, own, strict=True))
    return filled("document.html.j2", document=document, tables=tables, shared=shared)


def to_csv(document: Document) -> str:
    """All cells in full precision, one line each, and what their grid and row say of themselves."""
    facts: dict[str, None] = {}
    for grid in document.grids:
        for row in grid.rows:
            facts |= dict.fromkeys([*grid.facts, *row.facts])
    names = ["table", "row", "column", "value", "std", "seeds", "mark", *facts]
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n", restval="")
    writer.writeheader()
    for grid in document.grids:
        for row in grid.rows:
            for column, entry in zip(grid.columns, row.entries, strict=True):
                if isinstance(entry, Cell):
                    std = "" if len(entry.seeds) == 1 else entry.std
                    values = {"value": entry.value, "std": std, "mark": entry.mark}
                    values["seeds"] = " ".join(map(str, entry.seeds))
                elif entry:
                    values = {"value": entry}
                else:
                    continue
                place = {"table": grid.title, "row": row.label, "column": column}
                writer.writerow({**grid.facts, **row.facts, **place, **values})
    return text.getvalue()


FORMATS = {"markdown": to_markdown, "latex": to_latex, "csv": to_csv, "html": to_html}
SUFFIXES = {"markdown": "md", "latex": "tex", "csv": "csv", "html": "html"}
