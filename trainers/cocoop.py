"""CoCoOp: CoOp whose context is moved by each image.

    v_m(x) = v_m + h(z),   h = Linear(E, E/16) - ReLU - Linear(E/16, D)      L = CE

z is the image feature in unit norm. Every image has its own text features of all classes, which
costs B x C sequences a step: the start of each image's prompts is encoded once for all classes,
and CHUNK bounds how many sequences are alive at a time (with more than one chunk, what is in
between is computed again in the backward pass).

Paper: Conditional Prompt Learning for Vision-Language Models, arXiv:2203.05557. Published code:
KaiyangZhou/CoOp at ff61507, trainers/cocoop.py, which trains with batch size 1 for memory's sake;
the recipes keep it, any other works. Differences: the meta-net is fp32 in every precision; CTX_INIT
counts in tokens, see `promptkit.prompts.initial_context.all_words`.
"""

from promptkit.conditional_trainer import ConditionalTrainer
from promptkit.config import ContextConfig
from promptkit.prompts.conditional import ConditionalPrompts
from promptkit.registry import register


@register
class CoCoOp(ConditionalTrainer):
    """Conditional context optimisation; step and logits are the base's."""

    Config = ContextConfig

    def build_learner(self, classnames: list[str]) -> ConditionalPrompts:
        """Context and meta-net."""
        options = self.options
        return ConditionalPrompts(
            self.clip_model, classnames, num_context=options.n_ctx, init=options.ctx_init
        )
