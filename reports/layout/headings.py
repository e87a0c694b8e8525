"""Titles of tables and panels: what they are of, and with which backbone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

DIGITS = 8  # of a checksum


def headings(blocks: Sequence[tuple[str, str, str]], more: Sequence[str] = ()) -> list[str]:
    """`name (backbone)`, with the first digits of the weights' checksum where they differ.

    Args:
        blocks: (name, backbone, checksum of the weights).
        more: something to add behind the backbone of each, or nothing.
    """
    weights = defaultdict(set)
    for _, backbone, checksum in blocks:
        weights[backbone].add(checksum)
    found = []
    for index, (name, backbone, checksum) in enumerate(blocks):
        several = len(weights[backbone]) > 1
        parts = [backbone, f"weights {checksum[:DIGITS] or 'not recorded'}" if several else ""]
        parts += more[index : index + 1]
        found.append(f"{name} ({', '.join(filter(None, parts))})")
    return found
