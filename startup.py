"""What has to happen before torch and `dassl` are imported; importing this module does it.

It is of a clone: where promptkit is installed, both are left to the user.

- `dassl` is this clone's engine, whichever clone the environment was set up from. An installed
  `dassl` that is none of ours, upstream's, stays.
- Threads that wait for each other soon sleep. torch's spin long by default, which on a busy machine
  takes the very core that the thread they wait for needs: docs/performance.md has figures.
- A command, `python -m promptkit.predict`, says that it starts: the imports take seconds. From then
  on signals, a closed pipe and a full disk end it as ending.py says.
"""

import os
import sys
from importlib import metadata
from pathlib import Path

import ending

ENGINE = Path(__file__).resolve().parent / "engine"
OURS = "+promptkit"  # in the version of every engine of ours
WAIT = "OMP_WAIT_POLICY"  # of OpenMP, which torch computes with on a CPU: PASSIVE or ACTIVE
SPINS = "GOMP_SPINCOUNT"  # of GNU's OpenMP, before a thread sleeps: goes before the policy there
FEW_SPINS = "1000"  # some microseconds: on an idle machine as fast as spinning on


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


def wait_passively() -> None:
    """Sets what OpenMP reads when torch loads it, unless the user set something of it."""
    if WAIT not in os.environ and SPINS not in os.environ:
        os.environ[WAIT], os.environ[SPINS] = "PASSIVE", FEW_SPINS


def say_that_it_starts() -> None:
    """Prints a command's name on stderr, while it is the one that Python was called for."""
    if ending.is_being_started():
        name = sys.orig_argv[sys.orig_argv.index("-m") + 1]
        print(f"{name} starts ...", file=sys.stderr, flush=True)
        ending.watch()


say_that_it_starts()
use_own_engine()
wait_passively()
