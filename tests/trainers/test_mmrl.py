"""MMRL and MMRL++ against their formulas; which logits classify which classes."""

import clip
import pytest
import torch
from torch.nn import functional as F

import train
from promptkit.backbones.openai_clip import OpenAIBackbone, random_clip
from promptkit.checkpoints.loading import Trained
from run_files.logits import from_bytes
from tests.trainers.literal import (
    assert_trainer_is_literal,
    block,
    cross_entropy,
    image_feature,
    image_tokens,
    names_of,
    norm,
    scale_of,
    text_feature,
)
from trainers.mmrl import MMRL, MappedTokens
from trainers.mmrlpp import ComposedTokens

TEMPLATE = "a drawing of a {}."
BOTH = pytest.mark.parametrize("name", ["MMRL", "MMRLpp"])


def through(x, blocks, tokens, first, share, *, causal):
    """Layers of one encoder on [L, D], with tokens behind its first place from a layer on."""
    for layer, module in enumerate(blocks):
        own = tokens[layer - first] if first <= layer < first + len(tokens) else None
        if own is not None and layer == first:
            x = torch.cat([x[:1], own, x[1:]])
        elif own is not None:
            old = x[1 : 1 + len(own)]
            x = torch.cat([x[:1], share * own + (1 - share) * old, x[1 + len(own) :]])
        x = block(x, module, causal=causal)
    return x


def mapped(name, p, layers, frozen):
    """Tokens in images, tokens in texts, and the head."""
    r, found = p["compound_rep_tokens"], []
    for side in ("r2vproj", "r2tproj"):
        if name == "MMRL":
            key = f"compound_rep_tokens_{side}"
            pairs = [(p[f"{key}.{i}.weight"], p[f"{key}.{i}.bias"]) for i in range(layers)]
        else:
            key = f"srra_{side}"
            pairs = [
                (p[f"{key}.weight"] + p[f"{key}.srra.{i}.A"] @ p[f"{key}.srra.{i}.B"],
                 p[f"{key}.srra.{i}.bias"]) for i in range(layers)
            ]  # fmt: skip
        found.append([r @ weight.T + bias for weight, bias in pairs])
    return *found, p["proj_rep"] if name == "MMRL" else frozen + p["A"] @ p["B"]


def literal(trainer, first, layers, share):
    model, name = trainer.clip_model, type(trainer).__name__
    visual, text, weight = model.visual, model.model, trainer.options.reg_weight

    def text_of(sentence, tokens):
        ids = clip.tokenize([sentence])[0]
        x = text.token_embedding.weight.double()[ids] + text.positional_embedding.double()
        x = through(x, text.transformer.resblocks, tokens, first, share, causal=True)
        end = ids.tolist().index(49407) + len(tokens[0])
        return F.normalize(norm(x, text.ln_final)[end] @ text.text_projection.double(), dim=0)

    def image_of(image, tokens, head):
        x = norm(image_tokens(model, image), visual.ln_pre)
        x = through(x, visual.transformer.resblocks, tokens, first, share, causal=False)
        own = norm(x[0], visual.ln_post) @ visual.proj.double()
        rep = norm(x[1 : 1 + len(tokens[0])], visual.ln_post).mean(0) @ head
        return F.normalize(own, dim=0), F.normalize(rep, dim=0)

    def forward(p, images, labels):
        in_images, in_text, head = mapped(name, p, layers, visual.proj.double())
        sentences = [TEMPLATE.format(x) for x in names_of(trainer)]
        t = torch.stack([text_of(x, in_text) for x in sentences])
        h = torch.stack([text_feature(model, x) for x in sentences])
        z, rep = map(torch.stack, zip(*(image_of(x, in_images, head) for x in images), strict=True))
        z0 = torch.stack([image_feature(model, x) for x in images])
        logits, rep_logits = (scale_of(trainer) * x @ t.T for x in (z, rep))
        parts = {
            "ce": cross_entropy(logits, labels),
            "rep_ce": cross_entropy(rep_logits, labels),
            "image_distance": 1 - (z * z0).sum(1).mean(),
            "text_distance": 1 - (t * h).sum(1).mean(),
        }
        held = weight * (parts["image_distance"] + parts["text_distance"])
        loss = 0.7 * parts["ce"] + 0.3 * parts["rep_ce"] + held
        return 0.7 * logits + 0.3 * rep_logits, parts | {"loss": loss}

    return forward


