"""What the stages of a training share: the schedule, the log, the resume point."""

import argparse
import json
import math
import os
import platform
import time
from pathlib import Path

import torch
from torch import Tensor, nn

from whole_files import replacing

SAVE_EVERY = 200  # steps


def learning_rate(step: int, steps: int, peak: float, restart: int = 0) -> float:
    """Linear warm-up over 5 % of the steps, then a cosine to zero.

    With `restart`, that is done twice: up to that step, and after it with half the peak.
    """
    if restart:
        if step >= restart:
            return learning_rate(step - restart, steps - restart, peak / 2)
        steps = restart
    warmup = max(1, steps // 20)
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


class Log:
    """Appends one json line per interval to a file that the model card draws its curves from."""

    def __init__(self, path: Path, every: int = 50) -> None:
        self.path, self.every, self.sums, self.count = path, every, {}, 0

    def add(self, step: int, **values: float) -> None:
        """Collects values; writes their means every `every` steps."""
        self.count += 1
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0.0) + float(value)
        if (step + 1) % self.every == 0:
            means = {name: round(total / self.count, 5) for name, total in self.sums.items()}
            with self.path.open("a") as file:
                file.write(json.dumps({"step": step + 1, "time": round(time.time())} | means))
                file.write("\n")
            self.sums, self.count = {}, 0


class ResumePoint:
    """A file with a stage's modules, optimiser and step; it belongs to one set of figures.

    Args:
        path: the file.
        args: the command line.
        figures: beginnings of the names of the arguments that decide what the stage makes.
        parts: what has a state dict.

    Raises:
        ValueError: the file was written by a training with other figures.
    """

    def __init__(
        self, path: Path, args: argparse.Namespace, figures: tuple[str, ...], **parts
    ) -> None:
        self.path, self.parts, self.step = path, parts, 0
        self.figures = {k: v for k, v in vars(args).items() if k.startswith(figures)}
        if not path.exists():
            return
        state = torch.load(path, map_location=args.device, weights_only=True)
        if state["figures"] != self.figures:
            raise ValueError(
                f"{path} belongs to a training with {state['figures']}; this one has "
                f"{self.figures}. Choose another --work folder, or delete it."
            )
        for name, part in parts.items():
            part.load_state_dict(state[name])
        self.step = state["step"]

    def save(self, step: int, steps: int) -> None:
        """Writes the file after `step` of `steps`, if it is time to."""
        if step % SAVE_EVERY and step != steps:
            return
        state = {name: part.state_dict() for name, part in self.parts.items()}
        with replacing(self.path) as partial:
            torch.save(state | {"step": step, "figures": self.figures}, partial)


def take_step(optimizer: torch.optim.Optimizer, loss: Tensor, rate: float) -> None:
    """One step down the loss at a learning rate, with the gradient's norm cut to 1."""
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.zero_grad()
    loss.backward()
    trained = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    nn.utils.clip_grad_norm_(trained, 1.0)
    optimizer.step()


def record_of(args: argparse.Namespace, stages: tuple[str, ...], **more: object) -> dict:
    """How weights were made: arguments, machine, what else is given, curves of the stages."""
    left_out = ("out", "work", "stage")
    record = {
        "arguments": {key: value for key, value in vars(args).items() if key not in left_out},
        "machine": {
            "device": args.device,
            "processors": os.cpu_count(),
            "python": platform.python_version(),
            "torch": torch.__version__,
        },
        **more,
    }
    for stage in stages:
        lines = map(json.loads, (args.work / f"{stage}.jsonl").read_text().splitlines())
        # Steps between the last save and a kill were done twice.
        record[stage] = list({line["step"]: line for line in lines}.values())
    return record
