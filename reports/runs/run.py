"""A result, checked and frozen, and the row of a table that it belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True, order=True)
class Method:
    """What is one row of a table: results of two methods are never averaged.

    Attributes:
        settings: the merged config, as sorted (key, value) pairs, but for what says where, how
            fast or on which data.
        commit: of the code, abbreviated; with a plus if there were changes; "" if not known.
    """

    trainer: str
    recipe: str = ""
    shots: int = 0
    settings: tuple[tuple[str, str], ...] = ()
    commit: str = ""


@dataclass(frozen=True, order=True)
class OwnData:
    """What makes a data set of a user's the one that it is; all must agree.

    Attributes:
        path: of its folder.
        list: the file that lists its images; "" if the folders do.
        images: SHA-256 of the images; "" where the result does not say.
        classnames: the file that names its classes; "" if the folders or the list do.
    """

    path: str
    list: str = ""
    images: str = ""
    classnames: str = ""


@dataclass(frozen=True)
class Run:
    """One evaluation, as its result file tells it (only what a report needs).

    Attributes:
        path: the file, relative to the folder that was searched; names the run in messages.
        dataset: its name; one of several of the same name has in brackets what tells it apart.
        recorded_dataset: as the file says it; "" means the same.
        weights: SHA-256 of the backbone's weights.
        logits: SHA-256 of the content of its logits.npz; "" where none are kept.
        subset: the classes it saw: base, new or all.
        split: the images it was evaluated on, normally test.
        accuracy: in percent, 0 to 100.
        trained_parameters: how many; 0 for zero-shot, None where the file does not say.
        step_sec: seconds of an optimisation step; None where nothing was trained.
        train_sec: seconds of the whole training, or next to nothing.
        chosen_on: on which images the recipe's constants were chosen, as it says.
        per_data_set: whether they follow the data set, as it says.
        uses_task_oracle: base classes have another predictor than new ones.
        descriptions: SHA-256 of the file of DATASET.DESCRIPTIONS; "" where none is read.
        temperature: fitted on the validation images of the training, or of zero-shot.
        peak_memory_bytes: of the process, or of the GPU.
        trained_on: data set and classes of the training; None for zero-shot, or if not known.
        settings, commit: see `Method`.
        shot_list: checksum of the training images.
        device: name of the GPU, or CPU and threads.
        own_data: None for the benchmarks.
        own_training_data: the same of the data set of the training, where the file says it.
        template: the sentence that the data set's file or the command gives; "" for none.
        template_chosen: whether the command gave it.
    """

    path: str
    trainer: str
    recipe: str
    dataset: str
    backbone: str
    weights: str
    shots: int
    seed: int
    subset: str
    split: str
    accuracy: float
    trained_parameters: int | None
    step_sec: float | None = None
    peak_memory_bytes: int | None = None
    trained_on: tuple[str, str] | None = None
    settings: tuple[tuple[str, str], ...] = ()
    commit: str = ""
    shot_list: str = ""
    logits: str = ""
    train_sec: float | None = None
    temperature: float | None = None
    chosen_on: str = "unknown"
    per_data_set: bool = False
    uses_task_oracle: bool = False
    descriptions: str = ""
    device: str = ""
    recorded_dataset: str = ""
    own_data: OwnData | None = None
    own_training_data: OwnData | None = None
    template: str = ""
    template_chosen: bool = False

    @cached_property
    def method(self) -> Method:
        """The row that it belongs to. The number of shots means nothing where nothing is tuned."""
        shots = 0 if self.is_zero_shot else self.shots
        return Method(self.trainer, self.recipe, shots, self.settings, self.commit)

    @property
    def is_zero_shot(self) -> bool:
        """Whether nothing was trained, and nothing fitted: GDA has no parameters and has shots."""
        return self.trained_parameters == 0 and self.trained_on is None


@dataclass(frozen=True, order=True)
class LeftOut:
    """A file that is in no cell of a report, and why."""

    path: str
    reason: str
