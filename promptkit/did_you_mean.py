"""What a misspelt name may have meant. Standard library only."""

import difflib
from collections.abc import Iterable


def did_you_mean(name: str, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    """A sentence with a blank before it that names the nearest; "" where none is near.

    Args:
        name: as it was given; its case does not count.
        known: the right names.
        cutoff: how near, from 0 to 1.
    """
    by_lower = {right.lower(): right for right in known}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=cutoff)
    return f" Did you mean '{by_lower[close[0]]}'?" if close else ""
