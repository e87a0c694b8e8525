"""What holds for every registered trainer."""

import pytest
import torch

import train
import trainers  # noqa: F401  (registers them)
from dassl.engine import TRAINER_REGISTRY
from promptkit.trainer import PromptTrainer

NAMES = sorted(
    name
    for name in TRAINER_REGISTRY.registered_names()  # tests of the engine register more
    if TRAINER_REGISTRY.get(name).__module__.startswith("trainers.")
)
TRAINED = [name for name in NAMES if not name.startswith("Zeroshot")]
PROMPTED = [name for name in TRAINED if name != "LinearProbe"]  # classes are words, not weights


def options_of(name: str) -> tuple:
    """What a trainer needs besides the tiny recipe."""
    return ("OPTIM.MAX_EPOCH", 1) if name == "LinearProbe" else ()


def test_these_are_all():
    """A discovery that finds nothing would make the tests below pass for nothing."""
    assert NAMES == ["CoOp", "E2MIM", "KgCoOp", "LinearProbe", "ZeroshotCLIP", "ZeroshotCLIP2"]


@pytest.mark.parametrize("name", NAMES)
def test_its_options_are_in_the_config_and_checked(name):
    cfg = train.setup_cfg(train.parse_args([]))
    node = cfg.TRAINER[name.upper()]
    assert node.PREC == "auto" and node.TEXT_ENCODER == "fast"
    assert issubclass(TRAINER_REGISTRY.get(name), PromptTrainer)


@pytest.mark.parametrize("name", TRAINED)
@pytest.mark.parametrize("prec", ["fp32", "bf16"])
def test_a_step_changes_what_is_registered_and_nothing_else(tiny_trainer, name, prec):
    precision = f"TRAINER.{name.upper()}.PREC", prec
    trainer = tiny_trainer(name, *precision, "OPTIM.LR", 0.1, *options_of(name))
    frozen = {key: value.clone() for key, value in trainer.clip_model.state_dict().items()}
    registered = {
        (model, key): value.clone()
        for model in trainer._models
        for key, value in trainer._models[model].named_parameters()
    }
    trainer.train()
    for key, value in trainer.clip_model.state_dict().items():
        assert torch.equal(value, frozen[key]), key
    for (model, key), before in registered.items():
        after = dict(trainer._models[model].named_parameters())[key]
        assert not torch.equal(after, before), (model, key)
        assert after.dtype == torch.float32 and after.isfinite().all()


@pytest.mark.parametrize("name", PROMPTED)
def test_trained_on_base_it_gives_the_same_logits_after_loading(tiny_trainer, name):
    trained = tiny_trainer(name, "DATASET.SUBSAMPLE_CLASSES", "base")
    trained.train()
    images = next(iter(trained.test_loader))["img"]
    expected = trained.model_inference(images)
    again = tiny_trainer(name, "DATASET.SUBSAMPLE_CLASSES", "base", output="again")
    again.load_model(trained.output_dir, epoch=2)
    assert torch.equal(again.model_inference(images), expected)
    new = tiny_trainer(name, "DATASET.SUBSAMPLE_CLASSES", "new", output="new")
    new.load_model(trained.output_dir, epoch=2)
    assert new.model_inference(images).shape == (len(images), 3)


@pytest.mark.parametrize("name", TRAINED)
def test_checkpoints_hold_only_what_was_trained_as_plain_tensors(tiny_trainer, name):
    trainer = tiny_trainer(name, *options_of(name))
    trainer.train()
    for model in trainer.get_model_names():
        path = f"{trainer.output_dir}/{model}/model.pth.tar-{trainer.max_epoch}"
        content = torch.load(path, weights_only=True)
        expected = {"state_dict", "epoch", "optimizer", "scheduler", "val_result", "rng_state"}
        assert set(content) >= expected
        assert not any("token" in key or "clip" in key for key in content["state_dict"])
