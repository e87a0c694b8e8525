"""What a command line asks for: requests, and what of it cannot be met."""

import argparse
import os
from collections.abc import Mapping

from protocols.asked import Asked
from protocols.methods import groups
from protocols.places import refuse_twice
from protocols.request import requested

COMPARED = ("base2new", "few_shot")


def asked(args: argparse.Namespace, environment: Mapping[str, str] = os.environ) -> Asked:
    """What a command asks for.

    Raises:
        ValueError: it has no meaning.
        OSError: a plan cannot be read.
    """
    if args.command in ("run", "status", "estimate"):
        from protocols.plan_file import read_plan  # needs yaml

        return read_plan(args.plan, environment)
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
