"""A finished run opened for use, without its data set."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from yacs.config import CfgNode

from dassl.config import get_cfg_default
from dassl.data.datasets import DATASET_REGISTRY
from dassl.engine import TRAINER_REGISTRY
from promptkit import manifest
from promptkit.config import default_node
from promptkit.plan import FINAL, resolve_epoch
from promptkit.trainer import PromptTrainer


def open_run(folder: str | Path, classnames: list[str] | None = None) -> PromptTrainer:
    """The tuned model of a run folder, in evaluation mode.

    Args:
        folder: a run of train.py with its result.json.
        classnames: classes to tell apart, by default those the run was tested on.

    Raises:
        FileNotFoundError: the folder holds no finished run, or no checkpoint.
        ValueError: the trainer is not built on promptkit, or what it trained belongs to other
            classes.
    """
    result = manifest.read_json(Path(folder) / manifest.RESULT)
    if result is None:
        raise FileNotFoundError(
            f"{folder} holds no finished run: there is no {manifest.RESULT} in it. Give the folder "
            "that train.py printed behind its result."
        )
    for package in ("trainers", "datasets"):  # registers what is in them
        importlib.import_module(package)
    trainer_class = TRAINER_REGISTRY.get(result["trainer"])
    if not issubclass(trainer_class, PromptTrainer):
        raise ValueError(f"{folder} is a run of {result['trainer']}, which promptkit cannot open.")
    cfg = CfgNode(result["config"])
    defaults = get_cfg_default()
    defaults.TRAINER[result["trainer"].upper()] = default_node(trainer_class.Config)
    _fill(cfg, defaults)
    cfg.freeze()
    names = classnames or [entry["name"] for entry in result["per_class"]]
    opened = type(trainer_class.__name__, (trainer_class,), {"build_data_loader": _no_data(names)})
    with contextlib.redirect_stdout(io.StringIO()):
        trainer = opened(cfg)
        if trainer.get_model_names():
            where = argparse.Namespace(model_dir=str(folder), load_epoch=FINAL)
            if result["eval_only"]:
                where.model_dir = result["checkpoint"]["model_dir"]
                where.load_epoch = result["checkpoint"]["epoch"]
            resolve_epoch(where)
            trainer.load_model(where.model_dir, epoch=where.load_epoch)
    trainer.set_model_mode("eval")
    return trainer


def _fill(node: CfgNode, defaults: CfgNode) -> None:
    """Adds the keys that are younger than the run."""
    for key, value in defaults.items():
        if isinstance(value, CfgNode):
            _fill(node.setdefault(key, CfgNode()), value)
        else:
            node.setdefault(key, value)


def _no_data(classnames: list[str]) -> Any:
    """In place of `build_data_loader`: class names and hand-crafted sentence, and no images."""

    def build_data_loader(trainer: PromptTrainer) -> None:
        kind = DATASET_REGISTRY.get(trainer.cfg.DATASET.NAME)
        members = {"__init__": lambda self: None, "classnames": classnames}
        dataset = type(kind.__name__, (kind,), members)()
        trainer.dm = SimpleNamespace(dataset=dataset)
        trainer.num_classes = len(classnames)
        trainer.lab2cname = dict(enumerate(classnames))
        trainer.train_loader_x = trainer.val_loader = trainer.test_loader = None

    return build_data_loader
