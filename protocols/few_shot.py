"""Few-shot: train and test on all classes, with 1, 2, 4, 8 and 16 images a class."""

from protocols.cell import Plan
from protocols.recipes import value_in
from protocols.request import Request
from protocols.runs import cell_of, chosen_recipes, common, folder_of, pairs_of, shared

NAMED_BY_CONTEXT = ("CoOp", "ProGrad")  # their scripts name the folder by it


def cells(request: Request) -> Plan:
    """One run a number of shots and seed."""
    plan = Plan()
    for dataset in request.datasets:
        for shots, recipe in chosen_recipes(request, plan, dataset, request.shots):
            context = _context(request, recipe)
            for seed in request.seeds:
                tail = f"{dataset}/{request.trainer}/{recipe}_{shots}shots{context}/seed{seed}"
                argv = (*common(request, dataset, recipe, seed), "--output-dir",
                        folder_of(request, tail), *pairs_of(request, shots))  # fmt: skip
                features = shared(request, dataset, recipe, "all", f"{shots} {seed}")
                plan.cells.append(cell_of(request, tail, dataset, argv, shares=features))
    return plan


def _context(request: Request, recipe: str) -> str:
    if request.trainer not in NAMED_BY_CONTEXT:
        return ""
    tokens = _option(request, recipe, "N_CTX", "16")
    own = _option(request, recipe, "CSC", "False")
    place = _option(request, recipe, "CLASS_TOKEN_POSITION", "end")
    return f"/nctx{tokens}_csc{own}_ctp{place}"


def _option(request: Request, recipe: str, key: str, default: str) -> str:
    """Its value in the KEY VALUE pairs, else in the recipe."""
    value = value_in(request.trainer, recipe, key)
    for name, given in zip(request.pairs[::2], request.pairs[1::2], strict=True):
        if name.endswith(f".{key}"):
            value = given
    return value or default
