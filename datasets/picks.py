"""Few-shot picks as lines: `python -m datasets.picks FOLDER`.

For each `split_fewshot/shot_K-seed_S.json` below FOLDER it writes the two .jsonl files that the
code of arXiv:2503.11609 reads, so that both train on the same images. Theirs need no command: a run
reads them where they lie.
"""

import argparse
import sys
from pathlib import Path

from datasets.kept_picks import write_json_lines


def main(argv: list[str] | None = None) -> int:
    """0: written; 1: there are no picks, or some cannot be read."""
    parser = argparse.ArgumentParser(
        prog="python -m datasets.picks", description=__doc__.splitlines()[0]
    )
    parser.add_argument("folder", type=Path, help="of one data set, or of all")
    folder = parser.parse_args(argv).folder
    found = sorted(folder.rglob("split_fewshot/shot_*.json"))
    try:
        for path in found:
            print(write_json_lines(str(path)))
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if not found:
        print(f"error: no split_fewshot/shot_K-seed_S.json below {folder}", file=sys.stderr)
    return 0 if found else 1


if __name__ == "__main__":
    sys.exit(main())
