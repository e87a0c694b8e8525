"""What was asked for, read from a command line or a plan."""

from dataclasses import dataclass, field

from protocols.request import Request


@dataclass
class Asked:
    """Requests of a command.

    Attributes:
        requests: of it.
        output: folder of all its results.
        refused: methods that cannot be taken, and why; the others are carried out.
        table: arguments of `python -m reports` for the table; "" where there are several.
        notes: what of it has no effect, in words.
        has_logs: each method's output goes into <output>/<method>.log.
    """

    requests: list[Request]
    output: str
    refused: list[tuple[str, str]] = field(default_factory=list)
    table: str = ""
    notes: list[str] = field(default_factory=list)
    has_logs: bool = False
