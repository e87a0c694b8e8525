"""Base-to-new: train on the first half of the classes, test on it and on the second half."""

from protocols.cell import Plan
from protocols.methods import is_zero_shot
from protocols.request import Request
from protocols.runs import cell_of, chosen_recipes, common, folder_of, pairs_of, shared


def cells(request: Request) -> Plan:
    """Two runs a seed: a training and its test on base classes, and a test on new ones."""
    plan = Plan()
    for dataset in request.datasets:
        for shots, recipe in chosen_recipes(request, plan, dataset, request.shots):
            for seed in request.seeds:
                _add(plan, request, dataset, shots, recipe, seed)
    return plan


def _add(plan: Plan, request: Request, dataset: str, shots: str, recipe: str, seed: str) -> None:
    tail = f"{dataset}/shots_{shots}/{request.trainer}/{recipe}/seed{seed}"
    zero_shot = is_zero_shot(request.trainer)  # nothing to train, so two evaluations
    first = f"base2new/{'test_base' if zero_shot else 'train_base'}/{tail}"
    folder = folder_of(request, first)
    same = common(request, dataset, recipe, seed)
    flags = ("--eval-only",) if zero_shot else ()
    base = cell_of(
        request, first, dataset,
        (*same, *flags, "--output-dir", folder, *pairs_of(request, shots, "base")),
        line=first,
        shares=shared(request, dataset, recipe, "base", "" if zero_shot else f"{shots} {seed}"),
    )  # fmt: skip
    model = () if zero_shot else ("--model-dir", folder, "--load-epoch", "final")
    last = f"base2new/test_new/{tail}"
    new = cell_of(
        request, last, dataset,
        (*same, "--eval-only", *model, "--output-dir", folder_of(request, last),
         *pairs_of(request, shots, "new")),
        needs=None if zero_shot else base, line=first,
        shares=shared(request, dataset, recipe, "new"),
    )  # fmt: skip
    plan.cells += [base, new]
