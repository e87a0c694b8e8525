"""Makes `dassl` this clone's engine, whichever clone the environment was set up from.

Importing this module does it. An installed `dassl` that is none of ours, upstream's, stays.
"""

import sys
from importlib import metadata
from pathlib import Path

ENGINE = Path(__file__).resolve().parent / "engine"
OURS = "+promptkit"  # in the version of every engine of ours


def use_own_engine() -> None:
    """Puts engine/ first on the path; says so where another was imported before."""
    try:
        version = metadata.version("dassl")
    except metadata.PackageNotFoundError:
        version = OURS
    if OURS not in version or str(ENGINE) in sys.path:
        return
    sys.path.insert(0, str(ENGINE))
    place = getattr(sys.modules.get("dassl"), "__file__", None)
    if place and ENGINE not in Path(place).parents:
        print(
            f"Note: dassl was imported from {place} before; {ENGINE} is not used", file=sys.stderr
        )


use_own_engine()
