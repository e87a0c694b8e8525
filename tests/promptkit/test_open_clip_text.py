"""Text features of open_clip's architectures equal its own `encode_text`, prompts learned or whole.

Each is shrunk from open_clip's own configuration. The truth for learned vectors is open_clip's code
on token ids whose rows of the vocabulary are these vectors.
"""

import copy
import re

import pytest
import torch

from promptkit.backbones.open_clip_model import OpenClipBackbone
from promptkit.backbones.sharing import why_not_shared
from promptkit.encoders.text_encoder import (
    Injection,
    encode_in_chunks,
    encode_prompts,
    encode_prompts_reference,
)
from promptkit.prompts.context import ContextPrompts
from promptkit.prompts.sentences import SentenceSlots, fixed_prompts
from tests.promptkit.open_clip_families import SHARED, WHOLE, backbone_of, open_clip

NAMES = ["cat", "big red dog", "annual crop land", "big red dog with a hat"]
ENCODERS = [encode_prompts, encode_prompts_reference]


def test_enough_families_are_found():
    assert len(SHARED) >= 10 and len(WHOLE) >= 5
    assert len(set(SHARED + WHOLE)) == len(SHARED) + len(WHOLE)


@pytest.mark.parametrize("name", SHARED + WHOLE)
def test_whole_sentences(name):
    model = backbone_of(name)
    assert (model.not_shared == "") == (name in SHARED)
    sentences = [f"a photo of a {name}." for name in NAMES]
    expected = model.model.encode_text(model.tokenizer(sentences), normalize=False)
    assert expected.std(dim=0).mean() > 0.05  # the classes differ
    prompts = fixed_prompts(model, sentences, classnames=NAMES)
    for encode in ENCODERS:
        torch.testing.assert_close(encode(model, prompts), expected, rtol=1e-5, atol=1e-5)
    assert model.embed_dim == expected.shape[1] and model.text_width == 64


def features_of_ids(model, learner, position):
    """Of open_clip's own code, with learned vectors as words of the vocabulary; and their rows."""
    model = copy.deepcopy(model)
    count, placeholder = learner.num_context, model.tokenizer.placeholder(learner.num_context)
    rows = torch.arange(20, 20 + count)
    start = len(model.tokenizer.start)
    before = {"end": count, "middle": count // 2, "front": 0}[position]
    ids = model.tokenizer([f"{placeholder} {name}." for name in NAMES])
    for row, name in zip(ids, NAMES, strict=True):
        length = model.tokenizer.count(f"{placeholder} {name}") - count
        words = row[start + count : start + count + length].clone()
        row[start : start + count + length] = torch.cat([rows[:before], words, rows[before:]])
    weight = model.token_embedding.weight
    weight[rows] = learner.ctx.detach()
    weight.requires_grad_()
    return model.model.encode_text(ids, normalize=False), weight, rows


@pytest.mark.parametrize("position", ["end", "middle", "front"])
@pytest.mark.parametrize("name", SHARED + WHOLE)
def test_learned_vectors_stand_in_the_right_places(name, position):
    model = backbone_of(name)
    learner = ContextPrompts(model, NAMES, num_context=5, position=position)
    torch.nn.init.normal_(learner.ctx, std=0.5)
    expected, weight, rows = features_of_ids(model, learner, position)
    slope = torch.linspace(-1, 1, expected.numel()).view_as(expected)
    wanted = torch.autograd.grad((expected * slope).sum(), weight)[0][rows]
    for encode in ENCODERS:
        found = encode(model, learner())
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
        gradient = torch.autograd.grad((found * slope).sum(), learner.ctx)[0]
        scale = wanted.abs().max()
        torch.testing.assert_close(gradient / scale, wanted / scale, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", SHARED)
def test_deep_and_class_aware_tokens_equal_the_reference(name):
    model = backbone_of(name)
    slots = SentenceSlots(model, NAMES, template="X X X {}.", num_slots=3)
    deep = slots(torch.randn(3, 64), deep=[torch.randn(3, 64)])
    injected = slots(torch.randn(3, 64), injection=Injection(1, torch.randn(len(NAMES), 3, 64)))
    for prompts in (deep, injected):
        expected = encode_prompts_reference(model, prompts)
        torch.testing.assert_close(encode_prompts(model, prompts), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", WHOLE)
def test_deep_tokens_chunks_and_many_prefixes_where_nothing_is_shared(name):
    model = backbone_of(name)
    slots = SentenceSlots(model, NAMES, template="X X X {}.", num_slots=3)
    context, deep = torch.randn(2, 3, 64), torch.randn(3, 64)
    one = encode_prompts(model, slots(context[1], deep=[deep]))
    assert not torch.allclose(one, encode_prompts(model, slots(context[1])), atol=1e-2)
    both = encode_prompts(model, slots(context, deep=[deep]))
    torch.testing.assert_close(both[1], one, rtol=1e-5, atol=1e-5)
    chunks = encode_in_chunks(encode_prompts, model, slots(context[1], deep=[deep]), 3)
    torch.testing.assert_close(chunks, one, rtol=1e-5, atol=1e-5)


def test_layer_scale_counts():
    model = copy.deepcopy(backbone_of("ViT-B-16"))
    for block in model.text_blocks:
        block.ls_1 = block.ls_2 = torch.nn.Linear(64, 64, bias=False)
    prompts = fixed_prompts(model, NAMES, classnames=NAMES)
    expected = model.model.encode_text(model.tokenizer(NAMES))
    torch.testing.assert_close(encode_prompts(model, prompts), expected, rtol=1e-5, atol=1e-5)


def test_what_is_not_known_to_be_exact_is_not_shared():
    text = open_clip.transformer.TextTransformer
    sizes = {"vocab_size": 99, "width": 64, "heads": 2, "layers": 2}
    assert why_not_shared(text(**sizes)) == ""
    for options, reason in (
        ({"qk_norm": True}, "not CLIP's .ln_q, ln_k"),
        ({"scale_heads": True}, "head_scale"),
        ({"scale_attn": True}, "ln_attn"),
        ({"no_causal_mask": True}, "see those behind"),
        ({"embed_cls": True}, "behind the padding"),
        ({"pool_type": "last"}, "pooling 'last'"),
    ):
        assert re.search(reason, why_not_shared(text(**sizes, **options)))


def test_too_long_a_name_is_named_with_the_length_that_fits():
    model = backbone_of("PE-Core-T-16-384")
    with pytest.raises(ValueError, match="Class name 'word .* at most 32 fit"):
        fixed_prompts(model, ["word " * 40], classnames=["word " * 40])


def test_a_text_encoder_that_reads_another_end_is_refused():
    good = backbone_of("ViT-B-32")
    model = copy.deepcopy(good.model)
    model.text_pool_type, model.text_eos_id = "eos", good.tokenizer.end
    options = {"images": good.images, "activation": "gelu"}
    OpenClipBackbone(model, tokenizer=open_clip.SimpleTokenizer(), **options)
    model.text_eos_id = 2
    with pytest.raises(ValueError, match="at the token 2, .* ends with 49407: they do not belong"):
        OpenClipBackbone(model, tokenizer=open_clip.SimpleTokenizer(), **options)
