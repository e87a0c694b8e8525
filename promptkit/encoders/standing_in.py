"""Tensors in the place of CLIP's own while it encodes: how methods change CLIP itself.

What is trained is a learner's, as everywhere; CLIP is as it was outside of these contexts, and no
state dict of it ever holds anything else.
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping

from torch import Tensor, nn

from promptkit.backbones.backbone import Backbone
from promptkit.backbones.installed_clip import VisionTransformer

TEXT, IMAGES = "text", "images"  # the encoders


@contextlib.contextmanager
def standing_in(module: nn.Module, name: str, tensor: Tensor) -> Iterator[None]:
    """A module that computes with `tensor` in the place of its parameter `name`.

    Gradients flow to the tensor; it is cast to the parameter's type.
    """
    vars(module)[name] = tensor.to(getattr(module, name).dtype)  # is found before parameters are
    try:
        yield
    finally:
        del vars(module)[name]


class TunedTensors(nn.Module):
    """Copies of some of CLIP's tensors, which are trained.

    They are of the type of CLIP's: where PREC fp16 halves it, its matrices' copies are half
    precision, too, as where published code tunes CLIP in place.

    Args:
        model: the frozen CLIP.
        names: of TEXT and IMAGES, parameters of `model.model` by their dotted names.
    """

    def __init__(self, model: Backbone, names: Mapping[str, Iterable[str]]) -> None:
        super().__init__()
        self.names = {encoder: tuple(own) for encoder, own in names.items()}
        for own in self.names.values():
            for name in own:
                copy = model.model.get_parameter(name).detach().clone()
                self.register_parameter(key_of(name), nn.Parameter(copy))

    @contextlib.contextmanager
    def applied(self, model: Backbone, encoder: str) -> Iterator[None]:
        """One encoder of `model` has the copies; afterwards it is as it was."""
        with contextlib.ExitStack() as stack:
            for name in self.names[encoder]:
                path, _, own = name.rpartition(".")
                module = model.model.get_submodule(path)
                stack.enter_context(standing_in(module, own, getattr(self, key_of(name))))
            yield


def key_of(name: str) -> str:
    """What a copy is called: a parameter's name has no dots."""
    return name.replace(".", "-")


def layer_norms(model: Backbone, *, outer: bool) -> dict[str, list[str]]:
    """Names of the weights and biases of layer norms in the layers of both encoders.

    Args:
        model: the CLIP.
        outer: those before and behind the layers, too.

    Raises:
        ValueError: the image encoder has no layers with tokens (a ResNet).
    """
    if model.image_tokens is None:
        raise ValueError("its image encoder has no layer norms")
    layers = {TEXT: model.text_blocks, IMAGES: model.image_tokens.blocks}
    sides = {TEXT: model.text, IMAGES: model.visual}
    found: dict[str, list[str]] = {}
    for encoder, blocks in layers.items():
        inner = {id(module) for block in blocks for module in block.modules()}
        ends = {id(module) for module in sides[encoder].children() if outer}
        found[encoder] = [
            f"{name}.{own}"
            for name, module in model.model.named_modules()
            if isinstance(module, nn.LayerNorm) and id(module) in inner | ends
            for own, _ in module.named_parameters()
        ]
    return found


def upper_tensors(model: Backbone, layer: int) -> dict[str, list[str]]:
    """Names of all tensors of both encoders from a layer on, what is behind the layers included.

    Raises:
        ValueError: the image encoder is not OpenAI's vision transformer, or has no such layer.
    """
    if not isinstance(model.visual, VisionTransformer):
        raise ValueError("its image encoder is not OpenAI's vision transformer")
    layers = min(len(model.text_blocks), len(model.image_tokens.blocks))
    if not 0 <= layer < layers:
        raise ValueError(f"its encoders have layers from 0 to {layers - 1}, not {layer}")
    found = {}
    for encoder, side, blocks, behind in (
        (TEXT, model.text, model.text_blocks, ("ln_final.", "text_projection")),
        (IMAGES, model.visual, model.image_tokens.blocks, ("ln_post.", "proj")),
    ):
        tuned = {id(p) for block in blocks[layer:] for p in block.parameters()}
        tuned |= {id(p) for name, p in side.named_parameters() if name.startswith(behind)}
        found[encoder] = [name for name, p in model.model.named_parameters() if id(p) in tuned]
    return found
