"""Class lists, captions, the joint space and the text tower."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from datasets.entries import SPLIT_NAMES
from datasets.split_file import published_split, read_entries
from woven import captions, class_lists
from woven.class_lists import MOST_CLASSES, REAL_SETS, cut_list, whole_list
from woven.stage_words import bag_of_tokens, draw_rows, tokens_of
from woven.teacher import CONE, JointSpace
from woven.towers import TOKEN_NORM, encode_image, encode_text, new_model, set_token_norm

SIZES = {
    "ImageNet": 1000, "Caltech101": 100, "OxfordPets": 37, "StanfordCars": 196,
    "OxfordFlowers": 102, "Food101": 101, "FGVCAircraft": 100, "SUN397": 397,
    "DescribableTextures": 47, "EuroSAT": 10, "UCF101": 101,
}  # fmt: skip


def test_the_lists_are_whole_and_real():
    assert {real: len(whole_list(real)) for real in REAL_SETS} == SIZES
    unique = {real: len(set(whole_list(real))) for real in REAL_SETS}
    assert unique == SIZES | {"ImageNet": unique["ImageNet"]}  # it has two cranes
    assert whole_list("ImageNet")[0] == "tench" and whole_list("Food101")[0] == "apple pie"
    assert not any("_" in name for real in REAL_SETS for name in whole_list(real))


def test_labels_are_those_of_the_official_splits():
    entries = read_entries(published_split("split_zhou_OxfordPets.json"))
    for part in SPLIT_NAMES:
        for _, label, name in entries[part]:
            assert whole_list("OxfordPets")[label] == name.replace("_", " ")


@given(st.sampled_from(REAL_SETS[1:]), st.integers(2, 60))  # ImageNet has two cranes
def test_a_cut_list_keeps_order_and_ends(real, most):
    whole, cut = whole_list(real), cut_list(real, most)
    places = [whole.index(name) for name in cut]
    assert len(cut) == min(most, len(whole)) and places == sorted(places)
    assert cut[0] == whole[0] and cut[-1] == whole[-1]


def test_woven_sets_have_names_that_differ_to_clip():
    for real in REAL_SETS:
        names = [name.lower() for name in cut_list(real)]
        assert len(set(names)) == len(names) == min(MOST_CLASSES, SIZES[real])


def test_every_class_name_is_learned_in_every_sentence():
    texts, of_classes = captions.captions()
    assert of_classes == len(captions.class_names()) * len(captions.sentences())
    assert len(texts) == of_classes + 3 * (captions.WORDS + captions.PAIRS) == 290_194
    wanted = {class_lists.sentence(r).replace("{}", n) for r in REAL_SETS for n in whole_list(r)}
    assert wanted <= set(texts[:of_classes])
    assert "a photo of a dog." in texts


def test_the_joint_space_is_a_cone_that_keeps_angles():
    generator = torch.Generator().manual_seed(0)
    embeddings = F.normalize(torch.randn(400, 64, generator=generator), dim=-1) + 0.5
    space = JointSpace(embeddings, 64, seed=1)
    features = space(embeddings)
    assert torch.allclose(features.norm(dim=1), torch.ones(400), atol=1e-5)
    # All 63 directions that vary are kept, so cosines are those of the centred embeddings.
    centred = F.normalize((embeddings - embeddings.mean(0)) @ space.directions, dim=-1)
    expected = (centred @ centred.T + CONE**2) / (1 + CONE**2)
    assert torch.allclose(features @ features.T, expected, atol=1e-5)


def test_a_bag_of_tokens_finds_the_words():
    texts = ["red dog", "red cat", "blue dog", "blue cat", "dog", "cat", "red", "blue"]
    tokens = tokens_of(texts)
    meaning = {word: torch.randn(3, generator=torch.Generator().manual_seed(i))
               for i, word in enumerate(("red", "blue", "dog", "cat"))}  # fmt: skip
    targets = torch.stack([sum(meaning[word] for word in text.split()) for text in texts])
    found = bag_of_tokens(tokens, targets, torch.arange(8).numpy(), 49408)
    said = torch.stack([found[row.long()].sum(0) for row in tokens])
    cosine = F.cosine_similarity(said, targets - targets.mean(0))
    assert cosine.min() > 0.95


def test_a_batch_has_no_class_name_twice():
    of_classes = len(captions.class_names()) * len(captions.sentences())
    rows = draw_rows(np.random.default_rng(0), 256, of_classes, of_classes + 1000)
    names = [row // len(captions.sentences()) for row in rows if row < of_classes]
    assert len(rows) == 256 and len(set(names)) == len(names) == 85


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return new_model().float().eval()


def test_the_towers_are_clips(model):
    tokens = tokens_of(["a photo of a dog.", "an itap of three very old cats"]).long()
    padded = F.pad(tokens, (0, 77 - tokens.shape[1]))
    images = torch.randn(3, 3, 32, 32)
    with torch.no_grad():
        assert torch.allclose(encode_text(model, tokens), model.encode_text(padded), atol=1e-5)
        assert torch.allclose(encode_image(model.visual, images), model.visual(images), atol=1e-5)


def test_the_norm_of_tokens_is_set_without_changing_what_is_said():
    torch.manual_seed(0)
    model = new_model().float().eval()
    with torch.no_grad():
        for scaled in (model.token_embedding.weight, model.positional_embedding):
            scaled.mul_(20)
        for block in model.transformer.resblocks:
            for last in (block.attn.out_proj, block.mlp.c_proj):
                last.weight.mul_(20)
                last.bias.normal_()
    tokens = tokens_of(["a photo of a dog.", "grass"]).long()
    with torch.no_grad():
        before = F.normalize(encode_text(model, tokens), dim=-1)
        set_token_norm(model)
        after = F.normalize(encode_text(model, tokens), dim=-1)
    norm = model.token_embedding.weight.detach().norm(dim=1).mean().item()
    assert norm == pytest.approx(TOKEN_NORM, rel=1e-5)
    assert (before * after).sum(1).min() > 0.999
