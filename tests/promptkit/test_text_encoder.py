"""The fast text encoder equals 77 tokens per class, in features and in gradients."""

import clip
import pytest
import torch

from promptkit.backbones.openai_clip import ARCHITECTURES, OpenAIBackbone, random_clip
from promptkit.backbones.tokens import CLIP_TOKENIZER
from promptkit.encoders.text_encoder import (
    encode_in_chunks,
    encode_prompts,
    encode_prompts_reference,
)
from promptkit.prompts.context import ContextPrompts
from promptkit.prompts.sentences import fixed_prompts, template_features

MIXED = ["cat", "annual crop land", "Boeing_737-800", "a" + " very" * 35 + " long name", "dog"]


def features_and_gradient(encode, model, learner):
    learner.zero_grad()
    features = encode(model, learner())
    (features * torch.linspace(-1, 1, features.numel()).view_as(features)).sum().backward()
    return features.detach(), learner.ctx.grad.clone()


@pytest.mark.parametrize("names", [["cat"], ["cat", "dog"], MIXED], ids=["one", "two", "mixed"])
@pytest.mark.parametrize("position", ["end", "middle", "front"])
@pytest.mark.parametrize("class_specific", [False, True], ids=["shared", "specific"])
def test_fast_equals_reference_in_features_and_gradient(tiny_clip, names, position, class_specific):
    torch.manual_seed(0)
    learner = ContextPrompts(
        tiny_clip, names, num_context=5, class_specific=class_specific, position=position
    )
    torch.nn.init.normal_(learner.ctx, std=0.5)
    slow, slow_gradient = features_and_gradient(encode_prompts_reference, tiny_clip, learner)
    fast, fast_gradient = features_and_gradient(encode_prompts, tiny_clip, learner)
    torch.testing.assert_close(fast, slow, rtol=1e-5, atol=1e-5)
    scale = slow_gradient.abs().max()
    torch.testing.assert_close(fast_gradient / scale, slow_gradient / scale, rtol=0, atol=1e-5)


@pytest.mark.parametrize("encode", [encode_prompts, encode_prompts_reference])
def test_fixed_prompts_equal_clips_own_encode_text(tiny_clip, encode):
    sentences = [f"a photo of a {name}." for name in MIXED]
    expected = tiny_clip.encode_text(clip.tokenize(sentences))
    actual = encode(tiny_clip, fixed_prompts(tiny_clip, sentences, classnames=MIXED))
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_of_openai(name):
    torch.manual_seed(0)
    model = OpenAIBackbone(random_clip(name, image_layers=1, text_layers=2).eval())
    sentences = [f"a photo of a {name}." for name in MIXED]
    prompts = fixed_prompts(model, sentences, classnames=MIXED)
    with torch.no_grad():
        expected = model.model.encode_text(clip.tokenize(sentences))
        for encode in (encode_prompts, encode_prompts_reference):
            torch.testing.assert_close(encode(model, prompts), expected, rtol=1e-5, atol=1e-5)
    assert model.not_shared == "" and len(ARCHITECTURES) == len(clip.available_models()) == 9


def test_sentences_with_nothing_in_common_or_all_alike(tiny_clip):
    for sentences in (["cat texture.", "dog"], ["same.", "same."]):
        expected = tiny_clip.encode_text(clip.tokenize(sentences))
        actual = encode_prompts(
            tiny_clip, fixed_prompts(tiny_clip, sentences, classnames=sentences)
        )
        torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("position", "sentence"),
    [("end", "a photo of a {}."), ("middle", "a photo {} of a."), ("front", "{} a photo of a.")],
)
def test_worded_context_is_the_sentence_itself(tiny_clip, position, sentence):
    learner = ContextPrompts(
        tiny_clip, MIXED, num_context=99, init="a photo of a", position=position
    )
    expected = tiny_clip.encode_text(
        clip.tokenize([sentence.format(n.replace("_", " ")) for n in MIXED])
    )
    torch.testing.assert_close(encode_prompts(tiny_clip, learner()), expected, rtol=1e-5, atol=1e-5)
    assert learner.num_context == 4


def test_class_specific_worded_context_starts_every_class_alike(tiny_clip):
    shared = ContextPrompts(tiny_clip, MIXED, num_context=4, init="a photo of a")
    specific = ContextPrompts(
        tiny_clip, MIXED, num_context=4, init="a photo of a", class_specific=True
    )
    assert specific.ctx.shape == (len(MIXED), 4, 64)
    torch.testing.assert_close(
        encode_prompts(tiny_clip, specific()), encode_prompts(tiny_clip, shared())
    )


