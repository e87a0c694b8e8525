"""The trainer classes, under the module path that plugin code knows."""

from dassl.engine.base import TrainerBase
from dassl.engine.loops import TrainerX, TrainerXU
from dassl.engine.network import SimpleNet
from dassl.engine.simple import SimpleTrainer

__all__ = ["SimpleNet", "SimpleTrainer", "TrainerBase", "TrainerX", "TrainerXU"]
