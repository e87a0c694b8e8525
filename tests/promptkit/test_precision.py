"""Precision is decided in one place."""

import pytest
import torch

from promptkit.encoders.precision import resolve
from promptkit.encoders.text_encoder import encode_prompts
from promptkit.prompts.context import ContextPrompts


def test_auto_follows_the_device():
    assert resolve("auto", "cpu").mode == "fp32"
    assert resolve("auto", "cuda").mode == "fp16"


@pytest.mark.parametrize("mode", ["fp16", "amp"])
def test_half_precision_on_a_cpu_says_what_to_set(mode):
    with pytest.raises(ValueError, match=f"PREC {mode} needs a CUDA device.*auto, fp32 or bf16"):
        resolve(mode, "cpu")


def test_fp16_halves_clips_weights_and_keeps_the_context_in_fp32(tiny_clip):
    learner = ContextPrompts(tiny_clip, ["cat", "big dog"], num_context=4)
    with torch.no_grad():
        full = encode_prompts(tiny_clip, learner())
    model = resolve("fp16", "cuda").cast(tiny_clip)
    assert model.dtype == torch.float16 and learner.ctx.dtype == torch.float32
    half = encode_prompts(model, learner())  # the arithmetic of a GPU run, on the CPU
    assert half.dtype == torch.float16
    half.float().sum().backward()
    assert learner.ctx.grad.dtype == torch.float32
    torch.testing.assert_close(half.float(), full, rtol=0.02, atol=0.02)
