"""KgCoOp: CoOp whose text features are held near those of the hand-crafted sentence.

    L = CE + W * mean_c (1 - <s_c, h_c>)

s_c is the text feature of class c with the learned context, h_c the frozen one of the data set's
hand-crafted sentence, both in unit norm. W = 0 is CoOp.

Paper: Visual-Language Prompt Tuning with Knowledge-guided Context Optimization, arXiv:2303.13283.
Published code: htyao89/KgCoOp at c43ccc3, trainers/kgcoop.py. Its table of sentences is
CoOp's but for DTD; DATASET.TEMPLATE sets another. Differences: modules that the published code
builds but never uses are left out.
"""

from promptkit.guided_trainer import GuidedContextConfig, GuidedContextTrainer
from promptkit.registry import register
from promptkit.runs.published_config import under_coop


@register
class KgCoOp(GuidedContextTrainer):
    """Knowledge-guided context optimisation; context and loss are the base's."""

    Config = GuidedContextConfig
    published_config = under_coop("N_CTX", "CTX_INIT", "W", "PREC", ctx_init="a photo of a")
