"""Train on all classes of one data set, test on others: cross-dataset, domain generalisation.

Both protocols write into the same folders and so share what was trained.
"""

from pathlib import Path

from protocols.cell import Plan
from protocols.data_sets import source_for
from protocols.methods import is_zero_shot
from protocols.places import DATA_SETS, names_in, refuse_path
from protocols.request import Request
from protocols.runs import cell_of, chosen_recipes, common, folder_of, pairs_of, shared
from run_files import RESULT


def source_of(request: Request) -> str:
    """What is trained on.

    Raises:
        ValueError: the one that was named has no yaml.
    """
    source = request.source or source_for(request.datasets[0])
    refuse_path("SOURCE", source)
    if source not in names_in(DATA_SETS):
        raise ValueError(f"SOURCE: there is no {DATA_SETS}/{source}.yaml")
    return source


def cells(request: Request) -> Plan:
    """A training a seed, and a test of it on each data set."""
    plan, source = Plan(), source_of(request)
    for shots, recipe in chosen_recipes(request, plan, source, request.shots):
        name = f"{request.trainer}/{recipe}_{shots}shots"
        for seed in request.seeds:
            trained, model = None, ()
            pairs = pairs_of(request, shots)
            if not is_zero_shot(request.trainer):
                tail = f"{source}/{name}/seed{seed}"
                folder = folder_of(request, tail)
                argv = (*common(request, source, recipe, seed), "--output-dir", folder, *pairs)
                features = shared(request, source, recipe, "all", f"{shots} {seed}")
                trained = cell_of(request, tail, source, argv, shares=features)
                plan.cells.append(trained)
                model = ("--model-dir", folder, "--load-epoch", "final")
            for dataset in request.datasets:
                tail = f"evaluation/{request.trainer}/{recipe}_{shots}shots/{dataset}/seed{seed}"
                argv = (*common(request, dataset, recipe, seed), "--eval-only", *model,
                        "--output-dir", folder_of(request, tail), *pairs)  # fmt: skip
                plan.cells.append(
                    cell_of(request, tail, dataset, argv, needs=trained,
                            shares=shared(request, dataset, recipe))
                )  # fmt: skip
    return plan


def needed_data(request: Request, plan: Plan) -> tuple[str, ...]:
    """The data sets that have to be there: the source only where it has yet to be trained on."""
    source = source_of(request)
    trainings = [cell for cell in plan.cells if "--eval-only" not in cell.argv]
    is_left = any(not Path(cell.folder, RESULT).is_file() for cell in trainings)
    is_left |= bool(plan.refused) and not is_zero_shot(request.trainer)
    return (*((source,) if is_left else ()), *request.datasets)
