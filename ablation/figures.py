"""Pictures of docs/e2mim.md: where text features go, and what the estimate says of new classes."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ablation.candidates import CHOICES, PUBLISHED, VARIED, Candidate
from ablation.data import Place
from ablation.plan import TEST_SEEDS, VARIED_SEEDS, VARIED_SETS, Plan
from ablation.runs import HALVES, Bench, Cell
from whole_files import replacing

GEOMETRY_SET = "dtd"
LABELLED = ("alpha 0, beta 0", "agreement 8", "mixup classified", "bound jsd", "beta 4", "alpha 4",
            "temperature 0.01")  # fmt: skip


def _drawing():
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot


def of_geometry(plan: Plan) -> tuple[Candidate, ...]:
    """KgCoOp, CoOp of E2MIM's epochs, E2MIM's default and what was chosen of it."""
    kgcoop = next(x for x in CHOICES["KgCoOp"] if x.label == PUBLISHED["KgCoOp"])
    coop = next(x for x in CHOICES["CoOp"] if x.label == "50 epochs")
    return tuple(dict.fromkeys((coop, kgcoop, CHOICES["E2MIM"][0], plan.chosen("E2MIM"))))


def trained_features(plan: Plan, path: Path) -> dict[str, np.ndarray]:
    """Soft features of base and new classes by candidate, hand-crafted ones, and class means.

    They are trained where `path` does not hold them yet.
    """
    names = [f"{each.name} base" for each in of_geometry(plan)]
    if not (path.is_file() and set(names) <= set(np.load(path).files)):
        place = Place("test", f"woven_{GEOMETRY_SET}", plan.root, plan.work)
        found: dict[str, Tensor] = {}
        with tempfile.TemporaryDirectory() as folder:
            bench = Bench(place, folder)
            for half in HALVES:
                images, labels = bench.images[half]
                sums = torch.zeros_like(bench.hand[half]).index_add_(0, labels, images)
                found[f"hand {half}"] = bench.hand[half]
                found[f"images {half}"] = F.normalize(sums, dim=-1)
            cells = [Cell(place, each, TEST_SEEDS[0]) for each in of_geometry(plan)]
            for cell, trainer in bench.trained(cells):
                for half in HALVES:
                    found[f"{cell.candidate.name} {half}"] = bench.class_features(trainer, half)
        with replacing(path) as partial, partial.open("wb") as file:
            np.savez(file, **{name: value.numpy() for name, value in found.items()})
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


def plane(features: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Onto the first two principal directions of features [N, E]."""
    mean = features.mean(0)
    _, _, directions = np.linalg.svd(features - mean, full_matrices=False)
    return lambda points: (points - mean) @ directions[:2].T


def draw_geometry(plan: Plan, features: dict[str, np.ndarray], path: Path) -> None:
    """Hand-crafted features and where each method took them, a panel each, one plane for all."""
    pyplot = _drawing()
    candidates = of_geometry(plan)
    every = [value for name, value in features.items() if not name.startswith("images")]
    onto = plane(np.concatenate(every))
    figure, panels = pyplot.subplots(
        1, len(candidates), figsize=(4 * len(candidates), 4.2), sharex=True, sharey=True,
        constrained_layout=True,
    )  # fmt: skip
    for axes, each in zip(panels, candidates, strict=True):
        for half, colour in zip(HALVES, ("tab:blue", "tab:orange"), strict=True):
            hand, soft = (onto(features[f"{name} {half}"]) for name in ("hand", each.name))
            axes.quiver(*hand.T, *(soft - hand).T, angles="xy", scale_units="xy", scale=1,
                        color=colour, alpha=0.4, width=0.004)  # fmt: skip
            axes.scatter(*hand.T, s=14, facecolors="none", edgecolors=colour,
                         label=f"hand-crafted, {half}")  # fmt: skip
            axes.scatter(*soft.T, s=14, color=colour, label=f"soft, {half}")
        middle = _virtual(features[f"{each.name} base"])
        axes.scatter(*onto(middle).T, s=6, color="black", marker="x", label="virtual, of two base")
        axes.set_title(each.name, fontsize=9)
        axes.set_aspect("equal")
    panels[0].legend(fontsize=7)
    figure.savefig(path, dpi=110, metadata={"Software": None})
    pyplot.close(figure)


def _virtual(soft: np.ndarray, count: int = 40) -> np.ndarray:
    """Features of virtual classes: of random pairs, mixed half and half."""
    rng = np.random.default_rng(0)
    first, second = (rng.permutation(len(soft) * 4)[:count] % len(soft) for _ in range(2))
    mixed = soft[first] + soft[second]
    return mixed / np.linalg.norm(mixed, axis=1, keepdims=True)


def draw_estimates(plan: Plan, path: Path) -> None:
    """The estimate between the views of new names against their accuracy, a panel for each set."""
    pyplot = _drawing()
    figure, panels = pyplot.subplots(1, len(VARIED_SETS), figsize=(12, 4), constrained_layout=True)
    for d, (folder, axes) in enumerate(zip(VARIED_SETS, panels, strict=True)):
        for each in (CHOICES["E2MIM"][0], *VARIED):
            row = plan.results("choose", "woven", VARIED_SETS, each, VARIED_SEEDS)[d]
            x, y = (np.mean([r["new"][what] for r in row]) for what in ("nats", "accuracy"))
            axes.scatter(x, y, s=14, color="black")
            if each.label in LABELLED:
                axes.annotate(
                    each.label, (x, y), fontsize=7, xytext=(3, 3), textcoords="offset points"
                )
        axes.margins(x=0.2)
        axes.set(title=folder, xlabel="estimate (nats)", ylabel="pseudo-new accuracy (%)")
        axes.grid(alpha=0.25)
    figure.savefig(path, dpi=110, metadata={"Software": None})
    pyplot.close(figure)
