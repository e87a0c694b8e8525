"""DePT over other methods: its loss by hand, which head predicts what, refusals."""

import json

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import train
from promptkit.runs.environment import PROJECT
from run_files.logits import from_bytes
from tests.conftest import TINY_OPTIONS
from tests.trainers.literal import (
    assert_trainer_is_literal,
    cross_entropy,
    image_feature,
    names_of,
    scale_of,
    text_feature,
)
from tests.trainers.resuming import killed_and_resumed

BASE = "TRAINER.DEPT.BASE"
SUBSET = "DATASET.SUBSAMPLE_CLASSES"


def over(base: str, *extra) -> tuple:
    return (BASE, base, *TINY_OPTIONS.get(base, ()), *extra)


def batch_of(trainer):
    trainer.set_model_mode("train")
    return trainer.parse_batch_train(next(iter(trainer.train_loader_x)))


def moved(trainer) -> None:
    """Nothing is at its start."""
    torch.manual_seed(1)
    with torch.no_grad():
        for model in trainer._models.values():
            for parameter in model.parameters():
                parameter += 0.1 * torch.randn_like(parameter)


@pytest.mark.parametrize("base", ["CoOp", "KgCoOp", "MaPLe", "PromptSRC", "E2MIM"])
def test_loss_and_gradients_are_the_formulas(tiny_trainer, base):
    trainer = tiny_trainer("DePT", *over(base, "TRAINER.DEPT.WEIGHT", 0.6))
    alone = tiny_trainer(base, output="alone")
    moved(trainer)
    alone.learner.load_state_dict(trainer.learner.state_dict())
    if base == "E2MIM":
        alone.estimators.load_state_dict(trainer.estimators.state_dict())
    images, labels = batch_of(trainer)
    alone.set_model_mode("train")
    drawn = trainer.drawn(labels)
    found = trainer.loss(images, labels, *drawn)
    parts = alone.loss(images, labels, *drawn)
    z, t = alone.encoded_images(images), alone.encoded_text()
    ce = F.cross_entropy(alone.logits(z / z.norm(dim=1, keepdim=True),
                                      t / t.norm(dim=1, keepdim=True)), labels)  # fmt: skip
    p = dict(trainer.head.named_parameters())
    shared = torch.cat([p["of_text.scale"] * t[labels] + p["of_text.bias"],
                        p["of_images.scale"] * z + p["of_images.bias"]])  # fmt: skip
    rows = shared @ p["classifier.weight"].T + p["classifier.bias"]
    head = F.cross_entropy(rows, torch.cat([labels, labels]))
    expected = 0.4 * ce + (parts["loss"] - ce) + 0.6 * head  # what is added to CE counts in full
    torch.testing.assert_close(found["loss"], expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found["head"], head, rtol=1e-5, atol=1e-5)
    for ours, theirs in ((trainer.learner, alone.learner), (trainer.head, trainer.head)):
        one = torch.autograd.grad(found["loss"], list(ours.parameters()), retain_graph=True)
        two = torch.autograd.grad(expected, list(theirs.parameters()), retain_graph=True)
        for gradient, wanted in zip(one, two, strict=True):
            assert (gradient - wanted).abs().max() < 2e-5 * wanted.abs().max()


@pytest.mark.parametrize("base", ["MaPLe", "E2MIM"])
def test_without_its_weight_it_is_the_base_to_the_last_bit(tiny_trainer, base):
    alone = tiny_trainer(base, output="alone")
    alone.train()
    both = tiny_trainer("DePT", *over(base, "TRAINER.DEPT.WEIGHT", 0.0), output="both")
    both.train()
    for name, value in alone.learner.state_dict().items():
        assert torch.equal(both.learner.state_dict()[name], value), name
    assert both.evaluator._y_pred == alone.evaluator._y_pred


