"""Settings that decide nothing in a run: refused, or named where others make them idle."""

from collections.abc import Iterable, Mapping

from yacs.config import CfgNode

from dassl.engine import TRAINER_REGISTRY
from promptkit.runs.published_config import published_config
from run_files.dotted import value_at

# Beginnings of Dassl's keys that no trainer of promptkit reads, and why.
UNREAD = {
    "MODEL.HEAD.": "prompts are tuned on CLIP, which has no other head",
    "MODEL.BACKBONE.PRETRAINED": "CLIP always has its weights",
    "DATALOADER.TRAIN_U.": "no unlabelled images are used",
    "TRAIN.COUNT_ITER": "no unlabelled images are used",
}
# Keys of DATASET that every data set goes by; others are a data set's own, its `config_keys`.
OF_EVERY_DATA_SET = (
    "NAME", "ROOT", "NUM_SHOTS", "SUBSAMPLE_CLASSES", "TEMPLATE", "DESCRIPTIONS",
)  # fmt: skip
# A key, another, and the values of the other with which the first one counts.
_ADAM = ("adam", "amsgrad", "adamw", "radam")
_STEPS = ("single_step", "multi_step")
COUNTS_WITH = {
    "OPTIM.MOMENTUM": ("OPTIM.NAME", ("sgd", "rmsprop")),
    "OPTIM.SGD_DAMPNING": ("OPTIM.NAME", ("sgd",)),
    "OPTIM.SGD_NESTEROV": ("OPTIM.NAME", ("sgd",)),
    "OPTIM.RMSPROP_ALPHA": ("OPTIM.NAME", ("rmsprop",)),
    "OPTIM.ADAM_BETA1": ("OPTIM.NAME", _ADAM),
    "OPTIM.ADAM_BETA2": ("OPTIM.NAME", _ADAM),
    "OPTIM.NEW_LAYERS": ("OPTIM.STAGED_LR", (True,)),
    "OPTIM.BASE_LR_MULT": ("OPTIM.STAGED_LR", (True,)),
    "OPTIM.STEPSIZE": ("OPTIM.LR_SCHEDULER", _STEPS),
    "OPTIM.GAMMA": ("OPTIM.LR_SCHEDULER", _STEPS),
    "OPTIM.WARMUP_CONS_LR": ("OPTIM.WARMUP_TYPE", ("constant",)),
    "OPTIM.WARMUP_MIN_LR": ("OPTIM.WARMUP_TYPE", ("linear",)),
    "DATALOADER.TRAIN_X.N_DOMAIN": ("DATALOADER.TRAIN_X.SAMPLER", ("RandomDomainSampler",)),
    "DATALOADER.TRAIN_X.N_INS": ("DATALOADER.TRAIN_X.SAMPLER", ("RandomClassSampler",)),
}
# Beginnings of a key of INPUT, and the transforms that read it.
_RANDAUGMENT = ("randaugment", "randaugment_fixmatch", "randaugment2")
READ_BY_TRANSFORM = {
    "PIXEL_": ("normalize",),
    "CROP_PADDING": ("random_crop",),
    "RRCROP_SCALE": ("random_resized_crop",),
    "CUTOUT_": ("cutout",),
    "GN_": ("gaussian_noise",),
    "RANDAUGMENT_N": _RANDAUGMENT,
    "RANDAUGMENT_M": ("randaugment",),
    "COLORJITTER_": ("colorjitter",),
    "RGS_P": ("randomgrayscale",),
    "GB_": ("gaussian_blur",),
}


def check_keys(
    given: Mapping[str, str], cfg: CfgNode, *, trainer: type | None, dataset: type | None
) -> None:
    """Refuses keys that nobody reads in a run of a trainer of promptkit.

    Args:
        given: where each key was set, by dotted key.
        cfg: with the nodes of all trainers.
        trainer: its class. Trainers without a `Config` may read whatever they like.
        dataset: its class. Data sets without `config_keys` may read whatever they like.

    Raises:
        ValueError: names the first such key, where it was set, and the keys that count.
    """
    if getattr(trainer, "Config", None) is None:
        return
    for key, source in given.items():
        reason = (
            _of_another_trainer(key, cfg, trainer) or _unread(key) or _of_another_set(key, dataset)
        )
        if reason:
            raise ValueError(f"{key} ({source}) has no effect: {reason}")


