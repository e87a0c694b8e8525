"""The schema of `run.json` and `result.json`: what was to be done, what was found, and by what.

Fields with a default are younger than the oldest files, or unknown to a log of other code.
"""

from typing import Annotated, Any, ClassVar

from msgspec import Meta, Struct, field

from run_files import RESULT, RUN, SCHEMA
from run_files.kinds import Count, Duration, Integer, Percent, Positive, Subset, Text

Version = Annotated[int, Meta(ge=SCHEMA, le=SCHEMA, description=str(SCHEMA))]
Confusion = Annotated[
    tuple[Count, Count, Count],
    Meta(description="[label, prediction, images], three integers from 0"),
]
Texts = Annotated[dict[str, Text | None], Meta(description="an object with a text or null a key")]


class Checkpoint(Struct, frozen=True):
    """What an evaluation loaded.

    Attributes:
        epoch: None for the best on validation.
        sha256: of each file, by its path in the folder.
    """

    model_dir: Text
    epoch: Integer | None = None
    sha256: Texts = {}


class Plan(Struct, frozen=True, kw_only=True):
    """What decides a result: the content of `run.json`.

    Attributes:
        config: all settings, merged.
        backbone_sha256: of the file of the backbone's weights.
        descriptions_sha256: of the file of DATASET.DESCRIPTIONS.
        vocabulary_sha256: of the file of TRAINER.E2MIM.VOCABULARY.FILE.
        activation: of the backbone, where it is not OpenAI's.
    """

    FILE: ClassVar[str] = RUN

    config: dict[str, Any] = {}
    init_weights_sha256: Text | None = None
    descriptions_sha256: Text | None = None
    vocabulary_sha256: Text | None = None
    backbone_sha256: Text | None = None
    activation: Text | None = None
    eval_only: bool = False
    checkpoint: Checkpoint | None = None


class Metrics(Struct, frozen=True):
    """In percent."""

    accuracy: Percent
    error_rate: Percent | None = None
    macro_f1: Percent | None = None


class ClassCounts(Struct, frozen=True):
    """The images of a class: all, and those that were taken for it."""

    label: Count
    name: Text
    total: Count
    correct: Count

    def __post_init__(self) -> None:
        """Raises ValueError if more are right than there are."""
        if self.correct > self.total:
            raise ValueError(
                f"correct must be at most total, {self.total} of {self.name!r}; got {self.correct}"
            )


class OwnSet(Struct, frozen=True):
    """Which images of a user's own a data set is.

    Attributes:
        path: of its folder.
        list: the file that lists its images.
    """

    path: Text
    list: Text | None = None
    images_sha256: Text | None = None


class Source(Struct, frozen=True):
    """The data set and the classes of a training."""

    dataset: Text
    subset: Subset
    own_data: OwnSet | None = None


class Seconds(Struct, frozen=True):
    """Of the process that ended the run."""

    train: Duration | None = None
    test: Duration | None = None


class Temperature(Struct, frozen=True):
    """What calibrates best on the validation images, and how many these are."""

    value: Positive
    images: Count


class Git(Struct, frozen=True):
    """The code: its commit, and whether files of it were changed."""

    commit: Text | None = None
    dirty: bool | None = None


class Inputs(Struct, frozen=True):
    """The command line of this run alone, and the checksums of what decides its settings."""

    argv: list[str] = []
    files: Texts = {}


class Result(Plan, frozen=True, kw_only=True):
    """One evaluation: the content of `result.json`.

    Attributes:
        own_data: None for the benchmarks.
        shots: training images a class; -1 for all.
        seed: -1 for none.
        split: the images, normally test.
        confused: every kind of error that occurred; None where it was not recorded.
        chosen: constants that the training chose, by validation images or as they were given.
        uses_task_oracle: the method has another predictor for base classes than for new ones.
        trained_parameters: how many; 0 for zero-shot, None where it is not known.
        step_sec: median of an optimisation step; None where nothing was trained.
        peak_memory_bytes: of the process, or of the GPU.
        device: name of the GPU, or CPU and threads.
        shot_list_sha256: of the training images.
        weights_sha256: of the tensors of the backbone; None for trainers that are not promptkit's.
        logits_sha256: of the content of logits.npz, see `run_files.logits.content_hash`; None where
            none are kept.
        temperature: of the training, or of zero-shot; None where it was not fitted.
        command: of train.py; with --then that of several runs, see inputs.argv.
        trained_on: None for zero-shot, or where it is not known.
    """

    FILE: ClassVar[str] = RESULT

    schema: Version
    trainer: Text
    dataset: Text
    recipe: Text
    backbone: Text
    shots: Integer
    seed: Integer
    subset: Subset
    split: Text
    metrics: Metrics
    weights_sha256: Text | None
    logits_sha256: Text | None = None
    own_data: OwnSet | None = None
    per_class: list[ClassCounts] = []
    confused: list[Confusion] | None = None
    chosen: dict[str, float] = {}
    uses_task_oracle: bool = False
    trained_parameters: Count | None = None
    seconds: Seconds = field(default_factory=Seconds)
    step_sec: Duration | None = None
    resumed_from_epoch: Count | None = None
    peak_memory_bytes: Count | None = None
    device: Text | None = None
    shot_list_sha256: Text | None = None
    git: Git = field(default_factory=Git)
    versions: Texts = {}
    temperature: Temperature | None = None
    command: list[str] = []
    trained_on: Source | None = None
    inputs: Inputs = field(default_factory=Inputs)

    def __post_init__(self) -> None:
        """Every class is there once, and every error is between known ones.

        Raises:
            ValueError: it is not so.
        """
        known = {counts.label for counts in self.per_class}
        if len(known) < len(self.per_class):
            raise ValueError("per_class must have each label once")
        for entry in self.confused or ():
            if not known.issuperset(entry[:2]):
                raise ValueError(
                    "confused must hold [label, prediction, images] of the labels in per_class; "
                    f"got {list(entry)}"
                )
