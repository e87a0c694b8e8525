"""A request becomes its cells."""

from collections.abc import Iterable

from protocols import base_to_new, few_shot, transfer, zero_shot
from protocols.cell import Plan, together
from protocols.request import Request

CELLS = {
    "base2new": base_to_new.cells,
    "few_shot": few_shot.cells,
    "cross_dataset": transfer.cells,
    "domain_generalization": transfer.cells,
    "zero_shot": zero_shot.cells,
}


def plan_of(requests: Iterable[Request]) -> Plan:
    """The cells of requests; raises ValueError as `together` and `transfer.source_of`."""
    return together(CELLS[request.protocol](request) for request in requests)


def needed_data(requests: Iterable[Request]) -> tuple[str, ...]:
    """The data sets that requests need, each once."""
    names: dict[str, None] = {}
    for request in requests:
        needed = request.datasets
        if CELLS[request.protocol] is transfer.cells:
            needed = transfer.needed_data(request, transfer.cells(request))
        names |= dict.fromkeys(needed)
    return tuple(names)
