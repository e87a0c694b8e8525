"""Skip Tuning against its formula: upper layers on kept tokens, classes of a step."""

import contextlib
import math

import pytest
import torch

import train
from promptkit.backbones.openai_clip import OpenAIBackbone, random_clip
from promptkit.encoders.standing_in import upper_tensors
from tests.trainers.literal import (
    assert_trainer_is_literal,
    image_feature,
    names_of,
    scale_of,
    text_feature,
)
from trainers.skip_tuning import ranks_that_stay

NODE = "TRAINER.SKIPTUNING"


@contextlib.contextmanager
def with_tensors(model, parameters):
    """The literal encoders read what is tuned here."""
    with contextlib.ExitStack() as stack:
        for name, copy in parameters.items():
            path, _, own = name.split(".", 1)[1].replace("-", ".").rpartition(".")
            module = vars(model.get_submodule(path))
            module[own] = copy
            stack.callback(module.pop, own)
        yield


def literal(trainer, stays):
    def forward(p, images, labels):
        model, scale = trainer.clip_model, scale_of(trainer)
        sentences = [f"a drawing of a {name}." for name in names_of(trainer)]
        frozen = torch.stack([text_feature(model, x) for x in sentences])
        with with_tensors(model.model, p):
            z = torch.stack([image_feature(model, x) for x in images])
            t = torch.stack([text_feature(model, x) for x in sentences])
        logits = scale * z @ t.T
        nearest = (z @ frozen.T).max(dim=0).values.tolist()
        ranked = sorted(range(len(t)), key=lambda c: (c not in labels.tolist(), -nearest[c]))
        kept = {c for rank, c in enumerate(ranked) if stays[rank]} | set(labels.tolist())
        assert len(kept) < len(t) or all(stays)
        out = [
            torch.stack([row[c] for c in sorted(kept)]).logsumexp(0) - row[label]
            for row, label in zip(logits, labels.tolist(), strict=True)
        ]
        return logits, {"loss": torch.stack(out).mean()}

    return forward


@pytest.mark.parametrize(("layer", "ratio"), [(1, 0.34), (0, 1.0)])
def test_logits_loss_and_gradients_are_the_formulas(tiny_trainer, layer, ratio):
    options = f"{NODE}.START_LAYER", layer, f"{NODE}.TOP_RATIO", ratio
    trainer = tiny_trainer("SkipTuning", *options)
    if ratio < 1:
        trainer.stays = torch.tensor([True, False, True, False, True, False])
    gradients = assert_trainer_is_literal(trainer, literal(trainer, trainer.stays.tolist()))
    assert len(gradients) == 12 * (3 - layer + 2 - layer) + 6


def test_an_epoch_of_tokens_trains_as_its_images_do(tiny_trainer, capsys):
    learned = []
    for store in ("auto", "on", "off"):
        options = "FEATURES.TRAIN_STORE", store, "OPTIM.LR", 0.001
        trainer = tiny_trainer("SkipTuning", *options, output=store)
        trainer.train()
        learned.append(torch.cat([p.flatten() for p in trainer.learner.parameters()]).detach())
        assert (store == "off") == (trainer.views is None)
    said = capsys.readouterr().out
    assert "24 images, 0.0 MB, in memory for one epoch" in said and "kept in" in said
    assert torch.equal(learned[0], learned[1])
    torch.testing.assert_close(learned[1], learned[2], rtol=1e-4, atol=1e-6)


def test_the_mask_over_ranks_is_the_published_one():
    """The first stay; of 100 behind them as many as the exponential density says."""
    stays = torch.stack([
        ranks_that_stay(150, top_ratio=0.5, max_top=50, falling=0.3, seed=seed)
        for seed in range(2000)
    ]).double()  # fmt: skip
    assert stays[:, :50].all() and not stays[:, -1].any()
    for k in (0, 1, 5, 20):
        x = 5 * k / 99
        wanted = (math.exp(-x / 0.3) - math.exp(-5 / 0.3)) / (1 - math.exp(-5 / 0.3))
        assert stays[:, 50 + k].mean().item() == pytest.approx(wanted, abs=0.04)
    for arguments in ({"top_ratio": 1.0, "max_top": 2}, {"top_ratio": 0.99, "max_top": 50}):
        assert ranks_that_stay(10, falling=0.3, seed=1, **arguments).all()


