"""Averages over data sets: what they are called, and what is said of what is not in them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

AVERAGE = "Average"
MANY_NAMES = 4  # more are counted


def title_of(count: int) -> str:
    """What an average over data sets is called."""
    return f"{AVERAGE} over {count} data sets"


def note_on_average(count: int, absent: Mapping[str, Mapping[int, Sequence[str]]]) -> list[str]:
    """At most one note: that there is no average, or which rows and seeds are not in it.

    Args:
        count: how many data sets it is over.
        absent: {row: {seed: data sets on which it has no result}}.
    """
    title = title_of(count)
    used = {
        row: [seed for seed, lacking in by_seed.items() if not lacking]
        for row, by_seed in absent.items()
    }
    if not any(used.values()):
        return [f"No {title.lower()}: no row has a seed with results on all of them."]
    parts, without = [], defaultdict(list)
    for row, by_seed in absent.items():
        lacking = {seed: tuple(names) for seed, names in by_seed.items() if names}
        if used[row] and lacking:
            parts.append(f"{row} over {_seeds(used[row])} only ({_reason(lacking, count)})")
        elif lacking:
            kinds = set(lacking.values())
            same = _absence(next(iter(kinds)), count) if len(kinds) == 1 else ""
            without[same or _reason(lacking, count)].append(row)
    parts += [f"without {', '.join(rows)} ({reason})" for reason, rows in without.items()]
    return [f"{title}: {'; '.join(parts)}."] if parts else []


def _reason(lacking: Mapping[int, tuple[str, ...]], count: int) -> str:
    """What each seed lacks, said once where it is the same."""
    seeds = defaultdict(list)
    for seed, names in lacking.items():
        seeds[names].append(seed)
    return "; ".join(f"{_seeds(group)}: {_absence(names, count)}" for names, group in seeds.items())


def _absence(names: Sequence[str], count: int) -> str:
    few = len(names) <= MANY_NAMES
    return "no result on " + (", ".join(names) if few else f"{len(names)} of the {count}")


def _seeds(seeds: Sequence[int]) -> str:
    return f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"
