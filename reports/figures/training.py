"""Draws what was logged during trainings over the epochs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, MaxNLocator

from reports.figures.canvas import MARKER_SIZE, legend, looks, name_axes, panels
from reports.figures.styles import Look
from reports.layout.labels import Label
from reports.tables.histories import History

SEED_ALPHA = 0.3
MANY_EPOCHS = 8  # with more, not each has a tick


def training(histories: Sequence[History], *, title: str, among: Collection[str] = ()) -> Figure:
    """Every logged figure over the epochs: thick the mean over seeds, thin the single seeds."""
    names = list(dict.fromkeys(name for history in histories for name in history.figures))
    figure, grid = panels(len(names), title=title)
    styles = looks((history.label for history in histories), among)
    handles = {}
    for axes, name in zip(grid, names, strict=True):
        curves = {
            label: [
                dict(history.figures[name])
                for history in histories
                if history.label == label and name in history.figures
            ]
            for label in styles
        }
        handles |= _curves(axes, {label: own for label, own in curves.items() if own}, styles)
        name_axes(axes, name, "epoch", "")
    legend(figure, {label: handles[label] for label in styles if label in handles}, {})
    return figure


def _curves(
    axes: Axes,
    curves: Mapping[Label, Sequence[Mapping[int, float]]],
    styles: Mapping[Label, Look],
) -> dict[Label, Line2D]:
    """The means of all rows and their seeds; a single epoch's stand side by side."""
    epochs = sorted({epoch for own in curves.values() for curve in own for epoch in curve})
    handles = {}
    for index, (label, own) in enumerate(curves.items()):
        aside = (index + 0.5) / len(curves) - 0.5 if len(epochs) == 1 else 0.0
        for curve in own if len(own) > 1 else ():
            axes.plot(
                [epoch + aside for epoch in curve], list(curve.values()), linewidth=0.7,
                color=styles[label].colour, alpha=SEED_ALPHA,
            )  # fmt: skip
        shared = sorted(set.intersection(*map(set, own)))
        means = [float(np.mean([curve[epoch] for curve in own])) for epoch in shared]
        (handles[label],) = axes.plot(
            [epoch + aside for epoch in shared], means, linewidth=1.2,
            markevery=max(1, len(shared) // 10), **styles[label].point(MARKER_SIZE),
        )  # fmt: skip
    if len(epochs) <= MANY_EPOCHS:
        axes.xaxis.set_major_locator(FixedLocator(epochs))
    else:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=7, integer=True))
    if len(epochs) == 1:
        axes.set_xlim(epochs[0] - 0.6, epochs[0] + 0.6)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=7))
    axes.ticklabel_format(axis="y", useOffset=False)
    return handles
