"""ATPrompt: words for attributes of the classes, behind learned tokens of their own, in the prompt.

    [v_1] .. [v_N] attribute 1 [v_1] .. [v_N] attribute 2 ... [c_1] .. [c_M] class .      L = CE

CoOp_ATP, CoCoOp_ATP and MaPLe_ATP put it into CoOp, CoCoOp and MaPLe: images move the context [c]
alone, and it alone is deep and mapped to the image encoder.

Paper: ATPrompt: Textual Prompt Learning with Embedded Attributes, arXiv:2412.09442. Published code:
zhengli97/ATPrompt at 86980a1, trainers/coop_atp.py, cocoop_atp.py and maple_atp.py. Its words are
data, see `promptkit.prompts.attributes`; the search for them is not here. As there, all learned
tokens start random, CoCoOp's and MaPLe's context too, and a prompt has the words of the data set
that it is tested on: tokens of a second or third attribute that the training set did not have are
as they were drawn. It counts each word as one token, and "playfulness" has two: OxfordPets' second
word is a placeholder there, "energy" is lost. The recipes keep that (WHOLE_WORDS False), the
default does not. Differences: everything learned is fp32.
"""

from dataclasses import dataclass

from torch import nn

from promptkit.conditional_trainer import ConditionalTrainer
from promptkit.config import OptionError, PromptConfig, require_range
from promptkit.prompts.attributes import (
    AttributePrompts,
    ConditionalAttributePrompts,
    MultiModalAttributePrompts,
    dataset_attributes,
)
from promptkit.registry import register
from promptkit.runs.published_config import PublishedConfig
from promptkit.trainer import PromptTrainer
from promptkit.vision_trainer import VisionPromptTrainer


@dataclass(frozen=True, kw_only=True)
class AttributeConfig(PromptConfig):
    """Options under TRAINER.COOP_ATP and TRAINER.COCOOP_ATP."""

    n_ctx: int = 2  # tokens of the context
    n_att: int = 0  # tokens before each attribute; 0: as many as N_CTX, as in all of the paper
    attributes: str = ""  # words, commas between them; "" takes the data set's
    whole_words: bool = True  # False counts each word as one token

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range("n_ctx", self.n_ctx, 1)
        require_range("n_att", self.n_att, 0)
        if self.attributes and not self.attributes.replace(",", " ").strip():
            raise OptionError(
                "ATTRIBUTES must be words with commas between them, such as 'color, shape', or '' "
                f"for the data set's; got {self.attributes!r}."
            )


@dataclass(frozen=True, kw_only=True)
class DeepAttributeConfig(AttributeConfig):
    """Options under TRAINER.MAPLE_ATP."""

    prompt_depth: int = 9  # layers of both encoders with prompts of their own


class WithAttributes:
    """The part of a trainer that knows its attributes; `Learner` is what it trains."""

    Learner: type[nn.Module]

    def build_learner(self, classnames: list[str]) -> nn.Module:
        """Context and the attributes' tokens, with what is the base's."""
        options = self.options
        return self.Learner(
            self.clip_model,
            classnames,
            num_context=options.n_ctx,
            words=dataset_attributes(self.dm.dataset, options.attributes),
            num_tokens=options.n_att or options.n_ctx,
            whole_words=options.whole_words,
            **self.further_arguments(),
        )

    def further_arguments(self) -> dict[str, int]:
        """Of the learner."""
        return {}


def _published(node: str, *names: str, **fixed: object) -> PublishedConfig:
    return PublishedConfig(
        keys={f"TRAINER.{node}.{name}": name for name in names},
        fixed={f"TRAINER.{node}.{name}": value for name, value in fixed.items()},
    )


@register
class CoOp_ATP(WithAttributes, PromptTrainer):
    """Context optimisation behind attributes."""

    Config, Learner = AttributeConfig, AttributePrompts
    published_config = _published("COOP", "N_CTX", "PREC", CSC=False, CLASS_TOKEN_POSITION="end")


@register
class CoCoOp_ATP(WithAttributes, ConditionalTrainer):
    """Conditional context optimisation behind attributes."""

    Config, Learner = AttributeConfig, ConditionalAttributePrompts
    published_config = _published("COCOOP", "N_CTX", "PREC", CTX_INIT="a photo of a")


@register
class MaPLe_ATP(WithAttributes, VisionPromptTrainer):
    """Multi-modal prompt learning behind attributes."""

    Config, Learner = DeepAttributeConfig, MultiModalAttributePrompts
    learner_name = "MultiModalPromptLearner"
    published_config = _published("MAPLE", "N_CTX", "PREC", "PROMPT_DEPTH", CTX_INIT="a photo of a")

    def further_arguments(self) -> dict[str, int]:
        """The depth."""
        return {"depth": self.options.prompt_depth}
