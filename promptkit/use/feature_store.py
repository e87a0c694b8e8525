"""What the store of frozen features holds, and less of it.

python -m promptkit.feature_store du             # entries and bytes
python -m promptkit.feature_store prune --gb 5   # deletes the least recently used above 5 GB

Features of test images and of hand-crafted sentences stand in the folder, those of training views
in training/ below it; each of both is counted and pruned by itself.
"""

import argparse
from pathlib import Path

from promptkit.stores.feature_store import ENVIRONMENT, TRAINING, FeatureStore, default_folder


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m promptkit.feature_store", description=__doc__.splitlines()[0]
    )
    parser.add_argument(
        "command", choices=("du", "prune"), help="du: entries and bytes; prune: delete the oldest"
    )
    parser.add_argument(
        "--folder", type=Path, default=default_folder(),
        help=f"of the entries (${ENVIRONMENT}, or ~/.cache/promptkit/features)",
    )  # fmt: skip
    parser.add_argument(
        "--gb", type=float, default=0.0, help="prune to so many GB (default: 0, all is deleted)"
    )
    options = parser.parse_args(arguments)
    if not 0 <= options.gb < float("inf"):
        parser.error(f"--gb must be 0 or more; got {options.gb}")
    if options.folder != default_folder() and not options.folder.is_dir():
        parser.error(f"--folder must be a folder; there is none at {options.folder}")
    for folder in (options.folder, options.folder / TRAINING):
        store = FeatureStore(folder)
        if options.command == "prune":
            print(f"{store.prune(options.gb)} entries deleted")
        total = sum(status.st_size for _, status in store.entries())
        print(f"{len(store.entries())} entries, {total / 1e6:,.1f} MB in {folder}")
    return 0