def _of_another_trainer(key: str, cfg: CfgNode, trainer: type) -> str:
    own = trainer.__name__.upper()
    if node_of(key) in nodes_below(trainer):
        return ""  # whether the run stands over that one is known when all is merged
    published = published_config(trainer)
    name = published.keys.get(key)
    if name is None:
        head, _, rest = key.partition(".")
        node, _, name = rest.partition(".")
        if key not in published.fixed and (head != "TRAINER" or node in ("NAME", own)):
            return ""
        if key not in published.fixed and node not in cfg.TRAINER:
            return ""  # merging says so
    options = cfg.TRAINER[own]
    if name in options:
        return f"{trainer.__name__} reads TRAINER.{own}. Write TRAINER.{own}.{name}."
    names = ", ".join(f"TRAINER.{own}.{option}" for option in options)
    return f"{trainer.__name__} has no such option. It reads {names}. Leave it out."


def node_of(key: str) -> str:
    """The node below TRAINER that a key stands in; "" for others."""
    head, _, rest = key.partition(".")
    return rest.partition(".")[0] if head == "TRAINER" else ""


def nodes_below(trainer: type | None) -> set[str]:
    """The nodes of the methods that a trainer may stand over, see `promptkit.over_another`."""
    names = [name for name in getattr(trainer, "others", {}).values() if name]
    return {name.upper() for name in names}.union(
        *(nodes_below(TRAINER_REGISTRY.get(name)) for name in names)
    )


def check_nodes(given: Mapping[str, str], cfg: CfgNode, trainer: type | None) -> None:
    """Refuses keys of a method that this run's could stand over, and does not.

    Raises:
        ValueError: names the first such key, and where it was set.
    """
    may_be = nodes_below(trainer)
    if not may_be:
        return
    read = trainer.nodes(cfg)
    for key, source in given.items():
        if node_of(key) in may_be - set(read):
            chosen = [
                f"TRAINER.{node}.{option} is {cfg.TRAINER[node][option]}"
                for node in read
                for option in ("BASE", "LEARNER")  # of the methods over others
                if option in cfg.TRAINER[node]
            ]
            raise ValueError(
                f"{key} ({source}) has no effect: {' and '.join(chosen)}, and the run reads "
                f"{' and '.join(f'TRAINER.{node}' for node in read)}. Leave it out."
            )


def _unread(key: str) -> str:
    reason = next((why for start, why in UNREAD.items() if key.startswith(start)), "")
    return f"{reason}. Leave it out." if reason else ""


def _of_another_set(key: str, dataset: type | None) -> str:
    own = getattr(dataset, "config_keys", None)
    head, _, name = key.partition(".")
    name = name.partition(".")[0]
    if head != "DATASET" or own is None or name in (*OF_EVERY_DATA_SET, *own):
        return ""
    names = ", ".join(f"DATASET.{name}" for name in (*OF_EVERY_DATA_SET, *own))
    return f"the data set {dataset.__name__} does not read it. It reads {names}. Leave it out."


def idle_keys(given: Iterable[str], cfg: CfgNode, trainer: type | None = None) -> list[str]:
    """For each key that other settings or the trainer make idle, a sentence that says so."""
    found, has_optimizer = [], getattr(trainer, "has_optimizer", True)
    for key in given:
        if key.startswith("OPTIM.") and key != "OPTIM.MAX_EPOCH" and not has_optimizer:
            found.append(f"{key} has no effect with {trainer.__name__}")
        elif key in COUNTS_WITH:
            other, values = COUNTS_WITH[key]
            value = value_at(cfg, other)
            if value not in values:
                found.append(f"{key} has no effect with {other} {value}")
        elif key.startswith("INPUT."):
            readers = _transforms(key.removeprefix("INPUT."))
            if readers and not set(readers) & set(cfg.INPUT.TRANSFORMS):
                found.append(f"{key} has no effect without {' or '.join(readers)}")
    return found


def _transforms(name: str) -> tuple[str, ...]:
    return next((by for start, by in READ_BY_TRANSFORM.items() if name.startswith(start)), ())
