"""The options by which commands open what was tuned: a finished run, or a bare checkpoint."""

from __future__ import annotations

import argparse

from promptkit import plugin
from promptkit.runs import manifest, merged_config
from promptkit.runs.arguments import epoch, parse_args
from promptkit.runs.imported_modules import import_modules
from promptkit.runs.model_files import FINAL
from promptkit.trainer import PromptTrainer
from promptkit.use.class_names import HELP, class_names
from promptkit.use.tuned import open_checkpoint, open_run, recorded_result

OF_TRAINING = ("trainer", "config_file", "dataset_config_file", "backbone")


def add_run_options(parser: argparse.ArgumentParser, *, classes: bool = True) -> None:
    """Adds the options that all commands share; what they open is the argument `run`.

    Args:
        parser: of the command.
        classes: whether other class names may be given.
    """
    parser.set_defaults(classes=[])
    add = parser.add_argument
    if classes:
        add("--classes", action="append", metavar="NAMES|FILE", help=HELP)
    add("--load-epoch", type=epoch, default=FINAL, help="by default what the run tested with")
    add(
        "--set",
        dest="pairs",
        nargs=2,
        action="append",
        default=[],
        metavar=("KEY", "VALUE"),
        help="a setting that differs from the run's or the files'",
    )
    group = parser.add_argument_group(
        "a checkpoint without result.json",
        "such as those that the methods' authors give out; it does not say how it was trained, so "
        "say it as for train.py, and name the classes",
    )
    add = group.add_argument
    add("--trainer", default="", help="name of the method")
    add("--config-file", default="", help="yaml of the method, ours or the authors'")
    add("--dataset-config-file", default="", help="yaml of a data set, for its sentence")
    add("--backbone", default="", help="where the yaml of the method does not say it")
    add("--import", dest="modules", action="append", default=[], metavar="MODULE", help="a module "
        "of yours that registers the method; a finished run names it itself")  # fmt: skip


def open_chosen(
    options: argparse.Namespace,
    *,
    stand_in: list[str] | None = None,
    with_data: bool = False,
) -> PromptTrainer:
    """What the parsed options mean, in evaluation mode.

    Args:
        options: of a parser with `add_run_options`.
        stand_in: class names where none are given, for commands to which they do not matter.
        with_data: also opens the data set, whose classes then count.

    Raises:
        FileNotFoundError: there is no run, no checkpoint, or no file of class names.
        ValueError: options are missing or contradict the run.
        KeyError: there is no such key or trainer.
    """
    names = class_names(options.classes)
    pairs = [word for pair in options.pairs for word in pair]
    given = [f"--{name.replace('_', '-')}" for name in OF_TRAINING if getattr(options, name)]
    if recorded_result(options.run) or not given:
        if given:
            raise ValueError(
                f"{options.run} has a {manifest.RESULT}, which says how it was trained: leave out "
                f"{', '.join(given)}. (--set KEY VALUE changes a setting.)"
            )
        return open_run(
            options.run, names or None, epoch=options.load_epoch, pairs=pairs, with_data=with_data
        )
    if not (names or stand_in or with_data):
        raise ValueError(
            f"{options.run} does not say its class names: give --classes, names with commas "
            "between or a text file with one a line, in the order of training."
        )
    cfg = _settings(options, pairs)
    return open_checkpoint(
        options.run, cfg, names or stand_in, epoch=options.load_epoch, with_data=with_data
    )


def _settings(options: argparse.Namespace, pairs: list[str]):
    """The merged config of a training with these options, as train.py would merge it."""
    words = [
        word
        for name in OF_TRAINING
        if getattr(options, name)
        for word in (f"--{name.replace('_', '-')}", getattr(options, name))
    ]
    modules = [*plugin.register_ours(), *import_modules(options.modules)]
    return merged_config.merged(parse_args([*words, *pairs]), modules)
