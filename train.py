"""One run: merge the config, seed, build the trainer, train or evaluate, write result.json.

Takes the arguments of CoOp's train.py. Precedence: defaults < data set yaml < method yaml < flags
< trailing KEY VALUE pairs. A folder whose run is finished is left as it is; one with an unfinished
run is resumed. The arguments of further runs may follow after --then: they share the process, whose
start takes longer than a small evaluation.
"""

import argparse
import os
import sys

import ending
from promptkit.runs import manifest, memory, repeat, same_run
from promptkit.runs.arguments import first_line, parse_args, split_runs
from promptkit.runs.console import kept_open
from promptkit.runs.model_files import chosen_epoch
from promptkit.runs.plan import (
    evaluated_files,
    plain_config,
    plan_of,
    read_nodes,
    trained_on,
    vocabulary_file,
)
from promptkit.runs.torchrun import Together
from whole_files import lock

TOGETHER = Together()  # the processes of torchrun, or this one


def setup_cfg(args: argparse.Namespace):
    """The merged and frozen config of a command line, see `promptkit.runs.merged_config.merged`."""
    from promptkit.runs import merged_config

    return merged_config.merged(args, _modules(args))


def _modules(args: argparse.Namespace) -> list:
    """Those with trainers, ours and of --import; data sets are registered, too."""
    import datasets  # noqa: F401
    import trainers
    from promptkit.runs.imported_modules import import_modules

    return [*trainers.MODULES, *import_modules(args.modules)]


def run(args: argparse.Namespace, argv: list[str]) -> None:
    """Carries out one run, unless its folder holds the result already."""
    from promptkit.runs.merged_config import check_names, default_cfg
    from promptkit.runs.results import forget_peak_memory

    forget_peak_memory()
    cfg = setup_cfg(args)
    check_names(cfg)
    epoch = chosen_epoch(args.model_dir, args.load_epoch)
    if args.eval_every and args.eval_only:
        raise ValueError("--eval-every is about training: leave it out of --eval-only.")
    if (args.model_dir or args.load_epoch is not None) and not args.eval_only:
        print("Note that --model-dir and --load-epoch have no effect without --eval-only")
    plan = plan_of(args, cfg, epoch)
    defaults = plain_config(default_cfg(_modules(args)), read_nodes(cfg))
    if not same_run.check_plan(cfg.OUTPUT_DIR, plan, defaults):
        with lock.held(cfg.OUTPUT_DIR) as own:
            # The run that held it before may have finished it.
            if not same_run.check_plan(cfg.OUTPUT_DIR, plan, defaults):
                carry_out(args, argv, cfg, plan, own)
                return
    announce_finished(cfg.OUTPUT_DIR)


def carry_out(args: argparse.Namespace, argv: list[str], cfg, plan: dict, own: lock.Lock) -> None:
    """Carries out a plan in a folder that is held."""
    import torch

    from dassl.engine import TRAINER_REGISTRY, build_trainer
    from dassl.utils import set_random_seed, setup_logger
    from promptkit.curve import record_curve
    from promptkit.runs.announcing import log_settings, print_plan
    from promptkit.runs.kept_logits import KeptLogits
    from promptkit.runs.observers import Stopwatch, observers_of
    from run_files.checks import checked
    from run_files.result import Plan

    TOGETHER.check(cfg, TRAINER_REGISTRY.get(cfg.TRAINER.NAME), eval_only=args.eval_only)
    TOGETHER.begin(cfg.OUTPUT_DIR)
    setup_logger(os.path.join(cfg.OUTPUT_DIR, "log.txt"))  # also where the folder is called x.txt
    print_plan(args, cfg)
    log_settings(args, cfg)
    if cfg.SEED >= 0:
        print(f"Setting fixed seed: {cfg.SEED}")
        set_random_seed(cfg.SEED)
    if torch.cuda.is_available() and cfg.USE_CUDA:
        torch.backends.cudnn.benchmark = True

    trainer = build_trainer(cfg)
    if args.eval_only:
        load(trainer, args, (plan["checkpoint"] or {}).get("epoch"))
    elif args.no_train:
        return
    if args.eval_every and not args.eval_only:
        record_curve(trainer, args.eval_every)
    # Not earlier: a command with a mistake in it must not lay claim to the folder.
    manifest.save_json(checked(plan, Plan), os.path.join(cfg.OUTPUT_DIR, manifest.RUN))
    stopwatch = Stopwatch(trainer)
    kept = KeptLogits(trainer) if cfg.TEST.KEEP_LOGITS else None
    observers_of(trainer).after_epoch.append(own.check)
    if args.eval_only:
        trainer.test()
    else:
        trainer.train()
    own.check()
    if args.eval_only or not cfg.TEST.NO_TEST:
        save_result(trainer, plan, args, argv, stopwatch, kept)


