"""Which GPUs there are for workers, and the one that GPU names."""

import re
import subprocess
import sys
from collections.abc import Mapping, MutableMapping
from itertools import takewhile

VISIBLE = "CUDA_VISIBLE_DEVICES"
OTHERWISE = "Without GPU the first is taken, or the CPU."
WORDS = "GPU must be the number of one GPU, counted from 0"
NAMES = ("GPU-", "MIG-")  # other forms are CUDA's


def choose(environment: MutableMapping[str, str], *, is_dry: bool) -> None:
    """Lets workers see the GPU of the number $GPU alone, if it is given.

    Raises:
        ValueError: there is none of this number; what is only printed is not looked for.
    """
    name = environment.get("GPU", "")
    if not name:
        return
    if not name.startswith(NAMES):
        if not re.fullmatch(r"[0-9]+", name):
            raise ValueError(f"{WORDS}; got GPU='{name}'. {OTHERWISE}")
        if not is_dry and int(name) >= (count := len(_listed(environment) or _torchs())):
            raise ValueError(f"{WORDS}, and there are {count}; got GPU='{name}'. {OTHERWISE}")
    environment[VISIBLE] = name


def visible(environment: Mapping[str, str]) -> list[str]:
    """The GPUs that workers may be given, as CUDA_VISIBLE_DEVICES names them; [] on a CPU."""
    if VISIBLE in environment:
        names = (name for name in environment[VISIBLE].split(",") if name.strip())
        # As CUDA reads it: nothing from the first negative number on.
        return list(takewhile(lambda name: not name.strip().startswith("-"), names))
    return _listed(environment)


def _listed(environment: Mapping[str, str]) -> list[str]:
    """The numbers of the GPUs that the driver's own program lists."""
    try:
        command = ["nvidia-smi", "-L"]
        done = subprocess.run(command, capture_output=True, text=True, env=dict(environment))
    except OSError:  # no such program
        return []
    lines = [line for line in done.stdout.splitlines() if line.startswith("GPU ")]
    return [str(number) for number in range(len(lines))]


def _torchs() -> list[str]:
    """The same by PyTorch, in a process of its own: it takes seconds."""
    code = "import torch; print(torch.cuda.device_count())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    return [str(number) for number in range(int(done.stdout or 0))]
