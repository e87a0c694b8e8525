"""CoOp: learn the words in front of the class name, keep CLIP frozen.

    t_c = [v_1] [v_2] ... [v_M] [class c] .        L = CE(logit_scale * <z, unit(g(t_c))>, y)

Paper: Learning to Prompt for Vision-Language Models, arXiv:2109.01134. Published code:
KaiyangZhou/CoOp at ff61507, trainers/coop.py. Differences: context vectors are fp32 in every
precision, and worded initialisation also works for class-specific contexts.
"""

from dataclasses import dataclass

from promptkit.config import ContextConfig, require

# Published names, which descendants import from here: see promptkit/coop_names.py.
from promptkit.coop_names import (  # noqa: F401
    CustomCLIP,
    PromptLearner,
    TextEncoder,
    load_clip_to_cpu,
)
from promptkit.prompts.context import POSITIONS, ContextPrompts
from promptkit.registry import register
from promptkit.trainer import PromptTrainer


@dataclass(frozen=True, kw_only=True)
class CoOpConfig(ContextConfig):
    """Options under TRAINER.COOP."""

    csc: bool = False  # class-specific context: one per class, which fits no other classes
    class_token_position: str = "end"  # where the class name stands: end | middle | front

    def __post_init__(self) -> None:
        super().__post_init__()
        require("class_token_position", self.class_token_position, POSITIONS)


@register
class CoOp(PromptTrainer):
    """Context optimisation."""

    Config = CoOpConfig

    def build_learner(self, classnames: list[str]) -> ContextPrompts:
        """The context, shared or class-specific."""
        return ContextPrompts(
            self.clip_model,
            classnames,
            num_context=self.options.n_ctx,
            init=self.options.ctx_init,
            class_specific=self.options.csc,
            position=self.options.class_token_position,
        )
