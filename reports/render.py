"""Documents as markdown, LaTeX, CSV and HTML."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from tabulate import tabulate

from reports.grid import DAGGER, DECIMALS, DOUBLE_DAGGER, MINUS, PLUS_MINUS, Cell, Document, Grid


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
        """Any text, escaped."""
        return self.sign(self.text(text))

    def sign(self, text: str) -> str:
        """With the format's signs."""
        for ours, theirs in self.signs.items():
            text = text.replace(ours, theirs)
        return text


def _latex(text: str) -> str:
    return re.sub(
        r"[\\&%$#_{}~^]", lambda match: LATEX_ESCAPES.get(match[0], f"\\{match[0]}"), text
    )


LATEX_ESCAPES = {"\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}"}


MARKDOWN = Style("pipe", "**{}**", "<ins>{}</ins>", lambda text: text.replace("|", "\\|"), {})
HTML = Style("unsafehtml", "<b>{}</b>", "<u>{}</u>", html.escape, {})
LATEX_SIGNS = {PLUS_MINUS: "$\\pm$", MINUS: "$-$", DAGGER: "\\dag", DOUBLE_DAGGER: "\\ddag"}
LATEX = Style("latex_raw", "\\textbf{{{}}}", "\\underline{{{}}}", _latex, LATEX_SIGNS)


def table(grid: Grid, style: Style) -> str:
    """One table in one format."""
    ranks = grid.ranks()
    lines = []
    for row in grid.rows:
        counts = {len(entry.seeds) for entry in row.entries if isinstance(entry, Cell)}
        entries = [
            _cell(entry, rank.get(entry.written), style, counted=len(counts) > 1)
            if isinstance(entry, Cell)
            else style.write(entry)
            for entry, rank in zip(row.entries, ranks, strict=True)
        ]
        lines.append([style.write(row.label), *entries])
    headers = [style.write(name) for name in (grid.corner, *grid.columns)]
    alignment = ("left", *["right"] * len(grid.columns))
    return tabulate(
        lines, headers=headers, tablefmt=style.tablefmt, colalign=alignment, disable_numparse=True
    )


def _cell(cell: Cell, rank: int | None, style: Style, *, counted: bool) -> str:
    text = f"{cell.value:.{DECIMALS}f}"
    text = {1: style.best, 2: style.second}.get(rank, "{}").format(text)
    text += style.sign(cell.mark)
    if cell.std is not None and len(cell.seeds) != 1:  # one seed has no spread, not one of zero
        text += style.sign(f" {PLUS_MINUS} {cell.std:.{DECIMALS}f}")
    if cell.delta is not None:
        sign = MINUS if round(cell.delta, DECIMALS) < 0 else "+"
        text += style.sign(f" ({sign}{abs(cell.delta):.{DECIMALS}f})")
    if counted and cell.seeds:
        text += f" (n={len(cell.seeds)})"
    return text


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


def to_html(document: Document) -> str:
    """A fragment: a section that a page can take in."""
    parts = [f"<h2>{html.escape(document.title)}</h2>"]
    own, shared = document.keys()
    for grid, lines in zip(document.grids, own, strict=True):
        title = html.escape(grid.title)
        parts.append(f'<h3>{title}</h3>\n<div class="wide">\n{table(grid, HTML)}\n</div>')
        parts += _html_list(map(html.escape, lines), "key")
    parts += _html_list(map(html.escape, shared), "key")
    parts += [f"<p>{html.escape(note)}</p>" for note in document.notes]
    if document.left_out:
        parts.append("<h3>Left out</h3>")
        parts += _html_list(
            f"<code>{html.escape(item.path)}</code>: {html.escape(item.reason)}"
            for item in document.left_out
        )
    return "\n".join(parts) + "\n"


def _html_list(lines: Iterable[str], kind: str = "") -> list[str]:
    items = [f"<li>{line}</li>" for line in lines]
    return [f'<ul class="{kind}">' if kind else "<ul>", *items, "</ul>"] if items else []


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
