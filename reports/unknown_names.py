"""Names that a command line gives: unknown ones are refused, and the nearest are offered."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

NEAREST = 3
SIMILAR = 0.6  # of difflib's ratio, from 0 to 1


class UnknownNameError(ValueError):
    """A name of the command line that nothing has."""


def check_name(option: str, kind: str, name: str, known: Iterable[str]) -> None:
    """Checks that `name`, a `kind` of thing that `option` takes, is one of `known`.

    Raises:
        UnknownNameError: it is not; the message holds the nearest names, and all.
    """
    known = list(dict.fromkeys(known))
    if name in known:
        return
    lower = {other.lower(): other for other in reversed(known)}
    close = difflib.get_close_matches(name.lower(), lower, n=NEAREST, cutoff=SIMILAR)
    hint = f" Did you mean {' or '.join(repr(lower[other]) for other in close)}?" if close else ""
    there = ", ".join(known) or "none"
    raise UnknownNameError(f"{option}: there is no {kind} {name!r}.{hint} There are: {there}.")