def test_batches_are_of_one_class_where_a_class_has_as_many(tiny_trainer, capsys):
    options = (
        "DATALOADER.TRAIN_X.SAMPLER", "RandomClassSampler", "DATALOADER.TRAIN_X.N_INS", 2,
        "DATALOADER.TRAIN_X.BATCH_SIZE", 2,
    )  # fmt: skip
    trainer = tiny_trainer("SkipTuning", *options)
    assert all(len(set(x["label"].tolist())) == 1 for x in trainer.train_loader_x)
    assert len(trainer.train_loader_x) == 12
    trainer = tiny_trainer("SkipTuning", *options, "DATASET.NUM_SHOTS", 1, output="one")
    assert any(len(set(x["label"].tolist())) == 2 for x in trainer.train_loader_x)
    assert trainer.cfg.DATALOADER.TRAIN_X.SAMPLER == "RandomClassSampler"
    assert "With 1 shots there are no batches of 2 images" in capsys.readouterr().out


def test_each_encoder_has_its_rate(tiny_trainer):
    options = "OPTIM.STAGED_LR", True, "OPTIM.NEW_LAYERS", "['text_encoder']"
    trainer = tiny_trainer("SkipTuning", *options, "OPTIM.LR", 2e-5, "OPTIM.BASE_LR_MULT", 0.25)
    images, texts = trainer.optim.param_groups
    assert images["lr"] == pytest.approx(5e-6) and texts["lr"] == 2e-5
    assert len(images["params"]) == 12 + 3 and len(texts["params"]) == 24 + 3


def test_published_size():
    """Six of twelve layers of ViT-B/16, the norms behind them and both projections."""
    model = OpenAIBackbone(random_clip("ViT-B/16", image_layers=1, text_layers=1))
    names = [name for own in upper_tensors(model, 0).values() for name in own]
    found = sum(model.model.get_parameter(name).numel() for name in names)
    blocks = 12 * 768**2 + 13 * 768 + 12 * 512**2 + 13 * 512
    assert found == blocks + 2 * (768 + 512) + 768 * 512 + 512 * 512


def test_published_checkpoints_load(tiny_trainer, tmp_path, capsys):
    """The authors save both encoders whole, under text_encoder and image_encoder."""
    trainer = tiny_trainer("SkipTuning")
    model, state = trainer.clip_model.model, {}
    for name, value in model.state_dict().items():
        side = f"image_encoder.{name[7:]}" if name.startswith("visual.") else f"text_encoder.{name}"
        state[side] = value.half() + (0.5 if "resblocks.1." in name else 0)
    (tmp_path / "weights/learnable_params").mkdir(parents=True)
    path = tmp_path / "weights/learnable_params/model.pth.tar-20"
    torch.save({"state_dict": state, "epoch": 20}, path)
    trainer.load_model(str(tmp_path / "weights"), epoch=20)
    assert "tensors of CLIP itself, which is frozen" in capsys.readouterr().out
    for name, value in trainer.learner.published_names.items():
        assert torch.equal(trainer.learner.get_parameter(name), state[value].float())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((f"{NODE}.START_LAYER", 2), "its encoders have layers from 0 to 1, not 2. Set MODEL"),
        ((f"{NODE}.TOP_RATIO", 1.5), "TOP_RATIO must be above 0 and at most 1; got 1.5"),
        ((f"{NODE}.COMPILE", True), "SkipTuning encodes other classes in every step"),
        (("FEATURES.VIEWS", 1), "FEATURES.VIEWS must be 0 with SkipTuning"),
        (("FEATURES.TRAIN_STORE", "on", "SEED", -1), "FEATURES.TRAIN_STORE must be auto or off"),
    ],
)
def test_mistakes_are_named(tiny_argv, capsys, options, message):
    assert train.main(tiny_argv("SkipTuning", *options)) == 1
    assert message in capsys.readouterr().err
