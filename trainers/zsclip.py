"""Zero-shot CLIP: hand-crafted sentences, nothing is trained.

`ZeroshotCLIP` fills the data set's one template, or averages sentences about each class;
`ZeroshotCLIP2` averages the normalised features of the seven selected ImageNet templates and, but
for ImageNet, the data set's own.

Paper: Learning Transferable Visual Models From Natural Language Supervision, arXiv:2103.00020.
Published code: KaiyangZhou/CoOp at ff61507, trainers/zsclip.py, which adds the data set's template
to a list of the module, once more for each trainer built in a process; here nothing is shared.
"""

from dataclasses import dataclass

from torch import Tensor

from promptkit.config import PromptConfig, require
from promptkit.descriptions import DESCRIPTIONS
from promptkit.prompts.templates import (
    CUSTOM_TEMPLATES,  # noqa: F401  (published name, see promptkit/coop_names.py)
    benchmark_name,
    dataset_template,
    ensemble_templates,
)
from promptkit.registry import register
from promptkit.trainer import PromptTrainer


@dataclass(frozen=True, kw_only=True)
class ZeroshotCLIPConfig(PromptConfig):
    """Options under TRAINER.ZEROSHOTCLIP."""

    templates: str = "single"  # single: the data set's | descriptions: DATASET.DESCRIPTIONS

    def __post_init__(self) -> None:
        super().__post_init__()
        require("templates", self.templates, ("single", DESCRIPTIONS))


@register
class ZeroshotCLIP(PromptTrainer):
    """CLIP with the data set's template, or with sentences about the classes."""

    Config = ZeroshotCLIPConfig
    takes_initial_weights = False
    has_optimizer = False

    def templates(self) -> tuple[str, ...]:
        """The sentences whose features are averaged."""
        return (dataset_template(self.dm.dataset, self.cfg.DATASET.TEMPLATE),)

    def build_model(self) -> None:
        """Loads CLIP and encodes the sentences; registers no model."""
        self.load_frozen_clip()
        templates = self.templates()
        if not self.cfg.DATASET.DESCRIPTIONS:
            print(f"Prompt ensembling (n={len(templates)}): {list(templates)}")
        self.hand_crafted = self.hand_crafted_view(templates)

    def class_features(self) -> Tensor:
        """Hand-crafted text features [C, E] in unit norm."""
        return self.hand_crafted

    def train(self) -> None:
        """Refuses: there is nothing to train."""
        raise ValueError(f"{type(self).__name__} trains nothing. Run it with --eval-only.")


@register
class ZeroshotCLIP2(ZeroshotCLIP):
    """CLIP with an ensemble of templates."""

    Config = PromptConfig

    def templates(self) -> tuple[str, ...]:
        """The selected seven and the data set's own."""
        return ensemble_templates(*super().templates(), benchmark_name(self.dm.dataset))