@pytest.mark.parametrize(
    ("name", "layers", "share"),
    [("MMRL", [1, 2], 1.0), ("MMRL", [2], 1.0), ("MMRLpp", [1, 2], 0.7), ("MMRLpp", [2], 0.7)],
)
def test_logits_losses_and_gradients_are_the_formulas(tiny_trainer, name, layers, share):
    node = f"TRAINER.{name.upper()}"
    beta = (f"{node}.BETA", share) if name == "MMRLpp" else ()
    trainer = tiny_trainer(
        name, f"{node}.REP_LAYERS", str(layers), f"{node}.REG_WEIGHT", 3.0, *beta
    )
    gradients = assert_trainer_is_literal(
        trainer, literal(trainer, layers[0] - 1, len(layers), share)
    )
    count = 2 + 4 * len(layers) if name == "MMRL" else 3 + 2 * (1 + 3 * len(layers))
    assert len(gradients) == count
    assert trainer.learner.text_tokens().tokens[0].shape == (5, 64)


def test_what_frozen_layers_make_of_texts_is_kept_and_chunks_change_nothing(tiny_trainer):
    whole = tiny_trainer("MMRL", "TRAINER.MMRL.REP_LAYERS", "[2]")
    assert whole.sentences.kept.layer == 1
    chunked = tiny_trainer("MMRL", "TRAINER.MMRL.CHUNK", 4, output="chunked")
    chunked.learner.load_state_dict(whole.learner.state_dict())
    features = []
    for trainer in (whole, chunked):
        found = trainer.text_features()
        (gradient,) = torch.autograd.grad(
            found.square().sum() + found[:, 0].sum(), trainer.learner.compound_rep_tokens
        )
        features.append((found.detach(), gradient))
    torch.testing.assert_close(*features, rtol=1e-4, atol=1e-6)


def test_stored_views_of_frozen_images_change_nothing(tiny_trainer):
    trainer = tiny_trainer("MMRL", "OPTIM.MAX_EPOCH", 1)
    trainer.before_train()
    trainer.close_writer()
    trainer.epoch = 0
    trainer.before_epoch()
    images, labels = trainer.parse_batch_train(next(iter(trainer.train_loader_x)))
    assert trainer.frozen is not None
    read = trainer.loss(images, labels)
    trainer.frozen = None
    computed = trainer.loss(images, labels)
    for key, value in read.items():
        torch.testing.assert_close(value, computed[key], rtol=1e-5, atol=1e-5)


@BOTH
def test_maps_start_alike_and_the_residuals_at_zero(tiny_trainer, name):
    node = f"TRAINER.{name.upper()}"
    trainer = tiny_trainer(name, f"{node}.REP_LAYERS", "[1, 2]")
    first, second = trainer.learner.in_images()
    assert torch.equal(first, second)
    head = trainer.learner.head(trainer.clip_model)
    if name == "MMRLpp":
        assert torch.equal(head, trainer.clip_model.visual.proj)
        assert trainer.learner.A.abs().max() <= 1 / 64**0.5
    else:
        assert head.std().item() == pytest.approx(64**-0.5, rel=0.1)


