"""What the runs of all protocols share: arguments of train.py, and what they leave to others."""

from collections.abc import Iterator

from protocols.cell import Cell, Plan
from protocols.methods import has_frozen_images
from protocols.places import DATA_SETS, TRAINERS
from protocols.recipes import backbone_in, recipe_for
from protocols.request import Request


def common(request: Request, dataset: str, recipe: str, seed: str) -> tuple[str, ...]:
    """The arguments that all runs have."""
    return (
        *("--root", request.data, "--seed", seed, "--trainer", request.trainer),
        *("--dataset-config-file", f"{DATA_SETS}/{dataset}.yaml"),
        *("--config-file", f"{TRAINERS}/{request.trainer}/{recipe}.yaml"),
        *(("--import", request.module) if request.module else ()),
    )


def pairs_of(request: Request, shots: str, subset: str = "") -> tuple[str, ...]:
    """The KEY VALUE pairs of a run: shots, the user's, the classes."""
    classes = ("DATASET.SUBSAMPLE_CLASSES", subset) if subset else ()
    return ("DATASET.NUM_SHOTS", shots, *request.pairs, *classes)


def chosen_recipes(
    request: Request, plan: Plan, dataset: str, shots: tuple[str, ...]
) -> Iterator[tuple[str, str]]:
    """Shots and the recipe for each; where there is none, that is noted in the plan."""
    for number in shots:
        try:
            recipe = recipe_for(
                request.trainer, request.protocol, dataset, int(number),
                named=request.recipe, strict=request.strict,
            )  # fmt: skip
        except ValueError as error:
            label = f"{request.trainer} on {dataset}, {number} shots"
            plan.refused.append((label, f"error: {error}"))
            continue
        yield number, recipe


def cell_of(
    request: Request,
    tail: str,
    dataset: str,
    argv: tuple[str, ...],
    *,
    needs: Cell | None = None,
    line: str = "",
    shares: tuple[str, ...] = (),
) -> Cell:
    """The run in a folder below the output."""
    return Cell(
        name=request.below + tail, folder=folder_of(request, tail), argv=argv,
        trainer=request.trainer, dataset=dataset, needs=(needs.name,) if needs else (),
        line=line and request.below + line, shares=shares,
    )  # fmt: skip


def folder_of(request: Request, tail: str) -> str:
    """The folder of a run."""
    return f"{request.output}/{request.below}{tail}"


def shared(
    request: Request, dataset: str, recipe: str, subset: str = "all", trained: str = ""
) -> tuple[str, ...]:
    """The features that a run makes or reads: of the images it is tested on, and is trained on.

    Args:
        request: whose run it is.
        dataset: its data set.
        recipe: names the backbone.
        subset: its classes.
        trained: shots and seed of the training; "" where there is none.
    """
    if not has_frozen_images(request.trainer):
        return ()
    pairs = dict(zip(request.pairs[::2], request.pairs[1::2], strict=True))
    backbone = pairs.get("MODEL.BACKBONE.NAME") or backbone_in(request.trainer, recipe)
    images = f"{backbone} {dataset} {subset}"
    return (images, *((f"{images} {trained}",) if trained else ()))
