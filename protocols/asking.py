"""What a command line asks for: requests, and what of it cannot be met."""

import argparse
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from protocols.methods import groups
from protocols.places import refuse_twice
from protocols.request import Request, requested

COMPARED = ("base2new", "few_shot")


@dataclass
class Asked:
    """Requests of a command.

    Attributes:
        requests: of it.
        output: folder of all its results.
        refused: methods that cannot be taken, and why; the others are carried out.
        table: arguments of `python -m reports` for the table; "" where there are several.
        has_logs: each method's output goes into <output>/<method>.log.
    """

    requests: list[Request]
    output: str
    refused: list[tuple[str, str]] = field(default_factory=list)
    table: str = ""
    has_logs: bool = False


def asked(args: argparse.Namespace, environment: Mapping[str, str] = os.environ) -> Asked:
    """What a command asks for.

    Raises:
        ValueError: it has no meaning.
        OSError: a plan cannot be read.
    """
    if args.command == "compare":
        return _compared(args.words, environment)
    request = requested(args.command, args.words, environment)
    return Asked([request], request.output, table=args.command.replace("_", "-"))


def _compared(words: list[str], environment: Mapping[str, str]) -> Asked:
    """Methods side by side on the same data, shots, seeds and backbone."""
    protocol = environment.get("PROTOCOL") or COMPARED[0]
    if protocol not in COMPARED:
        raise ValueError(f"PROTOCOL must be base2new or few_shot; got {protocol}")
    environment = {**environment, "OUTPUT": environment.get("OUTPUT") or "output/compare"}
    word, *trainers = words
    if len(trainers) < 2:
        group = trainers[0] if trainers else "prompts"
        trainers = list(groups(protocol).get(group, trainers))
    refuse_twice("each trainer", trainers, "be named once")
    found = Asked([], environment["OUTPUT"], has_logs=True)
    requested(protocol, [trainers[0] if trainers[0] in groups(protocol)["all"] else "CoOp", word],
              environment)  # fmt: skip
    for trainer in trainers:
        try:
            found.requests.append(requested(protocol, [trainer, word], environment))
        except ValueError as error:
            found.refused.append((trainer, f"error: {error}"))
    return found
