"""What holds for every registered trainer."""

import pytest
import torch

import train
import trainers  # noqa: F401  (registers them)
from dassl.engine import TRAINER_REGISTRY
from promptkit.feature_trainer import FeatureTrainer
from promptkit.trainer import PromptTrainer
from tests.trainers.resuming import killed_and_resumed

# Of a family whose other members are here: they differ in prompts, which their own tests look at.
RELATIVES = ("CoCoOp_ATP", "DeKg_TCP", "MMRLpp", "MaPLe_ATP")
NODES = {"DePT": "KGCOOP"}  # of a method over another: where PREC and such stand
NAMES = sorted(
    name
    for name in TRAINER_REGISTRY.registered_names()  # tests of the engine register more
    if TRAINER_REGISTRY.get(name).__module__.startswith("trainers.")
)
TRAINED = [name for name in NAMES if not name.startswith("Zeroshot")]
ON_FEATURES = [name for name in TRAINED if issubclass(TRAINER_REGISTRY.get(name), FeatureTrainer)]
# Classes are words, not weights.
OF_ENCODERS = ["CLIPLoRA", "SkipTuning", "TwoSFS"]  # they change CLIP itself
PROMPTED = [name for name in TRAINED if name not in ("LinearProbe", *OF_ENCODERS, *ON_FEATURES)]
FIT_ALL = [*PROMPTED, *OF_ENCODERS, "CLAP", "CLIPAdapter", "GDA", "ProLIP", "ZSLP"]  # all classes
IN_EPOCHS = [*PROMPTED, "CLAP", "CLIPAdapter", "SkipTuning", "TaskRes", "TipAdapterF", "ZSLP"]


def test_these_are_all():
    """A discovery that finds nothing would make the tests below pass for nothing."""
    assert NAMES == [
        "CLAP", "CLIPAdapter", "CLIPLoRA", "CoCoOp", "CoCoOp_ATP", "CoOp", "CoOp_ATP", "CoPrompt",
        "DeKg", "DeKg_TCP", "DePT", "E2MIM", "GDA", "IVLP", "KgCoOp", "LASP", "LPPlusPlus",
        "LinearProbe", "MMA", "MMRL", "MMRLpp", "MaPLe", "MaPLe_ATP", "ProGrad", "ProLIP",
        "ProText", "PromptSRC", "SkipTuning", "TCP", "TaskRes", "TipAdapter", "TipAdapterF",
        "TwoSFS", "VPT", "ZSLP", "ZeroshotCLIP", "ZeroshotCLIP2",
    ]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_its_options_are_in_the_config_and_checked(name):
    cfg = train.setup_cfg(train.parse_args([]))
    node = cfg.TRAINER[name.upper()]
    assert node.PREC == "auto" and node.TEXT_ENCODER == "fast"
    assert issubclass(TRAINER_REGISTRY.get(name), PromptTrainer)


@pytest.mark.parametrize(
    ("prec", "name"),
    [("fp32", name) for name in TRAINED]
    + [("bf16", name) for name in TRAINED if name not in RELATIVES],
)
def test_a_step_changes_what_is_registered_and_nothing_else(tiny_trainer, name, prec):
    precision = f"TRAINER.{NODES.get(name, name.upper())}.PREC", prec
    trainer = tiny_trainer(name, *precision, "OPTIM.LR", 0.1, "OPTIM.MAX_EPOCH", 1)
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
    for model in trainer.get_model_names():  # checkpoints hold what was trained, as plain tensors
        path = f"{trainer.output_dir}/{model}/model.pth.tar-{trainer.max_epoch}"
        content = torch.load(path, weights_only=True)
        expected = {"state_dict", "epoch", "optimizer", "scheduler", "val_result", "rng_state"}
        assert set(content) >= expected
        names = [key.replace("rep_tokens", "") for key in content["state_dict"]]  # MMRL's are
        assert not any("token" in key or "clip" in key for key in names)


@pytest.mark.parametrize("name", FIT_ALL)
def test_trained_on_base_it_gives_the_same_logits_after_loading(tiny_trainer, name):
    trained = tiny_trainer(name, "DATASET.SUBSAMPLE_CLASSES", "base")
    trained.train()
    images = next(iter(trained.dm.test_loader))["img"]
    expected = trained.model_inference(images)
    again = tiny_trainer(name, "DATASET.SUBSAMPLE_CLASSES", "base", output="again")
    again.load_model(trained.output_dir, epoch=trained.max_epoch)
    assert torch.equal(again.model_inference(images), expected)
    new = tiny_trainer(name, "DATASET.SUBSAMPLE_CLASSES", "new", output="new")
    new.load_model(trained.output_dir, epoch=trained.max_epoch)
    assert new.model_inference(images).shape == (len(images), 3)


@pytest.mark.parametrize("name", [name for name in TRAINED if name not in RELATIVES])
def test_the_same_seed_gives_the_same_bits(tiny_trainer, name):
    """With as many threads; docs/reliability.md says what another number of them changes."""
    seeds = (1, 1, 2) if name == "CoOp" else (1, 1)
    learned = []
    for number, seed in enumerate(seeds):
        trainer = tiny_trainer(name, "OPTIM.MAX_EPOCH", 1, "SEED", seed, output=str(number))
        trainer.train()
        weights = [value for _, model in sorted(trainer._models.items())
                   for value in model.state_dict().values()]  # fmt: skip
        learned.append([*weights, trainer.model_inference(next(iter(trainer.test_loader))["img"])])
    first, second, *others = learned
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    for other in others:
        assert not any(torch.equal(a, b) for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize("name", [name for name in IN_EPOCHS if name not in RELATIVES])
def test_killed_and_resumed_it_ends_with_the_same_weights(tiny_trainer, name):
    options = ("OPTIM.MAX_EPOCH", 2, "TRAIN.CHECKPOINT_FREQ", 1)
    whole = tiny_trainer(name, *options, output="whole")
    whole.train()
    resumed = killed_and_resumed(tiny_trainer, name, *options, epoch=1)
    for model in whole.get_model_names():
        again = resumed._models[model].state_dict()
        for key, value in whole._models[model].state_dict().items():
            assert torch.equal(again[key], value), (model, key)


@pytest.mark.parametrize("name", [name for name in PROMPTED if name not in RELATIVES])
def test_fast_and_reference_encoder_give_the_same_training(tiny_trainer, name):
    learned = []
    for encoder in ("fast", "reference"):
        key = f"TRAINER.{NODES.get(name, name.upper())}.TEXT_ENCODER"
        trainer = tiny_trainer(name, key, encoder, output=encoder)
        trainer.train()
        learned.append(torch.cat([p.flatten() for p in trainer.learner.parameters()]).detach())
    torch.testing.assert_close(*learned, rtol=1e-4, atol=5e-5)
