"""CoCoOp against its formula; any batch size, any chunk, the same numbers."""

import pytest
import torch

from promptkit import conditional_trainer
from tests.trainers.literal import (
    assert_trainer_is_literal,
    cross_entropy,
    image_feature,
    names_of,
    scale_of,
    text_feature,
)


def literal(trainer):
    def forward(p, images, labels):
        rows = []
        for x in images:
            z = image_feature(trainer.clip_model, x)
            hidden = z @ p["meta_net.linear1.weight"].T + p["meta_net.linear1.bias"]
            bias = hidden.clamp(min=0) @ p["meta_net.linear2.weight"].T
            context = p["ctx"] + bias + p["meta_net.linear2.bias"]
            sentences = [f"{' '.join('X' * len(context))} {name}." for name in names_of(trainer)]
            s = [text_feature(trainer.clip_model, text, context) for text in sentences]
            rows.append(scale_of(trainer) * torch.stack(s) @ z)
        logits = torch.stack(rows)
        return logits, {"loss": cross_entropy(logits, labels)}

    return forward


@pytest.mark.parametrize("chunk", [1, 5, 13, 1000])
def test_logits_loss_and_gradients_are_the_formulas_in_chunks_of_any_size(tiny_trainer, chunk):
    trainer = tiny_trainer("CoCoOp", "TRAINER.COCOOP.CHUNK", chunk, "TRAINER.COCOOP.N_CTX", 3)
    assert len(assert_trainer_is_literal(trainer, literal(trainer))) == 5


@pytest.mark.parametrize("batch", [1, 7])
def test_no_more_sequences_than_a_chunk_are_encoded_at_a_time(tiny_trainer, monkeypatch, batch):
    trainer = tiny_trainer(
        "CoCoOp", "TRAINER.COCOOP.CHUNK", 8, "DATALOADER.TRAIN_X.BATCH_SIZE", batch
    )
    sizes, encode = [], conditional_trainer.ENCODERS["fast"]

    def counting(model, prompts):
        sizes.append(len(prompts.prefix) * len(prompts.suffix))
        return encode(model, prompts)

    monkeypatch.setitem(conditional_trainer.ENCODERS, "fast", counting)
    trainer.train()
    trainer.test()
    assert max(sizes) <= 8 and len(sizes) > 8


def test_the_context_depends_on_the_image(tiny_trainer):
    trainer = tiny_trainer("CoCoOp", "TRAINER.COCOOP.CTX_INIT", "a photo of a")
    prompts = trainer.learner(torch.eye(32)[:2])
    assert prompts.prefix.shape == (2, 5, 64)
    assert not torch.allclose(prompts.prefix[0], prompts.prefix[1])
    assert torch.equal(prompts.prefix[0, 0], prompts.prefix[1, 0])  # the start of text
