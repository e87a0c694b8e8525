"""Hand-crafted views that E2MIM holds its soft one to: of classes, and of names that are none."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from promptkit.config import require, require_range
from promptkit.encoders.text_encoder import ENCODERS
from promptkit.frozen_features import unit
from promptkit.objectives.informative_views import cross_entropies, most_informative
from promptkit.objectives.trust import trust
from promptkit.prompts.templates import IMAGENET_TEMPLATES
from promptkit.prompts.vocabulary import VocabularyPrompts, read_vocabulary


@dataclass(frozen=True, kw_only=True)
class VocabularyConfig:
    """Names beside the classes' in the estimate of the text views (TRAINER.E2MIM.VOCABULARY)."""

    file: str = ""  # text file with a name a line, that are no classes of the data set; "" is none
    # negatives: their hand-crafted features stand against the soft ones | pairs: so do soft ones of
    # theirs, and theirs are held together, too
    as_: str = "negatives"
    count: int = 32  # so many names an epoch are pairs

    def __post_init__(self) -> None:
        require("as_", self.as_, ("negatives", "pairs"))
        require_range("count", self.count, 2)


class TextViews:
    """Hand-crafted views that stand against a trainer's soft one.

    Args:
        trainer: with its learner; its `terms` are `trust`, `templates`, `views`, `margin` and
            `vocabulary`.
        sentences: of the hand-crafted view.

    Attributes:
        own: the hand-crafted view [C, E] in unit norm.
        chosen: K views [K, C, E] of the classes, `own` alone until the shots choose others.
        trust: what the weight of the term is multiplied with; 1 until the shots are looked at.
    """

    def __init__(self, trainer: Any, sentences: tuple[str, ...]) -> None:
        self.trainer, self.sentences = trainer, sentences
        self.trust = 1.0
        if not trainer.classes_alone or trainer.terms.ensemble:  # else only a loss asks for them
            self.own = trainer.hand_crafted_view(sentences, trainer.terms)
            self.chosen = self.own[None]
        self.names: list[str] = []
        self.words: VocabularyPrompts | None = None
        self.of_names: Tensor | None = None  # views [K, R, E] of the vocabulary

    def open_vocabulary(self) -> None:
        """Encodes the names of the vocabulary, if there is one."""
        trainer, vocabulary = self.trainer, self.trainer.terms.vocabulary
        if not vocabulary.file:
            return
        dataset = trainer.dm.dataset
        classes = [*dataset.classnames, *getattr(dataset, "other_classnames", ())]
        key = f"TRAINER.{type(trainer).__name__.upper()}.VOCABULARY.FILE"
        self.names = read_vocabulary(vocabulary.file, classes, key=key)
        self.of_names = trainer.hand_crafted_features(self.names, self.sentences)[None]
        if vocabulary.as_ == "pairs":
            context = trainer.learner.ctx
            self.words = VocabularyPrompts(
                trainer.clip_model, self.names, context, vocabulary.count
            )

    def look_at(self, shots: Tensor, labels: Tensor) -> None:
        """Chooses views and sets trust by features [N, E] of the shots with labels [N]."""
        options = self.trainer.terms
        if options.templates == "chosen":
            self._choose(shots, labels)
        if options.trust == "shots":
            self.trust = trust(shots, labels, unit(self.chosen.float().mean(0)))
            print(f"Trust in the hand-crafted view: {self.trust:.3f} of ALPHA {options.alpha}")

    def _choose(self, shots: Tensor, labels: Tensor) -> None:
        trainer, options = self.trainer, self.trainer.terms
        sentences = list(dict.fromkeys((*self.sentences, *IMAGENET_TEMPLATES)))
        classnames = trainer.dm.dataset.classnames
        views = torch.stack([trainer.hand_crafted_features(classnames, (x,)) for x in sentences])
        losses = cross_entropies(shots, labels, views, trainer.logit_scale)
        rows = most_informative(losses, own=0, count=options.views, margin=options.margin)
        print(f'Cross-entropy of the shots: "{sentences[0]}" {losses[0]:.3f}; of the views used:')
        for row in rows:
            print(f'  "{sentences[row]}" {losses[row]:.3f}')
        self.chosen = views[rows]
        if self.names:
            of_names = [trainer.hand_crafted_features(self.names, (sentences[r],)) for r in rows]
            self.of_names = torch.stack(of_names)

    def draw(self, generator: torch.Generator) -> None:
        """Chooses the names that stand as pairs until the next call."""
        if self.words:
            self.words.draw(generator)

    def beside(self, soft: Tensor) -> tuple[Tensor, Tensor]:
        """Both sides of the estimates: soft features [N, E], views [K, N + R, E].

        Args:
            soft: of the classes [C, E]; where names are pairs, N is C and theirs.
        """
        if self.of_names is None:
            return soft, self.chosen
        of_names = self.of_names
        if self.words:
            encode = ENCODERS[self.trainer.options.text_encoder]
            soft = torch.cat([soft, unit(encode(self.trainer.clip_model, self.words()))])
            of_names = of_names[:, self.words.rows]
        return soft, torch.cat([self.chosen, of_names], dim=1)
