"""Average ranks over data sets, and how far apart they have to be (Demsar, JMLR 2006)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from reports.layout.grid import Cell, Document, Grid, Row
from reports.layout.headings import headings
from reports.layout.labels import Label, keys, method_facts, within
from reports.runs.run import LeftOut, Method, Run
from reports.tables.base_to_new import report_labels
from reports.tables.base_to_new_numbers import Report, base_to_new
from reports.tables.base_to_new_numbers import Row as Numbers

TITLE = "Average ranks"
CONFIDENCE = 0.95
LEAST_SETS, LEAST_ROWS = 2, 2
QUANTITIES = {"Base": "base", "New": "new", "HM": "harmonic"}
FOOTNOTE = (
    "Ranks over data sets, 1 for the best, of the means over seeds; equal values share a rank. "
    "Rows without a result on one of the data sets are not ranked. Friedman's p: of no difference "
    f"among the rows. Two rows differ ({CONFIDENCE:.0%}, all pairs together, Nemenyi's test) if "
    "their average ranks are further apart than the critical difference: if their bars in the "
    "figure do not touch."
)


@dataclass(frozen=True)
class Ranking:
    """Of the rows of one backbone and weights.

    Attributes:
        where: backbone, and weights where they differ.
        datasets: that ranks are averaged over.
        ranks: {quantity: {row: average rank}}.
        p: {quantity: Friedman's p}; 1 where all are alike everywhere, None for two rows.
        critical: difference of average ranks.
        left: rows that have no result on one of the data sets.
    """

    title: str
    where: str
    facts: dict[str, object]
    datasets: tuple[str, ...]
    labels: dict[Method, Label]
    ranks: dict[str, dict[Method, float]]
    p: dict[str, float | None]
    critical: float
    left: tuple[str, ...]


def critical_difference(rows: int, datasets: int) -> float:
    """Nemenyi's: q sqrt(k (k + 1) / 6 N) for k rows and N data sets (Demsar, section 3.2.2)."""
    q = stats.studentized_range.ppf(CONFIDENCE, rows, np.inf) / 2**0.5
    return float(q * (rows * (rows + 1) / (6 * datasets)) ** 0.5)


def rankings(report: Report) -> list[Ranking]:
    """One for each backbone and weights with two data sets and two rows on all of them."""
    groups = report.comparable()
    names, found = report_labels(report), []
    titles = headings([(TITLE, *group) for group in groups])
    for title, (group, blocks) in zip(titles, groups.items(), strict=True):
        by_set = [{row.method: row for row in block.rows} for block in blocks]
        every = [method for method in names if any(method in rows for rows in by_set)]
        ranked = [method for method in every if all(method in rows for rows in by_set)]
        if len(blocks) < LEAST_SETS or len(ranked) < LEAST_ROWS:
            continue
        values = {name: _values(by_set, ranked, part) for name, part in QUANTITIES.items()}
        found.append(
            Ranking(
                title=title,
                where=title.removeprefix(f"{TITLE} (").removesuffix(")"),
                facts=dict(zip(("backbone", "weights_sha256"), group, strict=True)),
                datasets=tuple(block.dataset for block in blocks),
                labels=within(names, ranked),
                ranks={name: _average_ranks(ranked, x) for name, x in values.items()},
                p={name: _friedman(x) for name, x in values.items()},
                critical=critical_difference(len(ranked), len(blocks)),
                left=tuple(names[method].text for method in every if method not in ranked),
            )
        )
    return found


def _values(by_set: Sequence[dict[Method, Numbers]], ranked: list[Method], part: str) -> np.ndarray:
    """[data sets, rows], as readers see them: equal as written is equal."""
    return np.array([[round(getattr(rows[m], part).value, 2) for m in ranked] for rows in by_set])


def _average_ranks(ranked: list[Method], values: np.ndarray) -> dict[Method, float]:
    ranks = stats.rankdata(-values, axis=1).mean(axis=0)
    return dict(zip(ranked, ranks.tolist(), strict=True))


def _friedman(values: np.ndarray) -> float | None:
    if values.shape[1] < 3:
        return None
    if (values == values[:, :1]).all():
        return 1.0
    return float(stats.friedmanchisquare(*values.T).pvalue)


def document(
    runs: Sequence[Run], left_out: Iterable[LeftOut] = (), *, title: str
) -> tuple[Document, list[Ranking]]:
    """A table of average ranks for each backbone and weights, over all data sets."""
    report = base_to_new(runs, left_out)
    found = rankings(report)
    grids = [_grid(ranking) for ranking in found]
    notes = [FOOTNOTE] if grids else []
    for ranking in found:
        tested = ", ".join(f"{name} {p:.3g}" for name, p in ranking.p.items() if p is not None)
        notes.append(
            f"{ranking.title}: over {len(ranking.datasets)} data sets "
            f"({', '.join(ranking.datasets)}); critical difference {ranking.critical:.2f}"
            + (f"; Friedman's p: {tested}" if tested else "")
            + (f"; not ranked: {', '.join(ranking.left)}" if ranking.left else "")
            + "."
        )
    return Document(title, tuple(grids), (*notes, *report.notes), report.left_out), found


def _grid(ranking: Ranking) -> Grid:
    rows = [
        Row(
            label.text,
            tuple(Cell(ranking.ranks[name][method]) for name in QUANTITIES),
            method_facts(label, method, method.recipe),
            label,
        )
        for method, label in ranking.labels.items()
    ]
    columns = tuple(QUANTITIES)
    return Grid(ranking.title, columns, tuple(rows), facts=ranking.facts,
                key=keys(ranking.labels.values()), least_is_best=columns)  # fmt: skip