def test_over_coop_all_of_it_is_literal(tiny_trainer):
    """Features as long as the encoder's, from float64 of CLIP written out."""
    trainer = tiny_trainer(
        "DePT", BASE, "CoOp", "TRAINER.COOP.N_CTX", 4, "FEATURES.TRAIN_STORE", "off"
    )
    torch.nn.init.normal_(trainer.head.of_images.scale, 1.0, 0.1)
    model, head = trainer.clip_model, {k: v.double() for k, v in trainer.head.state_dict().items()}
    trainer.rows = list(range(6))

    def literal(p, images, labels):
        t = [text_feature(model, f"X X X X {name}.", p["ctx"], unit=False)
             for name in names_of(trainer)]  # fmt: skip
        z = torch.stack([image_feature(model, x, unit=False) for x in images])
        t = torch.stack(t)
        similar = scale_of(trainer) * F.normalize(z, dim=1) @ F.normalize(t, dim=1).T
        of_images = z * head["of_images.scale"] + head["of_images.bias"]
        of_text = t[labels] * head["of_text.scale"] + head["of_text.bias"]
        both = torch.cat([of_text, of_images]) @ head["classifier.weight"].T
        own = cross_entropy(both + head["classifier.bias"], labels.repeat(2))
        logits = of_images @ head["classifier.weight"].T + head["classifier.bias"]
        ce = cross_entropy(similar, labels)
        return 0.3 * similar + 0.7 * logits, {"ce": ce, "head": own, "loss": 0.3 * ce + 0.7 * own}

    assert_trainer_is_literal(trainer, literal)


def test_stored_features_are_those_of_the_images(tiny_trainer):
    """On stored features and on images it learns the same, and predicts the same."""
    runs = []
    for store in ("auto", "off"):
        kept = "FEATURES.TRAIN_STORE", store, "FEATURES.STORE", store == "auto"
        trainer = tiny_trainer("DePT", *kept, "DATALOADER.TRAIN_X.BATCH_SIZE", 6, output=store)
        trainer.train()
        images = torch.stack([trainer.dm.test_loader.dataset[i]["img"] for i in range(6)])
        runs.append([*trainer.head.parameters(), trainer.model_inference(images)])
    for one, two in zip(*runs, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-5)


def test_head_for_classes_of_the_training_similarity_for_others(tiny_argv, tiny_trainer, tmp_path):
    assert train.main(tiny_argv("DePT", SUBSET, "base", output="base")) == 0
    flags = "--eval-only", "--model-dir", str(tmp_path / "base"), "--load-epoch", "2"
    for subset in ("new", "all"):
        assert train.main(tiny_argv("DePT", SUBSET, subset, output=subset, flags=flags)) == 0
    base, new, every = (
        from_bytes((tmp_path / subset / "logits.npz").read_bytes())
        for subset in ("base", "new", "all")
    )
    trainer = tiny_trainer("DePT", SUBSET, "base", output="again")
    trainer.load_model(str(tmp_path / "base"), epoch=2)
    images = next(iter(trainer.test_loader))["img"]
    similar, head = trainer.joint_inference(images), trainer.head(trainer.encoded(images))
    ours = (0.3 * similar + 0.7 * head).detach().numpy()
    np.testing.assert_allclose(base.logits[: len(ours)], ours, rtol=0, atol=0.05)
    np.testing.assert_allclose(base.own[: len(ours)], similar.numpy(), rtol=0, atol=0.05)
    assert np.abs(base.logits - base.own).max() > 1  # the task oracle
    np.testing.assert_array_equal(new.own, new.logits)
    # Without all names known, nothing but similarity; joint logits are those of a test of all.
    np.testing.assert_allclose(every.logits, every.own, rtol=0, atol=0.01)
    rows = [every.images.index(path) for path in base.images]
    np.testing.assert_allclose(base.joint, every.logits[rows], rtol=0, atol=0.05)
    assert json.loads((tmp_path / "base/result.json").read_text())["uses_task_oracle"]


