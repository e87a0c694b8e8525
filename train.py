"""One run: merge the config, seed, build the trainer, train or evaluate, write result.json.

Takes the arguments of CoOp's train.py. Precedence: defaults < data set yaml < method yaml < flags
< trailing KEY VALUE pairs. A folder whose run is finished is left as it is; one with an unfinished
run is resumed. The arguments of further runs may follow after --then: they share the process, whose
start takes longer than a small evaluation.
"""

import argparse
import difflib
import importlib
import os
import sys
import time
from collections.abc import Callable

from promptkit import manifest
from promptkit.plan import FINAL, model_files, plan_of, resolve_epoch, trained_on

THEN = "--then"


def parse_args(argv: list[str]) -> argparse.Namespace:
    """The command line, upstream's names and defaults."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        epilog=f"{THEN} ARGUMENTS: a further run in the same process. A folder whose run is "
        "finished is left as it is, one with an unfinished run is resumed.",
    )
    add = parser.add_argument
    add("--root", default="", help="DATASET.ROOT: folder that holds the data sets")
    add("--output-dir", default="", help="OUTPUT_DIR: folder of this run")
    add("--resume", default="", help="RESUME: run folder to go on from")
    add("--seed", type=int, default=-1, help="SEED: 0 or more fixes it, negative is random")
    add("--source-domains", nargs="+", help="DATASET.SOURCE_DOMAINS")
    add("--target-domains", nargs="+", help="DATASET.TARGET_DOMAINS")
    add("--transforms", nargs="+", help="INPUT.TRANSFORMS")
    add("--config-file", default="", help="yaml of the method: configs/trainers/...")
    add("--dataset-config-file", default="", help="yaml of the data set: configs/datasets/...")
    add("--trainer", default="", help="TRAINER.NAME")
    add("--backbone", default="", help="MODEL.BACKBONE.NAME")
    add("--head", default="", help="MODEL.HEAD.NAME")
    add("--eval-only", action="store_true", help="load --model-dir and test, do not train")
    add("--model-dir", default="", help="run folder to load for --eval-only")
    add(
        "--load-epoch",
        type=lambda text: text if text == FINAL else int(text),
        help="epoch to load; without it the best on validation; final is what its run tested with",
    )
    add(
        "--import",
        dest="modules",
        action="append",
        default=[],
        metavar="MODULE",
        help="import this first: a module of yours that registers trainers or data sets",
    )
    add(
        "--eval-every",
        type=int,
        default=0,
        metavar="K",
        help="test during training, every K epochs, for a curve of base and new accuracy",
    )
    add("--no-train", action="store_true", help="build everything, then stop")
    add("opts", nargs=argparse.REMAINDER, metavar="KEY VALUE", help="config pairs, merged last")
    return parser.parse_args(argv)


def extend_cfg(cfg) -> None:
    """Adds the keys that are not Dassl's: data sets', features', and one node per trainer."""
    from yacs.config import CfgNode

    import trainers  # noqa: F401  (registers the trainers)
    from dassl.engine import TRAINER_REGISTRY
    from promptkit.config import default_node

    cfg.DATASET.SUBSAMPLE_CLASSES = "all"  # all | base | new
    cfg.DATASET.TEMPLATE = ""  # overrides the data set's hand-crafted sentence
    cfg.MODEL.BACKBONE.ACTIVATION = "auto"  # quick_gelu | gelu, for a state dict by its path
    # Images of a user's own, see datasets/image_folder.py.
    cfg.DATASET.FOLDER = CfgNode(
        {"PATH": "", "SPLIT": "", "CLASSNAMES": "", "SKIP_UNREADABLE": False}
    )
    # VIEWS: so many of each training image are encoded once and drawn from; 0 encodes every step's.
    # STORE: frozen features of test images are kept on disk, see promptkit/feature_store.py.
    cfg.FEATURES = CfgNode({"VIEWS": 0, "STORE": True})
    for name in TRAINER_REGISTRY.registered_names():
        config_class = getattr(TRAINER_REGISTRY.get(name), "Config", None)
        if config_class:
            cfg.TRAINER[name.upper()] = default_node(config_class)


