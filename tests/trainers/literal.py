"""CLIP and its prompts written out: one sequence at a time, loops over heads, float64.

The methods' own tests build their forward pass from these, independently of promptkit's encoders,
and compare logits, losses and the gradient of every trained tensor with the trainer's.
"""

from collections.abc import Callable

import clip
import torch
from torch import Tensor
from torch.nn import functional as F

from promptkit.backbones.backbone import Backbone

Layers = dict[int, Tensor]  # layer -> tokens [M, D] that replace the prompt at its input
Literal = Callable[[dict[str, Tensor], Tensor, Tensor], tuple[Tensor, dict[str, Tensor]]]


def norm(x: Tensor, layer: torch.nn.LayerNorm) -> Tensor:
    mean, variance = x.mean(-1, keepdim=True), x.var(-1, keepdim=True, unbiased=False)
    scaled = (x - mean) / (variance + layer.eps).sqrt()
    return scaled * layer.weight.double() + layer.bias.double()


def block(x: Tensor, module: clip.model.ResidualAttentionBlock, *, causal: bool) -> Tensor:
    """One residual attention block on one sequence [L, D]."""
    attention, (length, width) = module.attn, x.shape
    size = width // attention.num_heads
    packed = norm(x, module.ln_1) @ attention.in_proj_weight.double().T
    query, key, value = (packed + attention.in_proj_bias.double()).split(width, dim=1)
    heads = []
    for head in range(attention.num_heads):
        part = slice(head * size, (head + 1) * size)
        scores = query[:, part] @ key[:, part].T / size**0.5
        if causal:
            later = torch.ones(length, length).triu(1).bool()
            scores = scores.masked_fill(later, -torch.inf)
        heads.append(scores.softmax(dim=1) @ value[:, part])
    out = attention.out_proj
    x = x + torch.cat(heads, dim=1) @ out.weight.double().T + out.bias.double()
    first, second = module.mlp.c_fc, module.mlp.c_proj
    hidden = norm(x, module.ln_2) @ first.weight.double().T + first.bias.double()
    hidden = hidden * torch.sigmoid(1.702 * hidden)
    return x + hidden @ second.weight.double().T + second.bias.double()


def text_feature(
    model: Backbone, sentence: str, context: Tensor | None = None, layers: Layers | None = None,
    *, unit: bool = True,
) -> Tensor:  # fmt: skip
    """Unit feature [E] of a sentence whose tokens 1 to M are `context`, replaced in `layers`."""
    model, ids = model.model, clip.tokenize([sentence])[0]
    x = model.token_embedding.weight.double()[ids]
    if context is not None:
        x = torch.cat([x[:1], context, x[1 + len(context) :]])
    x = x + model.positional_embedding.double()
    for index, module in enumerate(model.transformer.resblocks):
        if layers and index in layers:
            x = torch.cat([x[:1], layers[index], x[1 + len(layers[index]) :]])
        x = block(x, module, causal=True)
    end = ids.tolist().index(49407)
    feature = norm(x, model.ln_final)[end] @ model.text_projection.double()
    return F.normalize(feature, dim=0) if unit else feature


def image_tokens(model: Backbone, image: Tensor) -> Tensor:
    """Class token and patches [L, D] of an image [3, H, W], with positions, before the norm."""
    visual = model.visual
    size = visual.conv1.kernel_size[0]
    filters = visual.conv1.weight.double().flatten(1)  # [D, 3 * size * size]
    patches = [
        filters @ image[:, row : row + size, column : column + size].flatten()
        for row in range(0, image.shape[1], size)
        for column in range(0, image.shape[2], size)
    ]
    x = torch.stack([visual.class_embedding.double(), *patches])
    return x + visual.positional_embedding.double()


def image_feature(
    model: Backbone, image: Tensor, layers: Layers | None = None, *, unit: bool = True
) -> Tensor:
    """Unit feature [E] of an image [3, H, W] with the tokens of each layer behind the patches."""
    visual, layers = model.visual, layers or {}
    x = image_tokens(model, image)
    own = len(x)
    for index, module in enumerate(visual.transformer.resblocks):
        if index in layers:
            x = torch.cat([x[:own], layers[index]])
        if index == 0:
            x = norm(x, visual.ln_pre)
        x = block(x, module, causal=False)
    feature = norm(x[0], visual.ln_post) @ visual.proj.double()
    return F.normalize(feature, dim=0) if unit else feature


def names_of(trainer) -> list[str]:
    return [name.replace("_", " ") for name in trainer.dm.dataset.classnames]


def scale_of(trainer) -> Tensor:
    return trainer.clip_model.logit_scale.double().exp()


def assert_trainer_is_literal(
    trainer, literal: Literal, *, without: tuple[str, ...] = ()
) -> dict[str, Tensor]:
    """Compares a trainer with `literal(parameters, images, labels) -> (logits, parts)`.

    In training mode all of `parts`, and the gradients of its "loss" for every trained tensor; in
    evaluation mode the logits. All parameters are moved first, so that nothing is at its start.
    Those that begin with one of `without` are of another stage and have no gradient. Returns the
    literal gradients.
    """
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in trainer.learner.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    images, labels = trainer.parse_batch_train(next(iter(trainer.train_loader_x)))
    images, labels = images[:4], labels[:4]
    named = {n: p for n, p in trainer.learner.named_parameters() if not n.startswith(without)}
    copies = {name: p.detach().double().requires_grad_() for name, p in named.items()}
    logits, parts = literal(copies, images.double(), labels)
    expected = torch.autograd.grad(parts["loss"], list(copies.values()), retain_graph=True)

    trainer.set_model_mode("train")
    found = trainer.loss(images, labels, *trainer.drawn(labels))
    for name, value in parts.items():
        torch.testing.assert_close(found[name].double(), value, rtol=1e-5, atol=1e-6)
    if without:
        others = [p for name, p in trainer.learner.named_parameters() if name not in named]
        assert not any(torch.autograd.grad(
            found["loss"], others, retain_graph=True, allow_unused=True
        ))  # fmt: skip
    gradients = torch.autograd.grad(found["loss"], list(named.values()))
    for name, gradient, wanted in zip(named, gradients, expected, strict=True):
        assert wanted.abs().max() > 0, f"{name} has no gradient at all"
        error = (gradient - wanted).abs().max() / wanted.abs().max()
        assert error < 1e-5, (name, float(error))

    trainer.set_model_mode("eval")
    images = images if images.dim() == 4 else images[:, 0]  # the first version of each
    error = (trainer.model_inference(images) - logits).abs().max() / logits.abs().max()
    assert error < 1e-5, float(error)
    return dict(zip(named, expected, strict=True))


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    rows = torch.arange(len(labels))
    return -(logits[rows, labels] - logits.exp().sum(1).log()).mean()
