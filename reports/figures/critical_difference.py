"""Draws average ranks with their critical difference."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from matplotlib.figure import Figure

from reports.figures.canvas import MARKER_SIZE, PANEL_INCH, looks, name_axes, panels, write_key
from reports.tables.ranks import QUANTITIES, Ranking

ROW_INCH, AROUND_INCH, NAMES_INCH = 0.2, 0.9, 1.2


def critical_difference(
    rankings: Sequence[Ranking], *, title: str, among: Collection[str] = ()
) -> Figure:
    """A panel for each quantity of each ranking: rows as dots, the best one on top.

    The bars reach half the critical difference to both sides: rows whose bars do not touch differ.
    """
    most = max(len(ranking.labels) for ranking in rankings)
    figure, grid = panels(
        len(rankings) * len(QUANTITIES), title=title, height=ROW_INCH * (most + 1) + AROUND_INCH,
        width=PANEL_INCH + NAMES_INCH, columns=len(QUANTITIES),
    )  # fmt: skip
    styles = looks((label for ranking in rankings for label in ranking.labels.values()), among)
    places = [(ranking, name) for ranking in rankings for name in QUANTITIES]
    for axes, (ranking, name) in zip(grid, places, strict=True):
        ranks = sorted(ranking.ranks[name].items(), key=lambda item: item[1])
        for place, (method, rank) in enumerate(ranks):
            axes.errorbar(
                rank, place, xerr=ranking.critical / 2, capsize=2, linestyle="none",
                **styles[ranking.labels[method]].point(MARKER_SIZE),
            )  # fmt: skip
        axes.set_yticks(range(len(ranks)), [ranking.labels[method].text for method, _ in ranks])
        axes.set_ylim(len(ranks) - 0.4, -0.6)
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="y", color="0.88", linewidth=0.8)
        axes.set_axisbelow(True)
        name_axes(axes, f"{name} ({ranking.where})", "average rank, 1 is best", "")
    write_key(figure, styles)
    return figure
