"""Carries out the cells of the study, (stage, data set, candidate, seed), in one process.

A cell that is finished has a file and is not done again.
"""

import contextlib
import io
import json
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

import train
from ablation.candidates import ZERO_SHOT, Candidate
from ablation.data import Place
from ablation.in_step import train_in_step
from ablation.measures import of_answers, of_critic, of_views
from dassl.engine import TRAINER_REGISTRY
from dassl.utils import set_random_seed
from promptkit.objectives.critics import BilinearCritic
from promptkit.prompts.templates import dataset_template
from promptkit.trainer import PromptTrainer
from whole_files import replacing

AT_ONCE = 6  # trainers in step
HALVES = ("base", "new")


@dataclass(frozen=True)
class Cell:
    """One training and its two tests."""

    place: Place
    candidate: Candidate
    seed: int

    @property
    def path(self) -> Path:
        """Of its result."""
        name = self.candidate.name.replace(" ", "_").replace(",", "")
        return self.place.work / self.place.stage / self.place.folder / f"{name}-{self.seed}.json"

    def command(self) -> list[str]:
        """Of train.py, without the folders."""
        candidate, place = self.candidate, self.place
        pairs = candidate.pairs(place.vocabulary() if _needs_names(candidate) else "")
        kind = TRAINER_REGISTRY.get(candidate.trainer)
        published = getattr(sys.modules[kind.__module__], "TEMPLATES", {})
        return [
            "--trainer", candidate.trainer, "--seed", str(self.seed), "--config-file",
            f"configs/trainers/{candidate.trainer}/{place.bench}{candidate.recipe}.yaml",
            *place.arguments(published if isinstance(published, dict) else {}),
            "DATASET.NUM_SHOTS", "16", *pairs,
        ]  # fmt: skip


def _needs_names(candidate: Candidate) -> bool:
    return any(key == "VOCABULARY.FILE" for key, _ in candidate.options)


def carry_out(cells: Iterable[Cell]) -> None:
    """All that are not finished, data set by data set."""
    by_place = defaultdict(list)
    for cell in cells:
        if not cell.path.is_file():
            by_place[cell.place].append(cell)
    for place, missing in by_place.items():
        with tempfile.TemporaryDirectory() as folder:
            Bench(place, folder).carry_out(missing)


class Bench:
    """One data set with its test features; trainers are built on one frozen CLIP.

    Args:
        place: of the data set.
        folder: where trainers may leave what nobody needs.
    """

    def __init__(self, place: Place, folder: str) -> None:
        self.place, self.folder = place, folder
        self.lender: PromptTrainer | None = None
        self.images: dict[str, tuple[Tensor, Tensor]] = {}
        self.names: dict[str, list[str]] = {}
        self.hand: dict[str, Tensor] = {}
        for half in HALVES:
            trainer = self._build(Cell(place, ZERO_SHOT, 1), half)
            self.lender = self.lender or trainer
            self.images[half] = self._features(trainer)
            self.names[half] = trainer.dm.dataset.classnames
            template = dataset_template(trainer.dm.dataset, trainer.cfg.DATASET.TEMPLATE)
            self.hand[half] = trainer.hand_crafted_features(self.names[half], (template,))

    @torch.no_grad()
    def _features(self, trainer: PromptTrainer) -> tuple[Tensor, Tensor]:
        quiet = io.StringIO()
        with contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
            batches = [trainer.parse_batch_test(batch) for batch in trainer.test_loader]
        features = [trainer.image_features(images) for images, _ in batches]
        return torch.cat(features), torch.cat([labels for _, labels in batches])

    def _build(self, cell: Cell, half: str = "base") -> PromptTrainer:
        flags = ["--output-dir", tempfile.mkdtemp(dir=self.folder)]
        argv = [*flags, *cell.command(), "DATASET.SUBSAMPLE_CLASSES", half]
        with contextlib.redirect_stdout(io.StringIO()):
            cfg = train.setup_cfg(train.parse_args(argv))
            set_random_seed(cell.seed)
            kind = TRAINER_REGISTRY.get(cell.candidate.trainer).over(cfg)
            trainer = kind.__new__(kind)
            if self.lender and half == "base":
                trainer.lender = self.lender
            trainer.__init__(cfg)
        return trainer

    def carry_out(self, cells: list[Cell]) -> None:
        """Trains and measures, as many in step as can be."""
        for cell in [cell for cell in cells if cell.candidate == ZERO_SHOT]:
            self._save(cell, self.lender)
        for cell, trainer in self.trained([x for x in cells if x.candidate != ZERO_SHOT]):
            self._save(cell, trainer)

    def trained(self, cells: list[Cell]) -> Iterator[tuple[Cell, PromptTrainer]]:
        """Trains cells, as many in step as can be."""
        for group in self._groups(cells):
            trainers = [trainer for _, trainer in group]
            quiet = io.StringIO()
            with contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
                train_in_step(trainers)
            yield from group

    def _groups(self, cells: list[Cell]) -> Iterator[list[tuple[Cell, PromptTrainer]]]:
        waiting = defaultdict(list)
        for cell in cells:
            trainer = self._build(cell)
            cfg, prompts = trainer.cfg, trainer.prompts()
            if prompts.injection:  # class-aware tokens have no beginning that all share
                yield [(cell, trainer)]
                continue
            key = (
                cell.candidate.trainer == "ProGrad",
                cfg.OPTIM.MAX_EPOCH,
                cfg.DATALOADER.TRAIN_X.BATCH_SIZE,
                prompts.prefix.shape,
            )
            waiting[key].append((cell, trainer))
            if len(waiting[key]) == AT_ONCE:
                yield waiting.pop(key)
        yield from waiting.values()

    @torch.no_grad()
    def _save(self, cell: Cell, trainer: PromptTrainer) -> None:
        result = {"command": cell.command()}
        for half in HALVES:
            soft = self.class_features(trainer, half)
            images, labels = self.images[half]
            result[half] = of_answers(trainer.logits(images, soft), labels)
            result[half] |= of_views(soft, self.hand[half])
            critic = getattr(trainer, "estimators", {"ensemble": None})["ensemble"]
            if isinstance(getattr(critic, "critic", None), BilinearCritic):
                result[half] |= of_critic(critic.critic, soft, self.hand[half])
        result["trust"] = getattr(getattr(trainer, "text_views", None), "trust", None)
        with replacing(cell.path) as partial:
            partial.write_text(json.dumps(result, indent=1))
        both = " / ".join(f"{result[half]['accuracy']:.1f}" for half in HALVES)
        stage, folder = self.place.stage, self.place.folder
        print(f"{stage} {folder} {cell.candidate.name} seed {cell.seed}: {both}", flush=True)

    @torch.no_grad()
    def class_features(self, trainer: PromptTrainer, half: str) -> Tensor:
        """The classifier [C, E] of a trained model for base or new classes."""
        trainer.set_model_mode("eval")
        if half == "base":
            return trainer.class_features()
        with contextlib.redirect_stdout(io.StringIO()):
            twin = trainer.beside(self.names["new"])
            twin.take_from(trainer)
            return twin.class_features()