def load(trainer, args: argparse.Namespace, epoch: int | None) -> None:
    """Loads what --eval-only evaluates."""
    if trainer.get_model_names() and not args.model_dir:
        raise ValueError(
            f"--eval-only of {type(trainer).__name__} needs --model-dir, the folder of the run to "
            "load: without it an untrained model would be evaluated."
        )
    trainer.load_model(args.model_dir, epoch=epoch)


def save_result(trainer, plan: dict, args, argv: list[str], stopwatch, kept) -> None:
    """Writes logits.npz, result.json, and prints the line that scripts look for."""
    from promptkit.backbones.loading import local_weights
    from promptkit.descriptions import descriptions_file
    from promptkit.runs.kept_logits import save_logits
    from promptkit.runs.results import build_result, near_chance
    from promptkit.runs.temperature import temperature_of
    from run_files.checks import checked
    from run_files.result import Result

    recipe = os.path.splitext(os.path.basename(args.config_file))[0] or "default"
    result = build_result(trainer, plan, recipe=recipe, seconds=stopwatch.seconds())
    files = [args.config_file, args.dataset_config_file, *evaluated_files(plan)]
    files += [trainer.cfg.MODEL.INIT_WEIGHTS, *local_weights(trainer.cfg.MODEL.BACKBONE.NAME)]
    files += [descriptions_file(trainer.cfg), vocabulary_file(trainer.cfg)]
    files += [sys.modules[name].__file__ for name in args.modules]  # they may hold defaults
    result["logits_sha256"] = save_logits(kept, trainer.cfg.OUTPUT_DIR)
    own_model = not args.eval_only or not trainer.get_model_names()  # trained here, or zero-shot
    result["temperature"] = temperature_of(trainer) if kept and own_model else None
    result["trained_on"] = trained_on(trainer, result, args)
    result["inputs"] = same_run.inputs(argv, files)
    path = os.path.join(trainer.cfg.OUTPUT_DIR, manifest.RESULT)
    manifest.save_json(checked(result, Result), path)
    print(near_chance(result) + summary(result, trainer.cfg.OUTPUT_DIR))


def summary(result: dict, directory: str) -> str:
    """The line that scripts look for."""
    run = "{trainer} on {dataset}, {subset} classes, seed {seed}".format(**result)
    return f"Result: {run}: {result['metrics']['accuracy']:.2f} % ({directory})"


def announce_finished(directory: str) -> None:
    """Says that there is nothing to do."""
    lock.forget_dead(directory)
    result = manifest.read_result(directory)
    print("Finished before, left as it is.")
    print(summary(result, directory))


def main(argv: list[str] | None = None) -> int:
    """Carries out the runs between --then; the first that fails is the last."""
    argv = sys.argv[1:] if argv is None else argv
    with TOGETHER.joined(), kept_open() as console:
        for part in split_runs(argv):
            code = TOGETHER.carried_out(run_or_explain, part)
            sys.stdout = console  # a run tees it into its log
            if code:
                return code
    return 0


def run_or_explain(argv: list[str]) -> int:
    """One run; errors that a user can mend are one message, all others keep their traceback."""
    args = parse_args(argv)
    try:
        if args.repeat:
            return repeat_run(args)
        if args.output_dir and same_run.is_finished(args.output_dir, argv):
            announce_finished(args.output_dir)
        else:
            print(first_line(args), flush=True)
            run(args, argv)
    except (ValueError, KeyError, OSError, FloatingPointError, RuntimeError, MemoryError) as error:
        lacks_memory = ending.is_out_of_memory(error)
        lost = TOGETHER.has_lost(error)
        is_mistake = isinstance(error, RuntimeError | MemoryError) and not (lacks_memory or lost)
        if is_mistake or os.environ.get("TRACEBACK"):
            raise
        text = memory.message(error, args.trainer) if lacks_memory else lost or message_of(error)
        print(f"error: {text}", file=sys.stderr)
        print("(TRACEBACK=1 shows where it was raised)", file=sys.stderr)
        return 1
    return 0


def repeat_run(args: argparse.Namespace) -> int:
    """Carries out a recorded run once more; 0 if result and weights are equal to the last bit."""
    result = repeat.recorded(args.repeat)
    for note in repeat.check_inputs(result):
        print(f"Note: {note}")
    first = args.repeat if os.path.isdir(args.repeat) else os.path.dirname(args.repeat) or "."
    second = args.output_dir or repeat.free_folder(first)
    if os.path.realpath(second) == os.path.realpath(first):
        raise ValueError(f"--repeat needs another --output-dir than the run's own, {first}.")
    repeat.check_checkpoints(first)
    code = run_or_explain(repeat.with_folder(result["inputs"]["argv"], second))
    if code == 0:
        found, compared = repeat.differences(first, second)
        print(repeat.report(found, compared))
        code = 1 if found else 0
    return code


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
    if text.startswith("Cannot read image"):
        text += ". Of your own images, DATASET.FOLDER.SKIP_UNREADABLE True leaves such out."
    return text


if __name__ == "__main__":
    ending.watch()
    sys.exit(main())
