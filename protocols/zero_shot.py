"""Zero-shot: CLIP with hand-crafted sentences on all classes; no training, and no seed matters."""

from protocols.cell import Plan
from protocols.request import Request
from protocols.runs import cell_of, chosen_recipes, common, folder_of, shared

SEED = "1"


def cells(request: Request) -> Plan:
    """One evaluation a data set."""
    plan = Plan()
    for dataset in request.datasets:
        for _, recipe in chosen_recipes(request, plan, dataset, request.shots[:1]):
            tail = f"{request.trainer}/{recipe}/{dataset}"
            argv = (*common(request, dataset, recipe, SEED), "--eval-only", "--output-dir",
                    folder_of(request, tail), *request.pairs)  # fmt: skip
            features = shared(request, dataset, recipe)
            plan.cells.append(cell_of(request, tail, dataset, argv, shares=features))
    return plan
