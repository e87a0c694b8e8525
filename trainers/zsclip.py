"""Zero-shot CLIP: hand-crafted sentences, nothing is trained.

`ZeroshotCLIP` fills the data set's one template; `ZeroshotCLIP2` averages the normalised features
of the seven selected ImageNet templates and, but for ImageNet, the data set's own.

Paper: Learning Transferable Visual Models From Natural Language Supervision, arXiv:2103.00020.
Published code: KaiyangZhou/CoOp at ff61507, trainers/zsclip.py, which adds the data set's template
to a list of the module, once more for each trainer built in a process; here nothing is shared.
"""

from torch import Tensor

from promptkit.prompts.templates import (
    CUSTOM_TEMPLATES,  # noqa: F401  (published name, see promptkit/coop_names.py)
    benchmark_name,
    dataset_template,
    ensemble_templates,
)
from promptkit.registry import register
from promptkit.trainer import PromptTrainer


@register
class ZeroshotCLIP(PromptTrainer):
    """CLIP with the data set's template."""

    takes_initial_weights = False
    has_optimizer = False

    def templates(self) -> tuple[str, ...]:
        """The sentences whose features are averaged."""
        return (dataset_template(self.dm.dataset, self.cfg.DATASET.TEMPLATE),)

    def build_model(self) -> None:
        """Loads CLIP and encodes the sentences; registers no model."""
        self.load_frozen_clip()
        templates, names = self.templates(), self.dm.dataset.classnames
        print(f"Prompt ensembling (n={len(templates)}): {list(templates)}")
        self.hand_crafted = self.hand_crafted_features(names, templates)

    def class_features(self) -> Tensor:
        """Hand-crafted text features [C, E] in unit norm."""
        return self.hand_crafted

    def train(self) -> None:
        """Refuses: there is nothing to train."""
        raise ValueError(f"{type(self).__name__} trains nothing. Run it with --eval-only.")


@register
class ZeroshotCLIP2(ZeroshotCLIP):
    """CLIP with an ensemble of templates."""

    def templates(self) -> tuple[str, ...]:
        """The selected seven and the data set's own."""
        return ensemble_templates(*super().templates(), benchmark_name(self.dm.dataset))
