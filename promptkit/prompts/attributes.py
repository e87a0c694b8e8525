"""ATPrompt's slots: attribute words, each behind learned tokens of its own, before the context."""

from torch import Tensor, nn

from promptkit.backbones.backbone import Backbone
from promptkit.encoders.text_encoder import Prompts
from promptkit.prompts.conditional import ConditionalPrompts
from promptkit.prompts.initial_context import random_context
from promptkit.prompts.multi_modal import MultiModalPrompts
from promptkit.prompts.sentences import SentenceSlots
from promptkit.prompts.templates import benchmark_name

INIT_STD = 0.01  # of the attributes' tokens
LEAST = 3  # contexts that there always are, as in the published code, trained or not

OF_IMAGENET = ("color", "shape")
# What the paper's search among five words of a language model found on each training set.
ATTRIBUTES = {
    "ImageNet": OF_IMAGENET,
    "ImageNetV2": OF_IMAGENET,
    "ImageNetSketch": OF_IMAGENET,
    "ImageNetA": OF_IMAGENET,
    "ImageNetR": OF_IMAGENET,
    "Caltech101": ("shape", "size"),
    "OxfordPets": ("playfulness", "energy"),
    "StanfordCars": ("luxury",),
    "OxfordFlowers": ("color", "habitat", "growth"),
    "Food101": ("flavor", "preparation"),
    "FGVCAircraft": ("design", "range"),
    "SUN397": ("function",),
    "DescribableTextures": ("pattern", "color", "design"),
    "EuroSAT": ("habitat",),
    "UCF101": ("precision",),
}


def dataset_attributes(dataset: object, override: str = "") -> tuple[str, ...]:
    """The attribute words of a data set.

    The first of these counts: `override`, words with commas between them; `ATTRIBUTES` by the
    benchmark that it is, or stands for; its attribute `attributes`; ImageNet's.
    """
    if override:
        return tuple(word.strip() for word in override.split(",") if word.strip())
    published = ATTRIBUTES.get(benchmark_name(dataset))
    return published or tuple(getattr(dataset, "attributes", OF_IMAGENET))


class AttributeSlots(SentenceSlots):
    """`SentenceSlots` with learned tokens and a word for each attribute in front of the context.

    Its parameters are `ctx_att1`, `ctx_att2`, ... [N, D], of N(0, 0.01); contexts beyond the number
    of words are kept and not trained.

    Args:
        model: the CLIP whose embeddings are used.
        classnames: C names.
        words: the attributes.
        num_context: M, tokens of the context.
        num_tokens: N, tokens before each attribute.
        whole_words: False keeps one token of the sentence for each attribute, as the published code
            does: the places are then off where a word has several.
    """

    def __init__(
        self,
        model: Backbone,
        classnames: list[str],
        *,
        words: tuple[str, ...],
        num_context: int,
        num_tokens: int,
        whole_words: bool = True,
    ) -> None:
        tokenizer = model.tokenizer
        own, context = tokenizer.placeholder(num_tokens), tokenizer.placeholder(num_context)
        super().__init__(
            model,
            classnames,
            template=" ".join([*(f"{own} {word}" for word in words), context, "{}."]),
            num_slots=num_context,
            before=[(num_tokens, tokenizer.count(x) if whole_words else 1) for x in words],
        )
        print(f"Attributes: {', '.join(words)}")
        for number in range(max(LEAST, len(words))):
            vectors = nn.init.normal_(self.start.new_empty(num_tokens, self.start.shape[1]),
                                      std=INIT_STD)  # fmt: skip
            if number < len(words):
                self.register_parameter(f"ctx_att{number + 1}", nn.Parameter(vectors))
            else:
                self.register_buffer(f"ctx_att{number + 1}", vectors)

    def contexts(self) -> list[Tensor]:
        """The learned tokens of each attribute, [N, D] each."""
        return [getattr(self, f"ctx_att{number + 1}") for number in range(len(self.before))]

    def forward(self, context: Tensor, **others: object) -> Prompts:
        """As `SentenceSlots`, with the attributes' own tokens."""
        return super().forward(context, before=self.contexts(), **others)


class AttributePrompts(nn.Module):
    """CoOp's learned context, shared by the classes, behind attributes.

    Args:
        model: the CLIP whose embeddings are used.
        classnames: C names.
        num_context: M.
        attributes: the further arguments of `AttributeSlots`.
    """

    def __init__(
        self, model: Backbone, classnames: list[str], *, num_context: int, **attributes: object
    ) -> None:
        super().__init__()
        self.ctx = nn.Parameter(random_context(model, num_context).vectors)
        self.slots = AttributeSlots(model, classnames, num_context=num_context, **attributes)

    published_unused = ("token_middle",)

    @property
    def published_names(self) -> dict[str, str]:
        """The names of the attributes' tokens and the published ones."""
        return _published(self)

    def forward(self) -> Prompts:
        """The prompts of all classes."""
        return self.slots(self.ctx)


class ConditionalAttributePrompts(ConditionalPrompts):
    """CoCoOp's, whose images move the context alone; arguments are `AttributePrompts`'."""

    def __init__(
        self, model: Backbone, classnames: list[str], *, num_context: int, **attributes: object
    ) -> None:
        super().__init__(model, classnames, num_context=num_context, init="")
        self.slots = AttributeSlots(model, classnames, num_context=num_context, **attributes)

    published_unused = ("token_middle",)

    @property
    def published_names(self) -> dict[str, str]:
        """The names of the attributes' tokens and the published ones."""
        return _published(self)


class MultiModalAttributePrompts(MultiModalPrompts):
    """MaPLe's, of which the context alone is deep and mapped; `depth` and `AttributePrompts`'."""

    def __init__(
        self, model: Backbone, classnames: list[str], *, num_context: int, depth: int,
        **attributes: object,
    ) -> None:  # fmt: skip
        super().__init__(model, classnames, num_context=num_context, depth=depth, init="")
        self.slots = AttributeSlots(model, classnames, num_context=num_context, **attributes)

    published_unused = ("prompt_learner.token_middle",)

    @property
    def published_names(self) -> dict[str, str]:
        """The names of all tensors and the published ones."""
        own = {name: f"prompt_learner.{name}" for name in _published(self).values()}
        others = {k: v for k, v in super().published_names.items() if not k.startswith("slots.")}
        return others | {f"slots.{name}": theirs for name, theirs in own.items()}


def _published(learner: nn.Module) -> dict[str, str]:
    slots = learner.slots
    names = [*dict(slots.named_parameters()), *dict(slots.named_buffers())]
    return {f"slots.{name}": name for name in names if name.startswith("ctx_att")}