def test_checkpoint_of_a_shared_context_fits_any_class_list(tiny_clip):
    trained = ContextPrompts(tiny_clip, MIXED, num_context=4)
    assert set(trained.state_dict()) == {"ctx"}
    other = ContextPrompts(tiny_clip, ["a new one"], num_context=4)
    other.load_state_dict(trained.state_dict())
    assert torch.equal(other.ctx, trained.ctx)


def test_random_context_has_coops_spread_and_follows_the_seed(tiny_clip):
    torch.manual_seed(3)
    first = ContextPrompts(tiny_clip, ["cat"], num_context=64).ctx.detach()
    torch.manual_seed(3)
    again = ContextPrompts(tiny_clip, ["cat"], num_context=64).ctx.detach()
    assert torch.equal(first, again)
    assert first.std().item() == pytest.approx(0.02, rel=0.05)


def test_template_features_are_the_normalised_mean_over_templates(tiny_clip):
    templates = ("a photo of a {}.", "{} texture.")
    parts = [
        tiny_clip.encode_text(clip.tokenize([t.format(n.replace("_", " ")) for n in MIXED]))
        for t in templates
    ]
    mean = sum(part / part.norm(dim=-1, keepdim=True) for part in parts)
    expected = mean / mean.norm(dim=-1, keepdim=True)
    torch.testing.assert_close(
        template_features(tiny_clip, MIXED, templates), expected, rtol=1e-5, atol=1e-5
    )


def test_too_long_a_class_name_is_named():
    name = "word " * 80
    with pytest.raises(ValueError, match=r"Class name 'word .*at most 77"):
        CLIP_TOKENIZER([f"a photo of a {name}."], classnames=[name])


def test_golden_tokens():
    tokens = CLIP_TOKENIZER(["a photo of a dog."])[0].tolist()
    assert tokens == [49406, 320, 1125, 539, 320, 1929, 269, 49407] + [0] * 69


@pytest.mark.parametrize("chunk", [1, 2, 5])
def test_chunks_change_neither_features_nor_gradient(tiny_clip, chunk):
    learner = ContextPrompts(tiny_clip, MIXED, num_context=4)

    def chunked(model, prompts):
        return encode_in_chunks(encode_prompts, model, prompts, chunk)

    whole, gradient = features_and_gradient(encode_prompts, tiny_clip, learner)
    parts, gradient_of_parts = features_and_gradient(chunked, tiny_clip, learner)
    torch.testing.assert_close(parts, whole, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(gradient_of_parts, gradient, rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        torch.testing.assert_close(chunked(tiny_clip, learner()), whole, rtol=1e-5, atol=1e-5)


def test_words_that_names_share_are_computed_once(tiny_clip):
    names = ["red cat", "red dog", "red", "blue cat", "red cat"]
    learner = ContextPrompts(tiny_clip, names, num_context=4)
    # red; cat, dog, full stop behind it; blue; cat; and the ends of what is left
    assert len(learner.tree.source) == len("red cat . E dog . E . E blue cat . E".split())
    whole, gradient = features_and_gradient(encode_prompts_reference, tiny_clip, learner)
    shared, gradient_of_shared = features_and_gradient(encode_prompts, tiny_clip, learner)
    torch.testing.assert_close(shared, whole, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(gradient_of_shared, gradient, rtol=1e-4, atol=1e-5)


def bytes_kept_for_backward(encode, model, prompts):
    kept = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        features = encode(model, prompts)
    del features
    return sum(kept.values())


def test_memory_is_an_eighth_and_chunks_bound_it(tiny_clip):
    names = [f"{word} {number}" for word in ("red cat", "dog", "old house") for number in range(40)]
    prompts = ContextPrompts(tiny_clip, names, num_context=4)()
    fast = bytes_kept_for_backward(encode_prompts, tiny_clip, prompts)
    reference = bytes_kept_for_backward(encode_prompts_reference, tiny_clip, prompts)
    assert fast < reference / 8

    def chunked(model, prompts):
        return encode_in_chunks(encode_prompts, model, prompts, 30)

    assert bytes_kept_for_backward(chunked, tiny_clip, prompts) < fast / 4


@pytest.mark.parametrize(("sentences", "shared"), [
    (["a photo of a cat.", "a photo of a dog."], 5),  # and the start of text
    (["a photo of a cat.", "my dog."], 1),
    (["a cat", "a cat"], 3),  # never the end of text
])  # fmt: skip
def test_the_words_that_all_sentences_begin_with_are_encoded_once(tiny_clip, sentences, shared):
    prompts = fixed_prompts(tiny_clip, sentences, classnames=sentences)
    assert len(prompts.prefix) == shared
