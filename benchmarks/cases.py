"""The measured cases, each a fast way and its reference way of the same computation."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.measure import TOLERANCE, Ratio, compare, median_time, seconds, shares
from benchmarks.subjects import Subject, make_trainer
from promptkit.compiling import compiled
from promptkit.encoders.image_encoder import encode_image
from promptkit.frozen_features import unit
from promptkit.trainer import PromptTrainer

# Method, images in a batch, whether they come as stored features.
STEPS = (
    ("CoOp", 32, True),
    ("KgCoOp", 32, True),
    ("DeKg", 32, True),
    ("DePT", 4, True),
    ("E2MIM", 32, True),
    ("CoOp_ATP", 32, True),
    ("ProText", 32, True),
    ("CoOp", 32, False),
    ("CoCoOp", 1, True),
    ("CoCoOp", 8, True),
    ("MaPLe", 4, False),
    ("MaPLe_ATP", 4, False),
    ("PromptSRC", 4, False),
    ("LASP", 4, False),
    ("CoPrompt", 4, False),
    ("TwoSFS", 4, False),
    ("MMRL", 4, False),
    ("MMA", 4, False),
    ("MMA", 16, False),
    ("MMRLpp", 4, False),
    ("SkipTuning", 4, False),
)
Way = Callable[[], list[Tensor]]
HALF_TOLERANCE = 0.1  # sums in another order, of numbers with two or three digits


def twins(
    name: str,
    subject: Subject,
    batch_size: int,
    encoders: tuple[str, str] = ("fast", "reference"),
) -> tuple[PromptTrainer, ...]:
    """The same trainer with two text encoders, equal weights."""
    fast, reference = (
        make_trainer(name, subject, batch_size=batch_size, encoder=encoder) for encoder in encoders
    )
    reference.learner.load_state_dict(copy.deepcopy(fast.learner.state_dict()))
    return fast, reference


def text(subject: Subject, *, repeats: int, reference: bool = True) -> tuple[Ratio, int, float]:
    """Text features of all classes, forward and backward (CoOp, 4 context tokens).

    Returns:
        The comparison (without the reference: the fast way alone), the number of distinct
        tokens, and the floating-point operations of the fast way's linear layers. Weights are
        frozen, so the backward pass costs what the forward pass does; of the last layer only the
        ends of text are finished, and the class names' tokens need no gradient in the first.
    """
    fast, slow = twins("CoOp", subject, 32)
    prompts = fast.prompts()
    width, layers = prompts.prefix.shape[1], len(fast.clip_model.text_blocks)
    nodes = len(prompts.tree.source)
    tokens = len(prompts.prefix) + nodes
    weights = 12 * (layers - 1) * tokens + 2 * tokens + 10 * len(prompts.tree)  # in width ** 2
    operations = 2 * width**2 * (2 * weights - 3 * nodes)
    other = _text_way(slow) if reference else None
    return _ratio(_text_way(fast), other, repeats, subject), tokens, operations


def _ratio(
    fast: Callable, reference: Callable | None, repeats: int, subject: Subject, factor: float = 1
) -> Ratio:
    """Both ways; `factor` is of the tolerance in fp32. Without the reference the fast way alone."""
    if reference is None:
        return median_time(fast, repeats=repeats)
    if subject.device == "cuda":  # the kernels of both shapes differ more than on a CPU
        factor *= 10
    tolerance = factor * TOLERANCE if subject.precision == "fp32" else HALF_TOLERANCE
    return compare(fast, reference, repeats=repeats, tolerance=tolerance)


def _text_way(trainer: PromptTrainer) -> Callable[[], list[Tensor]]:
    size = trainer.dm.num_classes, trainer.clip_model.embed_dim
    weight = torch.randn(size, generator=torch.Generator().manual_seed(0)).to(trainer.device)

    def run() -> list[Tensor]:
        trainer.learner.zero_grad()
        with trainer.precision.autocast():
            features = trainer.text_features()
        (features * weight).sum().backward()
        return [features.detach(), trainer.learner.ctx.grad]

    return run


def batch_of(trainer: PromptTrainer, stored: bool) -> tuple[Tensor, Tensor]:
    """A training batch, images or what is stored or kept of them, and its labels."""
    images, labels = trainer.parse_batch_train(next(iter(trainer.train_loader_x)))
    if tokens_of := getattr(trainer, "tokens", None):  # an epoch's are computed before it
        return tokens_of(images), labels
    if stored:
        with trainer.precision.autocast():
            images = trainer.image_features(images)
    return images, labels


def step_way(
    trainer: PromptTrainer, loss: Callable, images: Tensor, labels: Tensor, *, parts: int = 1
) -> Callable[[], list[Tensor]]:
    """A step without the optimiser, `parts` of the batch one after the other; loss and gradients.

    ProGrad's two losses are added, as the gradients of their sum say as much of either path.
    """

    def run() -> list[Tensor]:
        torch.manual_seed(0)  # what a step draws is the same for both
        if generator := getattr(trainer, "generator", None):  # of mixup
            generator.manual_seed(0)
        trainer.learner.zero_grad()
        losses = []
        for some, theirs in zip(images.chunk(parts), labels.chunk(parts), strict=True):
            with trainer.precision.autocast():
                found = loss(some, theirs, *trainer.drawn(theirs))
            total = found["loss"] if "loss" in found else found["xe_loss"] + found["kl_loss"]
            losses.append(total / parts)
            losses[-1].backward()
        gradients = [p.grad for p in trainer.learner.parameters() if p.grad is not None]
        return [torch.stack(losses).detach().sum()[None], *gradients]

    return run


def compiled_step(
    name: str, batch_size: int, stored: bool, subject: Subject, *, repeats: int
) -> tuple[Ratio, float, Way, Way]:
    """A step as one program against the same step as it is; and the seconds of compiling it.

    On a CPU with the program's kernels named, which `launches.kernels_of_program` counts.
    """
    ours, plain = twins(name, subject, batch_size, ("fast", "fast"))
    images, labels = batch_of(plain, stored)
    way = step_way(ours, compiled(ours.loss, ours.device), images, labels)
    first = seconds(way)
    plain_way = step_way(plain, plain.loss, images, labels)
    ratio = _ratio(way, plain_way, repeats, subject, factor=10)
    return ratio, first - ratio.fast_sec, way, plain_way


def step(
    name: str,
    batch_size: int,
    stored: bool,
    subject: Subject,
    *,
    repeats: int,
    reference: bool = True,
) -> tuple[Ratio, dict[str, float], float | None]:
    """Loss and gradients of one training batch; without the optimiser, so that they stay equal.

    Returns:
        The comparison (without the reference: the fast way alone); the fast step's profile, see
        `shares`; and the seconds of a step whose text features cost nothing: where images are
        encoded, no text encoder makes the step faster than that (None for stored features).
    """
    fast, slow = twins(name, subject, batch_size)
    images, labels = batch_of(fast, stored)

    # Each image has its own prompts, and 8 x 100 of them in 77 tokens would take 29 GB: one at a
    # time, with the loss's mean taken over their backward passes, they cost the same.
    apart = len(images) if name == "CoCoOp" else 1
    ours = step_way(fast, fast.loss, images, labels)
    theirs = step_way(slow, slow.loss, images, labels, parts=apart) if reference else None
    # The reference sums in another order, and gradients through twelve layers amplify it.
    ratio = _ratio(ours, theirs, repeats, subject, factor=10)
    profile = shares(ours, subject.device)
    if stored:
        return ratio, profile, None
    with fast.precision.autocast():
        features = fast.text_features().detach()
    fast.text_features = lambda: features.clone().requires_grad_()
    return ratio, profile, median_time(ours, repeats=repeats).fast_sec


def evaluation(
    subject: Subject, *, repeats: int, reference: bool = True
) -> tuple[Ratio, int, float]:
    """Logits of a test set; the reference encodes all classes again for every batch.

    The reference's convolutions are in the published code's memory layout.

    Returns:
        The comparison (without the reference: the fast way alone), the number of images, and the
        fast way's share of the bare image encoder's rate.
    """
    fast, slow = twins("CoOp", subject, 32)
    slow.clip_model.visual.to(memory_format=torch.contiguous_format)
    batches = [batch["img"].to(fast.device) for batch in fast.dm.test_loader]

    def cached() -> list[Tensor]:
        fast.set_model_mode("eval")  # forgets the classes: they are part of an evaluation
        return [torch.cat([fast.model_inference(images) for images in batches])]

    def again() -> list[Tensor]:
        logits = []
        with torch.no_grad(), slow.precision.autocast():
            for images in batches:
                features = unit(slow.clip_model.encode_image(images))
                logits.append(slow.logits(features, slow.text_features()))
        return [torch.cat(logits)]

    def bare() -> list[Tensor]:
        with torch.no_grad(), fast.precision.autocast():
            return [torch.cat([encode_image(fast.clip_model, images) for images in batches])]

    ratio = _ratio(cached, again if reference else None, repeats, subject, factor=10)
    alone = median_time(bare, repeats=repeats)
    return ratio, sum(map(len, batches)), alone.fast_sec / ratio.fast_sec
