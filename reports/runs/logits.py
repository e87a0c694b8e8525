"""The logits that a run kept, checked against its result."""

from __future__ import annotations

from pathlib import Path

from reports.runs.run import Run
from run_files import LOGITS
from run_files.logits import Logits, content_hash, from_bytes


def logits_of(folder: Path, run: Run) -> Logits:
    """What a run below `folder` kept of its test.

    Raises:
        OSError: there is no file, or it cannot be read.
        ValueError: it is damaged, or of another run than the result beside it.
    """
    logits = from_bytes((folder / run.path).with_name(LOGITS).read_bytes())
    if content_hash(logits) != run.logits:
        raise ValueError(
            "its content is not that which result.json says: delete both and run it again"
        )
    return logits
