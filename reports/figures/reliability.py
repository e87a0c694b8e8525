"""Draws reliability diagrams: accuracy against confidence, bin by bin."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from matplotlib.figure import Figure

from reports.figures.canvas import GREY, legend, looks, name_axes, panels
from reports.tables.calibration import Diagrams

MARGIN = 3  # percent, for markers at the edge
LEAST_SIZE, MOST_SIZE = 2.0, 9.0  # of a marker; its area goes with the images in the bin


def reliability(diagrams: Sequence[Diagrams], *, title: str, among: Collection[str] = ()) -> Figure:
    """A panel for each data set and its classes, a line for each row, all seeds together.

    On the diagonal confidence is what it says; below it, a row is over-confident.
    """
    figure, grid = panels(len(diagrams), title=title)
    styles = looks((label for diagram in diagrams for label in diagram.bins), among)
    handles = {}
    for axes, diagram in zip(grid, diagrams, strict=True):
        axes.plot([0, 100], [0, 100], color=GREY, linewidth=0.8, linestyle=":")
        for label, bins in diagram.bins.items():
            style = styles[label].point(LEAST_SIZE)
            (handles[label],) = axes.plot(
                100 * bins.confidence, 100 * bins.accuracy, linewidth=1.0, **style
            )
            sizes = LEAST_SIZE + (MOST_SIZE - LEAST_SIZE) * (bins.count / bins.count.max()) ** 0.5
            axes.scatter(
                100 * bins.confidence, 100 * bins.accuracy, s=sizes**2,
                color=styles[label].colour, alpha=0.35, linewidths=0,
            )  # fmt: skip
        axes.set_xlim(-MARGIN, 100 + MARGIN)
        axes.set_ylim(-MARGIN, 100 + MARGIN)
        axes.set_aspect("equal")
        name_axes(axes, diagram.title, "confidence (%)", "accuracy (%)")
    legend(figure, {label: handles[label] for label in styles}, {})
    return figure