def setup_cfg(args: argparse.Namespace):
    """The merged and frozen config of a command line."""
    import datasets  # noqa: F401  (registers the data sets)
    import trainers
    from dassl.config import get_cfg_default

    merge_file, merge_opts = _merge_functions()
    cfg = get_cfg_default()
    modules = [*trainers.MODULES, *import_modules(args.modules)]
    extend_cfg(cfg)
    for module in modules:  # trainers written for upstream bring their keys themselves
        if hasattr(module, "extend_cfg"):
            module.extend_cfg(cfg)
    for path in (args.dataset_config_file, args.config_file):
        if path:
            merge_file(cfg, path)
    flags = {
        "DATASET.ROOT": args.root,
        "OUTPUT_DIR": args.output_dir,
        "RESUME": args.resume,
        "DATASET.SOURCE_DOMAINS": args.source_domains,
        "DATASET.TARGET_DOMAINS": args.target_domains,
        "INPUT.TRANSFORMS": args.transforms,
        "TRAINER.NAME": args.trainer,
        "MODEL.BACKBONE.NAME": args.backbone,
        "MODEL.HEAD.NAME": args.head,
    }
    merge_opts(cfg, [x for key, value in flags.items() if value for x in (key, value)])
    if args.seed >= 0:  # seed 0 is a seed
        merge_opts(cfg, ["SEED", args.seed])
    merge_opts(cfg, args.opts)
    cfg.freeze()
    return cfg


def import_modules(names: list[str]) -> list:
    """The modules of --import; also from the folder that the command is called in.

    Raises:
        ValueError: there is no such module.
    """
    if names and os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    modules = []
    for name in names:
        try:
            modules.append(importlib.import_module(name))
        except ModuleNotFoundError as error:
            raise ValueError(
                f"--import {name}: {error}. Give a module's name with dots and without .py; it is "
                f"looked for in {os.getcwd()} and in the installed packages (PYTHONPATH adds more)."
            ) from error
    return modules


def check_names(cfg) -> None:
    """Raises ValueError unless trainer and data set are registered."""
    from dassl.data.datasets import DATASET_REGISTRY
    from dassl.engine import TRAINER_REGISTRY

    for key, name, registry, flag in (
        ("TRAINER.NAME", cfg.TRAINER.NAME, TRAINER_REGISTRY, "--trainer"),
        ("DATASET.NAME", cfg.DATASET.NAME, DATASET_REGISTRY, "--dataset-config-file"),
    ):
        known = registry.registered_names()
        if name in known:
            continue
        lower = {candidate.lower(): candidate for candidate in known}
        close = difflib.get_close_matches(name.lower(), lower, n=1)
        hint = f" Did you mean '{lower[close[0]]}'?" if close else ""
        given = f"got '{name}'.{hint}" if name else f"it is not set. Give {flag}."
        raise ValueError(f"{key} must be one of {', '.join(known)}; {given}")


def _merge_functions() -> tuple[Callable, Callable]:
    try:
        from dassl.config import merge_file, merge_opts
    except ImportError:  # upstream Dassl has yacs's own, with yacs's own messages
        return (lambda cfg, path: cfg.merge_from_file(path)), (
            lambda cfg, opts: cfg.merge_from_list(opts)
        )
    return merge_file, merge_opts


def print_args(args: argparse.Namespace, cfg) -> None:
    """Arguments and config in upstream's boxes."""
    stars = "*" * 15
    print(f"{stars}\n** Arguments **\n{stars}")
    for key, value in sorted(vars(args).items()):
        print(f"{key}: {value}")
    print(f"{stars}\n** Config **\n{stars}\n{cfg}")


def run(args: argparse.Namespace, argv: list[str]) -> None:
    """Carries out one run, unless its folder holds the result already."""
    import torch

    from dassl.engine import build_trainer
    from dassl.utils import collect_env_info, set_random_seed, setup_logger
    from promptkit.curve import record_curve
    from promptkit.results import forget_peak_memory

    forget_peak_memory()
    cfg = setup_cfg(args)
    check_names(cfg)
    resolve_epoch(args)
    if args.eval_every and args.eval_only:
        raise ValueError("--eval-every is about training: leave it out of --eval-only.")
    if (args.model_dir or args.load_epoch is not None) and not args.eval_only:
        print("Note that --model-dir and --load-epoch have no effect without --eval-only")
    plan = plan_of(args, cfg)
    if manifest.check_plan(cfg.OUTPUT_DIR, plan):
        announce_finished(cfg.OUTPUT_DIR)
        return
    if cfg.SEED >= 0:
        print(f"Setting fixed seed: {cfg.SEED}")
        set_random_seed(cfg.SEED)
    setup_logger(cfg.OUTPUT_DIR)
    if torch.cuda.is_available() and cfg.USE_CUDA:
        torch.backends.cudnn.benchmark = True
    print_args(args, cfg)
    print("Collecting env info ...")
    print(f"** System info **\n{collect_env_info()}\n")

    trainer = build_trainer(cfg)
    if args.eval_only:
        load(trainer, args)
    elif args.no_train:
        return
    if args.eval_every and not args.eval_only:
        record_curve(trainer, args.eval_every)
    # Not earlier: a command with a mistake in it must not lay claim to the folder.
    manifest.write_json(os.path.join(cfg.OUTPUT_DIR, manifest.RUN), plan)
    stopwatch = Stopwatch(trainer)
    if args.eval_only:
        trainer.test()
    else:
        trainer.train()
    if args.eval_only or not cfg.TEST.NO_TEST:
        save_result(trainer, plan, args, argv, stopwatch)


