"""The recipes and the published numbers that come with promptkit, in a clone or installed.

python -m promptkit.recipes                        # all paths, and where the numbers are
python -m promptkit.recipes E2MIM                  # those of one trainer
python -m promptkit.recipes E2MIM vit_b16_ctxv1    # one, for --config-file
"""

import argparse
import sys
from pathlib import Path

from promptkit.clone import HOME, IS_CLONE
from promptkit.did_you_mean import did_you_mean

HERE = Path(__file__).resolve().parent
RECIPES = HOME / "configs/trainers" if IS_CLONE else HERE / "recipe_files"  # <Trainer>/<name>.yaml
PUBLISHED = HOME / "reports/published/numbers" if IS_CLONE else HERE / "published"  # csv files


def recipes(trainer: str = "", name: str = "") -> list[Path]:
    """The config files of all trainers, of one, or the one of a name.

    Raises:
        ValueError: there is none; the message names those that there are.
    """
    every = sorted(RECIPES.glob("*/*.yaml"))
    own = [path for path in every if trainer in ("", path.parent.name)]
    found = [path for path in own if name in ("", path.stem)]
    if found:
        return found
    of_trainer = [path.stem for path in own]
    known = of_trainer or sorted({path.parent.name for path in every})
    kind, got = (f"recipe of {trainer}", name) if of_trainer else ("trainer", trainer)
    hint = did_you_mean(got, known)
    raise ValueError(f"The {kind} must be one of {', '.join(known)}; got '{got}'.{hint}")


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m promptkit.recipes", description="Print the paths of config files."
    )
    parser.add_argument("trainer", nargs="?", default="", help="by default all")
    parser.add_argument("name", nargs="?", default="", help="of the recipe, by default all")
    options = parser.parse_args(arguments)
    try:
        print(*recipes(options.trainer, options.name), sep="\n")
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if not options.trainer:
        print(f"Published numbers: {PUBLISHED}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