def test_published_sizes():
    model = OpenAIBackbone(random_clip("ViT-B/16", image_layers=1, text_layers=1))
    alike = {"num_tokens": 5, "width": 512, "layers": range(5, 12)}
    one = MappedTokens(model, **alike)
    other = ComposedTokens(model, **alike, share=0.9, rank=4, head_rank=64)
    for learner, count in ((one, 4_992_256), (other, 813_312)):
        assert sum(parameter.numel() for parameter in learner.parameters()) == count


def test_base_classes_have_both_logits_new_ones_and_all_at_once_one(tiny_argv, tmp_path):
    def kept(folder):
        return from_bytes((tmp_path / folder / "logits.npz").read_bytes())

    base = "DATASET.SUBSAMPLE_CLASSES", "base"
    assert train.main(tiny_argv("MMRL", *base, "OPTIM.MAX_EPOCH", 1)) == 0
    flags = ("--eval-only", "--load-epoch", "1", "--model-dir", str(tmp_path / "run"))
    new = "DATASET.SUBSAMPLE_CLASSES", "new", "OPTIM.MAX_EPOCH", 1
    assert train.main(tiny_argv("MMRL", *new, output="new", flags=flags)) == 0
    of_base, of_new = kept("run"), kept("new")
    assert abs(of_base.logits - of_base.one_rule).max() > 1
    assert (of_new.logits == of_new.one_rule).all()
    assert of_base.other_classnames == of_new.classnames


@pytest.mark.parametrize(
    ("trained", "subset", "expected"),
    [
        (Trained(), "base", True),
        (Trained(), "new", False),
        (Trained("TinyShapes", ("arrow", "circle", "cross_shape", "heart")), "base", True),
        (Trained("TinyShapes", ("arrow", "circle")), "base", False),
        (Trained("Photographs", ("arrow", "circle", "cross_shape")), "base", False),
    ],
)
def test_which_classes_count_as_trained(tiny_trainer, trained, subset, expected):
    trainer = tiny_trainer("MMRL", "DATASET.SUBSAMPLE_CLASSES", subset)
    trainer.trained_on = trained
    assert trainer.tells_trained_classes() is expected
    other = trainer.beside(["a hat"])
    assert not other.tells_trained_classes()


@BOTH
def test_published_constants_take_the_place_of_the_options(tiny_argv, capsys, name):
    argv = tiny_argv(name, f"TRAINER.{name.upper()}.AS_PUBLISHED", "True")
    assert train.main(argv) == 1
    assert "PROTOCOL.PER_DATA_SET must be True" in capsys.readouterr().err
    assert train.main([*argv, "PROTOCOL.PER_DATA_SET", "True"]) == 1
    error = capsys.readouterr().err
    assert "AS_PUBLISHED must be False with TinyShapes" in error and "EuroSAT" in error


def test_a_data_sets_published_constants_are_read(tiny_trainer, monkeypatch, capsys):
    monkeypatch.setattr(MMRL, "takes_the_place", {"TinyShapes": {"reg_weight": 7.0, "rep_dim": 24}})
    trainer = tiny_trainer(
        "MMRL", "TRAINER.MMRL.AS_PUBLISHED", "True", "PROTOCOL.PER_DATA_SET", "True"
    )
    assert trainer.options.reg_weight == 7 and trainer.learner.compound_rep_tokens.shape == (5, 24)
    assert "As published for TinyShapes: REG_WEIGHT 7.0, REP_DIM 24" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("REP_LAYERS", "[1, 3]", "REP_LAYERS must be layers that follow each other, 1 the first"),
        ("REP_LAYERS", "[]", "REP_LAYERS must be layers that follow each other"),
        ("REP_LAYERS", "[2, 3]", "REP_LAYERS must end at 2 or before"),
        ("ALPHA", 1.5, "TRAINER.MMRL.ALPHA must be at least 0 and at most 1"),
    ],
)
def test_mistakes_are_named(tiny_argv, capsys, option, value, message):
    assert train.main(tiny_argv("MMRL", f"TRAINER.MMRL.{option}", value)) == 1
    assert message in capsys.readouterr().err