def test_the_head_learns_at_its_own_rate_and_is_resumed(tiny_trainer):
    options = over("MaPLe", "OPTIM.MAX_EPOCH", 2, "TRAIN.CHECKPOINT_FREQ", 1)
    whole = tiny_trainer("DePT", *options, output="whole")
    rates = {name: whole._optims[name].param_groups[0]["lr"] for name in whole.get_model_names()}
    assert rates == {"MultiModalPromptLearner": 0.05, "decoupled_head": pytest.approx(0.325)}
    whole.train()
    resumed = killed_and_resumed(tiny_trainer, "DePT", *options, epoch=1)
    for name, value in whole.head.state_dict().items():
        assert torch.equal(resumed.head.state_dict()[name], value), name


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((BASE, "CoCoOp"), "TRAINER.DEPT.BASE must be one of KgCoOp, CoOp"),
        (("TRAINER.DEPT.PREC", "fp32"), "TRAINER.DEPT.PREC has no effect with BASE KgCoOp. Set "),
        ((BASE, "MaPLe", "TRAINER.COOP.N_CTX", 4), "TRAINER.COOP.N_CTX (on the command line) has"),
        (("TRAINER.DEPT.WEIGHT", 1.5), "TRAINER.DEPT.WEIGHT must be at least 0 and at most 1"),
    ],
)
def test_what_has_no_effect_is_refused(tiny_argv, capsys, options, message):
    assert train.main(tiny_argv("DePT", *options)) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("base", ["kgcoop", "coop", "maple", "promptsrc", "e2mim"])
def test_every_bench_has_a_recipe_for_every_base(base):
    for bench in ("vit_b16_ep10_bs4", "woven", "pocket"):
        name = bench if base == "kgcoop" else f"{bench}_over_{base}"
        path = f"{PROJECT}/configs/trainers/DePT/{name}.yaml"
        cfg = train.setup_cfg(train.parse_args(["--trainer", "DePT", "--config-file", path]))
        assert cfg.TRAINER.DEPT.BASE.lower() == base and cfg.TRAINER.DEPT.WEIGHT == 0.7
        if bench != "pocket":
            assert (cfg.OPTIM.LR, cfg.OPTIM.MAX_EPOCH) == (0.0035, 10)
            assert cfg.DATALOADER.TRAIN_X.BATCH_SIZE == 4


@pytest.mark.parametrize("name", ["DePT", "TwoSFS"])
def test_tested_while_it_trains_and_from_a_checkpoint_without_classes(
    tiny_argv, tiny_trainer, tmp_path, name, capsys
):
    """The curve ends at the results; what a file does not say is said, or refused."""
    argv = tiny_argv(name, SUBSET, "base", output="base", flags=("--eval-every", "1"))
    assert train.main(argv) == 0
    curve = json.loads((tmp_path / "base/curve.json").read_text())["points"]
    result = json.loads((tmp_path / "base/result.json").read_text())
    assert curve[-1]["base"] == pytest.approx(result["metrics"]["accuracy"])
    for path in (tmp_path / "base").glob("*/model.pth.tar-*"):
        content = torch.load(path)
        del content["run"]
        torch.save(content, path)
    epoch = int(curve[-1]["epoch"])
    base = tiny_trainer(name, SUBSET, "base", output="again")
    base.load_model(str(tmp_path / "base"), epoch=epoch)
    assert "The checkpoint does not say its classes" in capsys.readouterr().out
    accuracy = base.test()
    assert accuracy == pytest.approx(result["metrics"]["accuracy"])
    new = tiny_trainer(name, SUBSET, "new", output="new")
    if name == "TwoSFS":
        with pytest.raises(ValueError, match="SUBSAMPLE_CLASSES new are others"):
            new.load_model(str(tmp_path / "base"), epoch=epoch)
    else:
        new.load_model(str(tmp_path / "base"), epoch=epoch)
        assert new.rows is None
