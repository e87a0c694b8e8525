"""The base of TCP and of what is built on it: class-aware prompts, held near hand-crafted ones."""

from dataclasses import dataclass

from promptkit.config import require_range
from promptkit.guided_trainer import GuidedConfig, GuidedTrainer
from promptkit.prompts.class_aware import ENDINGS, TEMPLATES, ClassAwarePrompts
from promptkit.prompts.templates import dataset_template


@dataclass(frozen=True, kw_only=True)
class ClassAwareConfig(GuidedConfig):
    """What TCP and its descendants take."""

    layer: int = 8  # text layer at whose input the class-aware tokens come in
    adam_eps: float = 1e-3  # of adam, amsgrad, adamw; without it half precision overflows

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range("layer", self.layer, 1)
        require_range("adam_eps", self.adam_eps, 0, open_low=True)


class ClassAwareTrainer(GuidedTrainer):
    """Learns a context and the net that makes each class's tokens."""

    def build_learner(self, classnames: list[str]) -> ClassAwarePrompts:
        """Context and net."""
        dataset, options = self.dm.dataset, self.options
        layers = len(self.clip_model.text_blocks)
        if options.layer >= layers:
            raise ValueError(
                f"{self.node}.LAYER must be from 1 to {layers - 1}, this backbone has {layers} "
                f"text layers; got {options.layer}."
            )
        template = dataset_template(dataset, self.cfg.DATASET.TEMPLATE, published=TEMPLATES)
        self.hand_crafted = self.hand_crafted_features(classnames, (template,))
        return ClassAwarePrompts(
            self.clip_model, classnames, num_context=options.n_ctx, init=options.ctx_init,
            ending=ENDINGS.get(type(dataset).__name__, "{}."), hand_crafted=self.hand_crafted,
            layer=options.layer,
        )  # fmt: skip

    def build_model(self) -> None:
        """As the base's, with Adam's eps."""
        super().build_model()
        for group in self.optim.param_groups:
            if "eps" in group:
                group["eps"] = self.options.adam_eps
