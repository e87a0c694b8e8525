"""What was tuned opened for use: a finished run, or a checkpoint with the settings of its training.

With class names alone no data set is needed.
"""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from yacs.config import CfgNode

from dassl.config import get_cfg_default
from dassl.engine import TRAINER_REGISTRY
from promptkit import plugin
from promptkit.runs import manifest, merged_config
from promptkit.runs.arguments import parse_args
from promptkit.runs.engine_merging import merge_opts
from promptkit.runs.environment import PROJECT
from promptkit.runs.imported_modules import import_modules
from promptkit.runs.model_files import FINAL, chosen_epoch
from promptkit.trainer import PromptTrainer
from run_files.checks import read
from run_files.result import Result

# Of settings: values of one tuple's types stand for each other. A truth value is a number, too.
KINDS = ((CfgNode,), (bool,), (int, float), (list, tuple), (str,))


def open_run(
    folder: str | Path,
    classnames: list[str] | None = None,
    *,
    epoch: int | str | None = FINAL,
    pairs: Sequence[str] = (),
    with_data: bool = False,
) -> PromptTrainer:
    """The tuned model of a run folder, in evaluation mode.

    Args:
        folder: a run of train.py with its result.json.
        classnames: classes to tell apart, by default those the run was tested on.
        epoch: of the checkpoint; None is the best on validation, "final" what the run tested with.
        pairs: KEY VALUE pairs that differ from the run's.
        with_data: also opens the data set, whose classes then count.

    Raises:
        FileNotFoundError: the folder holds no finished run, or no checkpoint.
        ValueError: its result.json is damaged, the trainer is not built on promptkit, what it
            trained belongs to other classes, or a module that the run imported is not found.
    """
    result = recorded_result(folder)
    if result is None:
        raise FileNotFoundError(
            f"{folder} holds no finished run: there is no {manifest.RESULT} in it. Give the folder "
            "that train.py printed behind its result. A checkpoint without one opens with the "
            "settings of its training: --trainer, --config-file and --classes."
        )
    _register(result, folder)
    cfg = CfgNode(result["config"])
    try:
        _fill(cfg, result["trainer"])
    except ValueError as error:
        raise ValueError(f"{Path(folder) / manifest.RESULT}: {error}") from error
    merge_opts(cfg, list(pairs))
    cfg.freeze()
    model_dir = str(folder)
    if result["eval_only"] and result["checkpoint"]:
        model_dir = result["checkpoint"]["model_dir"]
        epoch = result["checkpoint"]["epoch"] if epoch == FINAL else epoch
    names = classnames or [entry["name"] for entry in result["per_class"]]
    return _open(cfg, model_dir, epoch, None if with_data else names)


def open_checkpoint(
    folder: str | Path,
    cfg: CfgNode,
    classnames: list[str],
    *,
    epoch: int | str | None = FINAL,
    with_data: bool = False,
) -> PromptTrainer:
    """As `open_run`, of a folder in the layout of the published code, trained with settings `cfg`.

    Raises:
        FileNotFoundError: there is no checkpoint.
        ValueError: the folder is not the run's, or checkpoint and settings do not fit.
    """
    path = Path(folder)
    inside = path if path.is_dir() else path.parent
    if any(inside.glob("model*.pth.tar*")):
        raise ValueError(
            f"{folder} is no run folder, it is inside of one. Give {inside.parent}, which holds "
            f"{inside.name}/, and --load-epoch if there are several."
        )
    return _open(cfg, str(folder), epoch, None if with_data else classnames)


def recorded_result(folder: str | Path) -> dict[str, Any] | None:
    """What a finished run says of itself; None where the folder holds none.

    Raises:
        ValueError: the file is not of its schema, or does not say settings and classes.
    """
    path = Path(folder) / manifest.RESULT
    if not path.is_file():
        return None
    try:
        result = msgspec.to_builtins(read(path.read_text(encoding="utf-8"), Result))
        missing = [name for name in ("config", "per_class") if not result[name]]
        if missing:
            raise ValueError(f"{missing[0]} is missing")
    except ValueError as error:
        raise ValueError(
            f"{path} is no result that a run can be opened by: {error}. Carry out the run again, "
            "or take the file away and say its settings (--trainer, --config-file, --classes)."
        ) from error
    return result


