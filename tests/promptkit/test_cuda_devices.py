"""No tensor is left on the CPU when CLIP is on a GPU: checked with fake CUDA tensors.

Fake tensors have a device and a type but no values, so a machine without a GPU can run the
forward passes and see every device mix-up. What they cannot show is speed or rounding.
"""

import pytest
import torch
from torch import nn
from torch._subclasses import FakeTensorMode

from promptkit.encoders.text_encoder import encode_prompts, encode_prompts_reference
from promptkit.prompts.context import ContextPrompts
from promptkit.prompts.sentences import fixed_prompts

NAMES = ["cat", "big dog", "a very long name of a thing indeed"]


def to_fake_cuda(module: nn.Module) -> nn.Module:
    """Replaces parameters and buffers, in place, inside a FakeTensorMode."""
    for part in module.modules():
        for tensors in (part._parameters, part._buffers):
            for name, value in tensors.items():
                if value is not None:
                    fake = torch.empty(value.shape, dtype=value.dtype, device="cuda")
                    tensors[name] = nn.Parameter(fake) if tensors is part._parameters else fake
    return module


@pytest.fixture(scope="module")
def _fake_cuda():
    """torch 2.6 asks the driver, which a machine without a GPU lacks, when a fake one is cut."""
    try:
        with FakeTensorMode():
            torch.empty(2, 2, device="cuda")[:, 1:]
    except RuntimeError as error:
        pytest.skip(f"torch {torch.__version__} has no fake CUDA tensors here: {error}")


@pytest.mark.usefixtures("_fake_cuda")
@pytest.mark.parametrize("half", [False, True], ids=["fp32", "fp16"])
@pytest.mark.parametrize("position", ["end", "middle", "front"])
@pytest.mark.parametrize("class_specific", [False, True])
@pytest.mark.parametrize("encode", [encode_prompts, encode_prompts_reference])
def test_encoders_stay_on_the_gpu(tiny_clip, encode, class_specific, position, half):
    learner = ContextPrompts(
        tiny_clip, NAMES, num_context=4, class_specific=class_specific, position=position
    )
    if half:
        tiny_clip.halve()
    with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad():
        features = encode(to_fake_cuda(tiny_clip), to_fake_cuda(learner)())
    assert features.device.type == "cuda" and features.shape == (len(NAMES), 32)
    assert features.dtype == (torch.float16 if half else torch.float32)


def test_prompts_are_built_where_clip_is(tiny_clip):
    model = tiny_clip.to("meta")
    assert ContextPrompts(model, NAMES, num_context=4).names.device.type == "meta"
    assert fixed_prompts(model, NAMES, classnames=NAMES).suffix.device.type == "meta"
