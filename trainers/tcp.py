"""TCP: tokens made from a class's hand-crafted features join in the middle of the text encoder.

    T_c = Linear(E/4, M D)(QuickGELU(Linear(E, E/4)(h_c)))      L = CE + W mean_c (1 - <s_c, h_c>)

The tokens T_c [M, D] replace the M context tokens at the input of text layer LAYER, 0 being the
first. Below it all classes share the learned context, from it on each has its own.

Paper: TCP: Textual-based Class-aware Prompt tuning for Visual-Language Model, arXiv:2311.18231.
Published code: htyao89/Textual-based_Class-aware_prompt_tuning at bd97bec, trainers/tcp.py. As
there, context starts random, the prompts have words behind the class name, h_c is the feature of a
sentence of its own, and Adam runs with eps 1e-3 (there by editing Dassl, here by ADAM_EPS).
Differences: its unused weight of the injection is left out; 25 epochs on ImageNet and SUN397 are a
recipe, not code; data sets that its tables do not name take their own sentence for h_c and
"X X X X <class>." for the prompt.
"""

from promptkit.class_aware_trainer import ClassAwareConfig, ClassAwareTrainer
from promptkit.registry import register
from promptkit.runs.published_config import under_coop


@register
class TCP(ClassAwareTrainer):
    """Textual-based class-aware prompt tuning; prompts and loss are the base's."""

    Config = ClassAwareConfig
    published_config = under_coop("N_CTX", "CTX_INIT", "W", "PREC", ctx_init="a photo of a")