def has_a_text_feature_per_class(trainer: PromptTrainer) -> bool:
    """Whether its classifier is one text feature a class, the same for all images."""
    return type(trainer).model_inference is PromptTrainer.model_inference


def logit_bias(trainer: PromptTrainer) -> dict[str, str]:
    """The backbone's, as metadata; empty where it has none."""
    return {} if trainer.logit_bias is None else {"logit_bias": repr(trainer.logit_bias.item())}


def _register(result: dict[str, Any], folder: str | Path) -> None:
    """Imports what registers trainers and data sets: ours, and the modules of the run's --import.

    Raises:
        ValueError: a module is not found.
    """
    plugin.register_ours()
    inputs = result.get("inputs", {})
    try:
        with contextlib.redirect_stderr(io.StringIO()) as said:
            modules = parse_args(inputs.get("argv", [])).modules
    except SystemExit as error:  # argparse's
        raise ValueError(
            f"{Path(folder) / manifest.RESULT} says a command in inputs.argv that is none of "
            f"train.py's: {said.getvalue().strip().splitlines()[-1]}"
        ) from error
    try:
        import_modules(modules)
    except ValueError as error:
        ends = tuple(f"{name.replace('.', '/')}.py" for name in modules)
        paths = [PROJECT / file for file in inputs.get("files", {}) if file.endswith(ends)]
        there = ", ".join(str(path.resolve()) for path in paths)
        raise ValueError(
            f"{folder} is a run with --import {' '.join(modules)} (then {there or 'not known'}). "
            f"{error}"
        ) from error


def _open(
    cfg: CfgNode, model_dir: str, epoch: int | str | None, classnames: list[str] | None
) -> PromptTrainer:
    """Builds the trainer and loads the checkpoint; without class names also the data set."""
    trainer_class = TRAINER_REGISTRY.get(cfg.TRAINER.NAME)
    if not issubclass(trainer_class, PromptTrainer):
        raise ValueError(
            f"{model_dir} is a run of {cfg.TRAINER.NAME}, which promptkit cannot open."
        )
    with contextlib.redirect_stdout(io.StringIO()):
        if classnames is None:
            trainer = trainer_class(cfg)
        else:
            trainer = trainer_class.for_classes(cfg, classnames)
    if trainer.get_model_names():
        with contextlib.redirect_stdout(sys.stderr):
            number = chosen_epoch(model_dir, epoch)
        with contextlib.redirect_stdout(io.StringIO()):
            trainer.load_model(model_dir, epoch=number)
    trainer.set_model_mode("eval")
    return trainer


def _fill(cfg: CfgNode, trainer: str) -> None:
    """Adds the keys that are younger than the run, with the values that it had without them.

    Raises:
        ValueError: a section or a value is of another kind than its default.
    """
    defaults = get_cfg_default()
    merged_config.extend_cfg(defaults)
    own = {"NAME", trainer.upper(), *cfg.TRAINER}  # a run over another method has both
    defaults.TRAINER = CfgNode({key: defaults.TRAINER[key] for key in own & set(defaults.TRAINER)})
    _check_kinds(cfg, defaults)
    if "ACTIVATION" not in cfg.MODEL.BACKBONE:
        cfg.MODEL.BACKBONE.ACTIVATION = "quick_gelu"  # the only one there was
    merged_config.add_missing(cfg, defaults)


def _check_kinds(node: CfgNode, defaults: CfgNode, prefix: str = "config") -> None:
    for key, default in defaults.items():
        if key not in node:
            continue
        value, name = node[key], f"{prefix}.{key}"
        kinds = next((kinds for kinds in KINDS if isinstance(default, kinds)), (object,))
        is_other = not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds)
        if is_other and kinds != (object,):
            what = "a section" if isinstance(default, CfgNode) else f"of the kind of {default!r}"
            raise ValueError(f"{name} must be {what}; got {value!r:.80}")
        if isinstance(default, CfgNode):
            _check_kinds(value, default, name)