def load(trainer, args: argparse.Namespace) -> None:
    """Loads what --eval-only evaluates."""
    if trainer.get_model_names() and not args.model_dir:
        raise ValueError(
            f"--eval-only of {type(trainer).__name__} needs --model-dir, the folder of the run to "
            "load: without it an untrained model would be evaluated."
        )
    trainer.load_model(args.model_dir, epoch=args.load_epoch)


def save_result(trainer, plan: dict, args, argv: list[str], stopwatch: "Stopwatch") -> None:
    """Writes result.json and prints the line that scripts look for."""
    from promptkit.clip_loader import local_weights
    from promptkit.results import build_result

    recipe = os.path.splitext(os.path.basename(args.config_file))[0] or "default"
    result = build_result(trainer, plan, recipe=recipe, seconds=stopwatch.seconds())
    files = [args.config_file, args.dataset_config_file, *model_files(args)]
    files += local_weights(trainer.cfg.MODEL.BACKBONE.NAME)
    files += [sys.modules[name].__file__ for name in args.modules]  # they may hold defaults
    result["trained_on"] = trained_on(trainer, result, args)
    result["inputs"] = manifest.inputs(argv, files)
    manifest.write_json(os.path.join(trainer.cfg.OUTPUT_DIR, manifest.RESULT), result)
    print(summary(result, trainer.cfg.OUTPUT_DIR))


class Stopwatch:
    """Times a trainer's work: all of it, and its tests apart."""

    def __init__(self, trainer) -> None:
        self.trainer, self.test_sec = trainer, 0.0
        self.start, test = time.perf_counter(), trainer.test

        def timed_test(*args, **kwargs):
            begin = time.perf_counter()
            result = test(*args, **kwargs)
            self.test_sec += time.perf_counter() - begin
            return result

        trainer.test = timed_test

    def seconds(self) -> dict[str, float]:
        """Seconds of training (0 or so for an evaluation) and of testing, --eval-every's too."""
        total = time.perf_counter() - self.start
        test_sec = self.test_sec + getattr(self.trainer, "curve_sec", 0.0)
        return {"train": total - test_sec, "test": test_sec}


def summary(result: dict, directory: str) -> str:
    """The line that scripts look for."""
    run = "{trainer} on {dataset}, {subset} classes, seed {seed}".format(**result)
    return f"Result: {run}: {result['metrics']['accuracy']:.2f} % ({directory})"


def announce_finished(directory: str) -> None:
    """Says that there is nothing to do."""
    result = manifest.read_json(os.path.join(directory, manifest.RESULT))
    print("Finished before, left as it is.")
    print(summary(result, directory))


def main(argv: list[str] | None = None) -> int:
    """Carries out the runs between --then; the first that fails is the last."""
    argv = sys.argv[1:] if argv is None else argv
    console = sys.stdout
    for part in _split(argv):
        code = run_or_explain(part)
        sys.stdout = console  # a run tees it into its log
        if code:
            return code
    return 0


def _split(argv: list[str]) -> list[list[str]]:
    parts: list[list[str]] = [[]]
    for word in argv:
        if word == THEN:
            parts.append([])
        else:
            parts[-1].append(word)
    return parts


def run_or_explain(argv: list[str]) -> int:
    """One run; errors that a user can mend are one message, all others keep their traceback."""
    args = parse_args(argv)
    try:
        if args.output_dir and manifest.is_finished(args.output_dir, argv):
            announce_finished(args.output_dir)
        else:
            run(args, argv)
    except (ValueError, KeyError, OSError, FloatingPointError) as error:
        if os.environ.get("TRACEBACK"):
            raise
        print(f"error: {message_of(error)}", file=sys.stderr)
        print("(TRACEBACK=1 shows where it was raised)", file=sys.stderr)
        return 1
    return 0


def message_of(error: Exception) -> str:
    """What an error says to a person."""
    if isinstance(error, OSError) and error.errno is not None:  # the system's, not one of ours
        return (
            f"{error.filename or 'a file'}: {error.strerror}. Check the path, its permissions and "
            "the free space, or choose another folder (--output-dir for results, --root for data)."
        )
    text = str(error.args[0] if isinstance(error, KeyError) and error.args else error).strip()
    if "Original Traceback" in text:  # from a loading process
        text = text.splitlines()[-1].split(": ", 1)[-1]
    return text


if __name__ == "__main__":
    sys.exit(main())
