"""MMA against its formula, gradients as its code scales them; its start and its size."""

import clip
import pytest
import torch
from torch.nn import functional as F

import train
from promptkit.backbones.openai_clip import OpenAIBackbone, random_clip
from promptkit.encoders.adapters import Adapters
from tests.trainers.literal import (
    assert_trainer_is_literal,
    block,
    cross_entropy,
    image_tokens,
    names_of,
    norm,
    scale_of,
)


def through(x, blocks, p, side, layers, scale, *, causal):
    """Layers of one encoder on [L, D], with what stands beside them."""
    for number, module in enumerate(blocks, 1):
        beside = 0
        if number in layers:
            own = norm(x, module.ln_1)
            for key in (f"{side}.{number}.down.0", f"shared_adapter.{number}.0"):
                own = (own @ p[f"{key}.weight"].T + p[f"{key}.bias"]).clamp(min=0)
            beside = scale * (
                own @ p[f"{side}.{number}.up.weight"].T + p[f"{side}.{number}.up.bias"]
            )
        x = block(x, module, causal=causal) + beside
    return x


def literal(trainer, layers, scale):
    model = trainer.clip_model
    visual, text = model.visual, model.model

    def forward(p, images, labels):
        # The published gradients: true ones, divided by c.
        p = {key: x / scale + (x - x / scale).detach() for key, x in p.items()}
        t, z = [], []
        for name in names_of(trainer):
            ids = clip.tokenize([f"a photo of a {name}."])[0]
            x = text.token_embedding.weight.double()[ids] + text.positional_embedding.double()
            x = through(
                x, text.transformer.resblocks, p, "text_adapter", layers, scale, causal=True
            )
            end = ids.tolist().index(49407)
            t.append(norm(x, text.ln_final)[end] @ text.text_projection.double())
        for image in images:
            x = norm(image_tokens(model, image), visual.ln_pre)
            x = through(x, visual.transformer.resblocks, p, "visual_adapter", layers, scale,
                        causal=False)  # fmt: skip
            z.append(norm(x[0], visual.ln_post) @ visual.proj.double())
        z, t = (F.normalize(torch.stack(x), dim=1) for x in (z, t))
        logits = scale_of(trainer) * z @ t.T
        return logits, {"loss": cross_entropy(logits, labels)}

    return forward


@pytest.mark.parametrize("layers", [(1, 2), (2, 2)])
def test_logits_loss_and_gradients_are_the_formulas(tiny_trainer, layers):
    node, scale = "TRAINER.MMA.ADAPTER_", 0.05
    options = (f"{node}START", layers[0], f"{node}END", layers[1], f"{node}SCALE", scale)
    trainer = tiny_trainer("MMA", *options)
    literally = literal(trainer, range(layers[0], layers[1] + 1), scale)
    gradients = assert_trainer_is_literal(trainer, literally)
    assert len(gradients) == 10 * (layers[1] + 1 - layers[0])


def test_it_begins_next_to_zero_shot_clip_and_chunks_change_nothing(tiny_trainer):
    whole = tiny_trainer("MMA")
    chunked = tiny_trainer("MMA", "TRAINER.MMA.CHUNK", 4, output="chunked")
    chunked.learner.load_state_dict(whole.learner.state_dict())
    features = []
    for trainer in (whole, chunked):
        found = trainer.text_features()
        weight = trainer.learner.shared_adapter["2"][0].weight
        (gradient,) = torch.autograd.grad(found[:, 0].sum(), weight)
        features.append((found.detach(), gradient))
    torch.testing.assert_close(*features, rtol=1e-4, atol=1e-6)
    plain = whole.hand_crafted_features(whole.dm.dataset.classnames, ("a photo of a {}.",))
    cosines = (features[0][0] * plain).sum(dim=1)
    assert 0.999 < cosines.min() and not torch.equal(features[0][0], plain)


def test_published_size_and_start():
    """674,560 of ViT-B/16, eight layers of which are counted by one."""
    model = OpenAIBackbone(random_clip("ViT-B/16", image_layers=1, text_layers=1))
    learner = Adapters(model, layers=range(1), width=32, scale=0.001)
    assert 8 * sum(p.numel() for p in learner.parameters()) == 674_560
    up, down = learner.visual_adapter["1"].up, learner.visual_adapter["1"].down[0]
    assert up.weight.std().item() == pytest.approx((2 / 768) ** 0.5, rel=0.05)  # fan out
    assert down.weight.std().item() == pytest.approx((2 / 32) ** 0.5, rel=0.05)
    assert not up.bias.any() and not down.bias.any()


def test_the_authors_file_is_read(tmp_path, capsys):
    path = tmp_path / "theirs.yaml"
    path.write_text("TRAINER:\n  MMADAPTER:\n    ADAPTER_START: 7\n    PREC: fp32\n")
    cfg = train.setup_cfg(train.parse_args(["--trainer", "MMA", "--config-file", str(path)]))
    assert cfg.TRAINER.MMA.ADAPTER_START == 7
    assert "TRAINER.MMADAPTER.ADAPTER_START is read as" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("ADAPTER_END", 3), "TRAINER.MMA.ADAPTER_END must be from 1 to 2, the number of layers"),
        (("ADAPTER_START", 3), "TRAINER.MMA.ADAPTER_END must be at least 3; got 2"),
        (("ADAPTER_SCALE", 0.0), "ADAPTER_SCALE must be above 0"),
    ],
)
def test_mistakes_are_named(tiny_argv, capsys, options, message):
    key, value = options
    assert train.main(tiny_argv("MMA", f"TRAINER.MMA.{key}", value)) == 1
    assert message in capsys.readouterr().err


def test_views_of_images_that_change_are_refused(tiny_argv, capsys):
    assert train.main(tiny_argv("MMA", "FEATURES.VIEWS", 1)) == 1
    assert "FEATURES.VIEWS must be 0 with MMA, which changes the image" in capsys.readouterr().err
