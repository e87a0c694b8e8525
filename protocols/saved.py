"""Lists of cells in `<output>/.protocols/`: what was asked for there, so that it can be shown."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

from protocols.cell import Cell, Plan, cell_from, together
from whole_files import replacing

FOLDER = ".protocols"


def save(plan: Plan, output: str) -> Path:
    """Writes the cells; a list has a file of its own, since arrays of Slurm may still read it."""
    text = json.dumps([asdict(cell) for cell in plan.cells])
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    path = Path(output, FOLDER, f"{digest}.json")
    with replacing(path) as partial:
        partial.write_text(text)
    return path


def load(path: str | Path) -> list[Cell]:
    """The cells of a file.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no such list.
    """
    try:
        return [cell_from(content) for content in json.loads(Path(path).read_text())]
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path} is no list of cells: {error}. Delete it.") from error


def load_all(output: str) -> Plan:
    """All cells that were asked for with an output folder; the last request of a folder counts."""
    paths = sorted(Path(output, FOLDER).glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
    last = {cell.name: cell for path in paths for cell in load(path)}
    return together([Plan(list(last.values()))])
