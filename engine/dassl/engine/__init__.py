"""Trainers."""

from dassl.engine.build import TRAINER_REGISTRY, build_trainer
from dassl.engine.trainer import SimpleNet, SimpleTrainer, TrainerBase, TrainerX, TrainerXU

__all__ = [
    "SimpleNet",
    "SimpleTrainer",
    "TRAINER_REGISTRY",
    "TrainerBase",
    "TrainerX",
    "TrainerXU",
    "build_trainer",
]
