"""Learning-rate schedules, stepped once per epoch, with an optional warm-up before them."""

from collections.abc import Mapping
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, MultiStepLR, StepLR
from yacs.config import CfgNode

from dassl.utils.plain_state import (
    FROM_OBJECT,
    load_scheduler_state,
    schedule_fields,
    scheduler_state,
)

AVAI_SCHEDS = ["single_step", "multi_step", "cosine"]


class _WarmupScheduler(LRScheduler):
    """A warm-up of `warmup_epoch` epochs, then `successor`.

    The successor must be built before, on the same optimizer: that stores the base rates.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        successor: LRScheduler,
        warmup_epoch: int,
        last_epoch: int = -1,
    ) -> None:
        self.successor = successor
        self.warmup_epoch = warmup_epoch
        super().__init__(optimizer, last_epoch)

    def warmup_lr(self) -> list[float]:
        """Return the rates of epoch `last_epoch` (from 0) of the warm-up."""
        raise NotImplementedError

    def get_lr(self) -> list[float]:
        """Return the rates of the current epoch."""
        if self.last_epoch >= self.warmup_epoch:
            return self.successor.get_last_lr()
        return self.warmup_lr()

    def step(self, epoch: int | None = None) -> None:
        """Go to the next epoch."""
        if self.last_epoch < self.warmup_epoch:
            super().step(epoch)
            return
        self.successor.step(epoch)
        self._last_lr = self.successor.get_last_lr()

    def state_dict(self) -> dict[str, Any]:
        """Return plain numbers; the successor's are a dictionary of their own."""
        skipped = ("optimizer", "successor")
        state = {name: value for name, value in self.__dict__.items() if name not in skipped}
        state["successor"] = scheduler_state(self.successor)
        return state

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Load a state, also one of upstream that holds the successor as an object.

        After an upstream state the optimizer gets the schedule's last rates: upstream runs
        resumed in their life went on with a frozen rate in the optimizer.
        """
        state = dict(state_dict)
        successor = state.pop("successor")
        if isinstance(successor, LRScheduler):
            successor = schedule_fields(successor)
        super().load_state_dict(state)
        load_scheduler_state(self.successor, successor)
        if FROM_OBJECT in successor:
            for group, rate in zip(self.optimizer.param_groups, self._last_lr, strict=True):
                group["lr"] = rate


class ConstantWarmupScheduler(_WarmupScheduler):
    """Warm up at the constant rate `cons_lr`."""

    def __init__(
        self,
        optimizer: Optimizer,
        successor: LRScheduler,
        warmup_epoch: int,
        cons_lr: float,
        last_epoch: int = -1,
    ) -> None:
        self.cons_lr = cons_lr
        super().__init__(optimizer, successor, warmup_epoch, last_epoch)

    def warmup_lr(self) -> list[float]:
        """Return `cons_lr` for every group."""
        return [self.cons_lr for _ in self.base_lrs]


class LinearWarmupScheduler(_WarmupScheduler):
    """Warm up from `min_lr` in the first epoch along the line from 0 to the base rate."""

    def __init__(
        self,
        optimizer: Optimizer,
        successor: LRScheduler,
        warmup_epoch: int,
        min_lr: float,
        last_epoch: int = -1,
    ) -> None:
        self.min_lr = min_lr
        super().__init__(optimizer, successor, warmup_epoch, last_epoch)

    def warmup_lr(self) -> list[float]:
        """Return `min_lr` in the first epoch, then base * epoch / warmup_epoch."""
        if self.last_epoch == 0:
            return [self.min_lr for _ in self.base_lrs]
        return [base * self.last_epoch / self.warmup_epoch for base in self.base_lrs]


def build_lr_scheduler(optimizer: Optimizer, optim_cfg: CfgNode) -> LRScheduler:
    """Build the schedule `optim_cfg.LR_SCHEDULER`, with its warm-up if WARMUP_EPOCH > 0.

    Args:
        optimizer: its rates are the base rates.
        optim_cfg: the OPTIM node.

    Raises:
        ValueError: unknown schedule or warm-up type.
        TypeError: STEPSIZE is not what the schedule needs.
    """
    scheduler = _build_main(optimizer, optim_cfg)
    if optim_cfg.WARMUP_EPOCH <= 0:
        return scheduler
    if not optim_cfg.WARMUP_RECOUNT:
        scheduler.last_epoch = optim_cfg.WARMUP_EPOCH
    if optim_cfg.WARMUP_TYPE == "constant":
        return ConstantWarmupScheduler(
            optimizer, scheduler, optim_cfg.WARMUP_EPOCH, optim_cfg.WARMUP_CONS_LR
        )
    if optim_cfg.WARMUP_TYPE == "linear":
        return LinearWarmupScheduler(
            optimizer, scheduler, optim_cfg.WARMUP_EPOCH, optim_cfg.WARMUP_MIN_LR
        )
    raise ValueError(
        f'OPTIM.WARMUP_TYPE must be one of linear, constant; got "{optim_cfg.WARMUP_TYPE}".'
    )


def _build_main(optimizer: Optimizer, optim_cfg: CfgNode) -> LRScheduler:
    name, stepsize = optim_cfg.LR_SCHEDULER, optim_cfg.STEPSIZE
    if name not in AVAI_SCHEDS:
        raise ValueError(f"scheduler must be one of {AVAI_SCHEDS}, but got {name}")
    if name == "cosine":
        return CosineAnnealingLR(optimizer, float(optim_cfg.MAX_EPOCH))
    if name == "multi_step":
        if not isinstance(stepsize, list | tuple):
            raise TypeError(
                "OPTIM.STEPSIZE must be a list or tuple of epochs for multi_step; "
                f"got {stepsize!r} ({type(stepsize).__name__})."
            )
        return MultiStepLR(optimizer, milestones=list(stepsize), gamma=optim_cfg.GAMMA)
    if isinstance(stepsize, list | tuple):
        stepsize = stepsize[-1]
    if not isinstance(stepsize, int):
        raise TypeError(
            "OPTIM.STEPSIZE must be, or end in, an integer number of epochs for single_step; "
            f"got {stepsize!r} ({type(stepsize).__name__})."
        )
    return StepLR(
        optimizer, optim_cfg.MAX_EPOCH if stepsize <= 0 else stepsize, gamma=optim_cfg.GAMMA
    )
