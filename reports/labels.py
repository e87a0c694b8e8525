"""Names of rows: the trainer, and of what else decides a result whatever tells rows apart."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable

from reports.collect import Method

MANY_SETTINGS = 3  # of more differences the first are named


def labels(methods: Iterable[Method]) -> dict[Method, str]:
    """A name for each method, in the order of rows; recipe, shots ... only where they differ."""
    by_trainer: dict[str, list[Method]] = defaultdict(list)
    for method in sorted(set(methods)):
        by_trainer[method.trainer].append(method)
    return {
        method: trainer + _details(method, siblings)
        for trainer, siblings in sorted(by_trainer.items(), key=lambda item: trainer_order(item[0]))
        for method in siblings
    }


def _details(method: Method, siblings: list[Method]) -> str:
    def differs(name: str, among: list[Method]) -> bool:
        return len({getattr(other, name) for other in among}) > 1

    details = [method.recipe or "no recipe"] if differs("recipe", siblings) else []
    details += [plural_shots(method.shots)] if differs("shots", siblings) else []
    # Another recipe has other settings, and its name says so.
    alike = [x for x in siblings if (x.recipe, x.shots) == (method.recipe, method.shots)]
    if differs("settings", alike):
        details.append(_settings(method, alike))
    if differs("commit", alike):
        details.append(f"commit {method.commit or 'unknown'}")
    return f" ({', '.join(details)})" if details else ""


def _settings(method: Method, siblings: list[Method]) -> str:
    every = [dict(other.settings) for other in siblings]
    own = dict(method.settings)
    keys = sorted({key for settings in every for key in settings})
    keys = [key for key in keys if len({settings.get(key) for settings in every}) > 1]
    words = [f"{key.removeprefix('TRAINER.')} {own.get(key, 'absent')}" for key in keys]
    if len(words) > MANY_SETTINGS:
        digest = hashlib.sha256(repr(method.settings).encode()).hexdigest()[:6]
        words[MANY_SETTINGS:] = [f"{len(words) - MANY_SETTINGS} more: {digest}"]
    return ", ".join(words)


def plural_shots(count: int) -> str:
    """1 shot, 2 shots; all images where the number is not limited (-1)."""
    return "all images" if count < 1 else f"{count} shot{'s' * (count > 1)}"


def trainer_order(name: str) -> tuple[int, str, str]:
    """A key to sort by: zero-shot first, then CoOp, then the others by name."""
    trainer = name.split(" ")[0]
    zero_shot = trainer.startswith("Zeroshot") or trainer == "CLIP"
    rank = 0 if zero_shot else 1 if trainer == "CoOp" else 2
    return rank, name.lower(), name
