"""What a run says when it begins: its plan in a few lines, and all settings into its log."""

import argparse
import contextlib
import sys
import textwrap

import torch
from yacs.config import CfgNode

from dassl.utils import collect_env_info
from promptkit import ranks
from promptkit.runs.plan import read_nodes
from run_files.dotted import flatten

OF_EVERY_METHOD = ("PREC", "TEXT_ENCODER", "CHUNK")


def print_plan(args: argparse.Namespace, cfg: CfgNode) -> None:
    """What is run, on what, how and where to."""
    print(_headline(cfg))
    for name, text in _lines(args, cfg):
        text = f"  {name:<10}{text}"
        print(textwrap.fill(text, 110, subsequent_indent=" " * 12, max_lines=2, placeholder=" ..."))


def _headline(cfg: CfgNode) -> str:
    data, shots = cfg.DATASET, cfg.DATASET.NUM_SHOTS
    amount = f"{shots} shot{'s' * (shots != 1)}" if shots > 0 else "all images"
    seed = f"seed {cfg.SEED}" if cfg.SEED >= 0 else "no seed"
    subset = f"{data.get('SUBSAMPLE_CLASSES', 'all')} classes"
    name = data.FOLDER.NAME or data.NAME  # a set of the user's own is called as in results
    return f"{cfg.TRAINER.NAME} on {name}, {subset}, {amount}, {seed}"


def _lines(args: argparse.Namespace, cfg: CfgNode) -> list[tuple[str, str]]:
    lines = [("recipe", args.config_file or "none, the defaults")]
    pairs = zip(args.opts[0::2], args.opts[1::2], strict=False)
    if args.opts:
        lines.append(("set here", ", ".join(f"{key} {value}" for key, value in pairs)))
    for name in read_nodes(cfg):  # the method's, and that of one that it stands over
        if node := cfg.TRAINER.get(name):
            own = (
                f"{key} {value!r}"
                for key, value in flatten(node).items()
                if key not in OF_EVERY_METHOD
            )
            label = "options" if name == cfg.TRAINER.NAME.upper() else name
            lines.append((label, ", ".join(own) or "none"))
    lines.append(("data", cfg.DATASET.ROOT or "the folder of this call"))
    lines.append(("backbone", f"{cfg.MODEL.BACKBONE.NAME} on {_device(cfg)}"))
    if args.eval_only:
        lines.append(("model", args.model_dir or "as it is, nothing is loaded"))
    else:
        optim, batch = cfg.OPTIM, cfg.DATALOADER.TRAIN_X.BATCH_SIZE
        how = f"{optim.NAME}, learning rate {optim.LR:g}, {optim.LR_SCHEDULER}"
        epochs = f"{optim.MAX_EPOCH} epoch{'s' * (optim.MAX_EPOCH != 1)}"
        lines.append(("training", f"{epochs}, batches of {batch}, {how}"))
    lines.append(("results", f"{cfg.OUTPUT_DIR} (all settings: log.txt)"))
    return lines


def _device(cfg: CfgNode) -> str:
    several = f"{ranks.count()} x " if ranks.count() > 1 else ""
    if torch.cuda.is_available() and cfg.USE_CUDA:
        return several + torch.cuda.get_device_name()
    return several + f"a CPU ({torch.get_num_threads()} threads)"


def log_settings(args: argparse.Namespace, cfg: CfgNode) -> None:
    """Arguments, config and system in upstream's boxes, into the log alone if there is one."""
    log = getattr(sys.stdout, "file", None)  # of Dassl's Logger
    with contextlib.redirect_stdout(log or sys.stdout):
        stars = "*" * 15
        print(f"{stars}\n** Arguments **\n{stars}")
        for key, value in sorted(vars(args).items()):
            print(f"{key}: {value}")
        print(f"{stars}\n** Config **\n{stars}\n{cfg}")
        print("Collecting env info ...")
        print(f"** System info **\n{collect_env_info()}\n")
