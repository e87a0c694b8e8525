"""Several trainers train in step: their contexts go through the text encoder as one.

Of a small text encoder most of a step's time is the calls, not the products, and beginnings of a
prompt may be several (`Prompts.prefix`, [A, P, D]). So each trainer keeps its own loss, batches,
optimisers and schedule, and gets its slice of text features that are encoded together; the losses'
sum goes backward. Prompts share no parameter, so each trainer learns what it would by itself, up to
rounding.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from dassl.data.seeded import begin_epoch
from promptkit.encoders.text_encoder import encode_prompts
from promptkit.frozen_features import unit
from promptkit.trainer import PromptTrainer
from trainers.prograd import ProGrad, projected


def train_in_step(trainers: Sequence[PromptTrainer]) -> None:
    """Trains all to the end; nothing is saved or tested.

    Args:
        trainers: in fp32, of one frozen CLIP, class list, number of epochs and of batches an epoch,
            each with a shared context of one length in front of the class name.

    Raises:
        ValueError: they cannot be in step.
    """
    for trainer in trainers:
        trainer.before_train()
    _check(trainers)
    for epoch in range(trainers[0].max_epoch):
        for trainer in trainers:
            trainer.epoch = epoch
            begin_epoch(trainer.train_loader_x, epoch)
            trainer.before_epoch()
            trainer.set_model_mode("train")
        loaders = [trainer.train_loader_x for trainer in trainers]
        for batches in zip(*loaders, strict=True):
            _step(trainers, batches)
        for trainer in trainers:
            trainer.update_lr()
    for trainer in trainers:
        trainer.close_writer()


def _check(trainers: Sequence[PromptTrainer]) -> None:
    first, *others = trainers
    prompts = first.prompts()
    for other in others:
        own = other.prompts()
        same = (
            other.clip_model is first.clip_model
            and other.max_epoch == first.max_epoch
            and len(other.train_loader_x) == len(first.train_loader_x)
            and own.prefix.shape == prompts.prefix.shape
            and torch.equal(own.suffix, prompts.suffix)
        )
        if not same:
            raise ValueError(
                f"{type(other).__name__} and {type(first).__name__} cannot train in step: CLIP, "
                "classes, epochs, batches an epoch and the length of the context must be the same."
            )


def _step(trainers: Sequence[PromptTrainer], batches: Sequence[dict[str, Tensor]]) -> None:
    """One optimisation step of each."""
    if len(trainers) == 1:
        images, labels = trainers[0].parse_batch_train(batches[0])
        trainers[0].update(trainers[0].loss(images, labels, *trainers[0].drawn(labels)))
        return
    prompts = [trainer.prompts() for trainer in trainers]
    together = replace(prompts[0], prefix=torch.stack([each.prefix for each in prompts]))
    encoded = unit(encode_prompts(trainers[0].clip_model, together))  # [A, C, E]
    features = encoded.detach().requires_grad_()
    parts = []
    for trainer, batch, own in zip(trainers, batches, features, strict=True):
        images, labels = trainer.parse_batch_train(batch)
        trainer.model_zero_grad()
        trainer.text_features = lambda own=own: own
        try:
            parts.append(trainer.loss(images, labels, *trainer.drawn(labels)))
        finally:
            del trainer.text_features
    if any(isinstance(trainer, ProGrad) for trainer in trainers):
        _prograd_gradients(trainers, encoded, features, parts)
    else:
        sum(part["loss"] for part in parts).backward()
        encoded.backward(features.grad)
    for trainer in trainers:
        trainer.model_update()


def _prograd_gradients(
    trainers: Sequence[ProGrad], encoded: Tensor, features: Tensor, parts: list[dict[str, Tensor]]
) -> None:
    """ProGrad's `update`, of all at once: what two losses say of each context, projected."""
    contexts = [trainer.learner.ctx for trainer in trainers]

    def gradients(name: str) -> tuple[Tensor, ...]:
        loss = sum(part[name] for part in parts)
        (of_features,) = torch.autograd.grad(loss, features, retain_graph=True)
        return torch.autograd.grad(encoded, contexts, of_features, retain_graph=True)

    own, general = gradients("xe_loss"), gradients("kl_loss")
    for trainer, context, *both in zip(trainers, contexts, own, general, strict=True):
        context.grad = projected(*both, trainer.options.lambda_)
