"""Training views in the store: encoded once for all methods, equal to the last bit when read."""

import json

import pytest
import torch

import train
from promptkit import frozen_features
from promptkit.encoders.image_encoder import (
    encode_image,
    image_states,
    project_states,
    states_width,
)
from promptkit.stores import training_views
from promptkit.stores.training_views import TrainingViews, decide

NAMES = {"CoOp": "prompt_learner", "PromptSRC": "VLPromptLearner", "LinearProbe": "linear_probe"}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("PROMPTKIT_FEATURES", str(tmp_path / "store"))
    return tmp_path / "store" / "training"


@pytest.fixture
def encoded(monkeypatch):
    """Number of images in each encoding of training views."""
    calls = []

    def counting(model, images):
        calls.extend([len(images)] * (len(images) > 1))  # one alone tells the time
        return image_states(model, images)

    monkeypatch.setattr(frozen_features, "image_states", counting)
    return calls


@pytest.fixture
def trained(tiny_argv, tmp_path):
    """Trains, and gives what was learned and the metrics."""
    counter = iter(range(100))

    def run(trainer, *extra):
        output = f"run{next(counter)}"
        assert train.main(tiny_argv(trainer, *extra, output=output)) == 0
        name = NAMES.get(trainer, "prompt_learner")
        last = max((tmp_path / output / name).glob("model.pth.tar-*"))
        result = json.loads((tmp_path / output / "result.json").read_text())
        return torch.load(last)["state_dict"], result["metrics"]

    return run


def assert_equal(one, other):
    assert one[1] == other[1] and one[0].keys() == other[0].keys()
    assert all(torch.equal(value, other[0][key]) for key, value in one[0].items())


@pytest.mark.parametrize("trainer", ["CoOp", "PromptSRC"])
def test_a_run_that_reads_equals_the_one_that_wrote_to_the_last_bit(trained, encoded, trainer):
    cold = trained(trainer)
    assert sum(encoded) == 2 * 24  # two epochs of all images, also of the batch that is left out
    encoded.clear()
    assert_equal(trained(trainer), cold)
    assert encoded == []
    off, _ = trained(trainer, "FEATURES.TRAIN_STORE", "off")
    assert encoded == []  # by batches, on the other way
    for key, value in off.items():
        torch.testing.assert_close(value, cold[0][key], rtol=1e-4, atol=1e-5)


def test_methods_with_other_batches_read_what_one_wrote(trained, encoded):
    trained("CoOp", "DATALOADER.TRAIN_X.BATCH_SIZE", 4)
    encoded.clear()
    for trainer in ("KgCoOp", "ProGrad", "PromptSRC", "LinearProbe", "E2MIM"):
        epochs = 1 if trainer == "LinearProbe" else 2
        extra = ("TRAINER.LINEARPROBE.C", "(1.0,)") if trainer == "LinearProbe" else ()
        trained(trainer, "DATALOADER.TRAIN_X.BATCH_SIZE", 7, "OPTIM.MAX_EPOCH", epochs, *extra)
    trained("CoOp", "FEATURES.VIEWS", 2)
    assert encoded == []


@pytest.mark.parametrize(
    "extra", [("SEED", 2), ("INPUT.INTERPOLATION", "bicubic"), ("DATASET.NUM_SHOTS", 2)]
)
def test_what_decides_a_view_makes_another_entry(trained, encoded, extra):
    trained("CoOp", "OPTIM.MAX_EPOCH", 1)
    encoded.clear()
    trained("CoOp", "OPTIM.MAX_EPOCH", 1, *extra)
    assert encoded


def test_a_longer_run_encodes_the_rest(trained, encoded):
    trained("CoOp", "OPTIM.MAX_EPOCH", 1)
    encoded.clear()
    trained("CoOp", "OPTIM.MAX_EPOCH", 3)
    assert sum(encoded) == 2 * 24


def test_a_damaged_epoch_is_encoded_again(trained, encoded, folder, capsys):
    cold = trained("CoOp")
    damaged = sorted(folder.glob("*.pt"))[0]
    damaged.write_bytes(damaged.read_bytes()[:-9])
    encoded.clear()
    capsys.readouterr()
    assert_equal(trained("CoOp"), cold)
    assert sum(encoded) == 24 and "damaged" in capsys.readouterr().out


def test_what_is_not_kept_is_said_and_changes_nothing(trained, folder, monkeypatch, capsys):
    kept = trained("CoOp")
    assert "read from and kept in" in capsys.readouterr().out
    assert len(list(folder.glob("*.pt"))) == 2
    monkeypatch.setenv("PROMPTKIT_FEATURES", str(folder.parent.with_name("other")))
    monkeypatch.setattr(training_views, "LIMIT_GB", 1e-9)
    assert_equal(trained("CoOp"), kept)
    assert "not kept, the store holds 1e-09 GB" in capsys.readouterr().out
    assert not folder.parent.with_name("other").joinpath("training").exists()


def test_decisions_follow_limit_and_disk(tmp_path, monkeypatch, capsys):
    free = type("Usage", (), {"free": 10_000_000})
    monkeypatch.setattr(training_views.shutil, "disk_usage", lambda path: free)
    assert decide("auto", 1000, 500, 2) is not None  # 4 MB of 10
    assert decide("auto", 1000, 500, 3) is None  # 6 MB
    assert decide("on", 1000, 500, 3) is not None
    assert decide("auto", 16_000, 768, 500) is None
    out = capsys.readouterr().out.splitlines()
    assert "1000 images, 2 epochs, 2.0 MB an epoch, 4 MB in all; read from and kept in" in out[0]
    assert out[1].endswith(
        "not kept, 10 MB are free on the disk (FEATURES.TRAIN_STORE on keeps them)"
    )
    assert "the store holds 20 GB" in out[3]


@pytest.mark.parametrize(
    ("trainer", "extra", "message"),
    [
        ("VPT", ("FEATURES.TRAIN_STORE", "on"), "auto or off: VPT prompts the image encoder"),
        (
            "E2MIM",
            ("FEATURES.TRAIN_STORE", "on", "TRAINER.E2MIM.MIX.LEVEL", "pixel"),
            "auto or off: TRAINER.E2MIM.MIX.LEVEL pixel mixes images",
        ),
        ("CoOp", ("FEATURES.TRAIN_STORE", "yes"), "must be one of auto, on, off; got 'yes'"),
    ],
)
def test_what_cannot_be_is_refused(tiny_argv, capsys, trainer, extra, message):
    assert train.main(tiny_argv(trainer, *extra)) == 1
    assert message in capsys.readouterr().err


def test_without_a_seed_every_batch_is_encoded(tiny_argv, folder):
    argv = tiny_argv("CoOp")
    argv[argv.index("--seed") + 1] = "-1"
    assert train.main(argv) == 0
    assert not folder.exists()


def test_pixels_that_are_mixed_are_images(tiny_argv, folder):
    assert train.main(tiny_argv("E2MIM", "TRAINER.E2MIM.MIX.LEVEL", "pixel")) == 0
    assert not folder.exists()


def test_an_epoch_is_what_its_images_give(tiny_trainer):
    """Against the slow way: each image of the epoch, through the whole encoder, alone."""
    trainer = tiny_trainer("CoOp")
    images = trainer.train_loader_x
    trainer.before_train()
    trainer.close_writer()
    assert isinstance(trainer.views, TrainingViews)
    for epoch in (0, 3):
        features = trainer.views.of(epoch)
        order = images.sampler.seeds_for(range(len(images.dataset)), epoch)
        for index in order:
            image = images.dataset[index]["img"][None]
            one = trainer.image_features(image)[0]
            torch.testing.assert_close(features[index], one, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["ViT-B/32", "RN50"])
def test_states_are_one_product_before_the_features(name):
    from promptkit.backbones.openai_clip import OpenAIBackbone, random_clip

    torch.manual_seed(0)
    model = OpenAIBackbone(random_clip(name, image_layers=1, text_layers=1)).eval()
    images = torch.randn(2, 3, 224, 224)
    with torch.no_grad():
        states = image_states(model, images)
        assert states.shape == (2, states_width(model))
        assert torch.equal(project_states(model, states), encode_image(model, images))


def test_a_second_pass_of_an_epoch_has_views_of_its_own(tiny_trainer):
    """As without the store: there a second pass of an epoch draws anew."""
    trainer = tiny_trainer("CoOp")
    trainer.before_train()
    trainer.close_writer()
    loader, images = trainer.train_loader_x, trainer.images_loader

    def second_of(some):
        some.sampler.set_epoch(0)
        list(some)
        return [batch["label"] for batch in some], next(iter(some))["img"]

    labels, features = second_of(loader)
    expected, pixels = second_of(images)
    assert all(map(torch.equal, labels, expected))
    assert torch.equal(trainer.image_features(features), trainer.image_features(pixels))


def test_a_transform_that_does_not_say_what_it_does_is_named(tiny_trainer, capsys, folder):
    class Invert:
        def __call__(self, image):
            return 1 - image

    trainer = tiny_trainer("CoOp")
    trainer.train_loader_x.dataset.transform.transforms.append(Invert())
    trainer.train()
    assert "Views of training images: not kept, Invert does not say what it does" in (
        capsys.readouterr().out
    )
    assert not folder.exists()


def test_without_augmentation_one_view_is_all_there_is(trained, encoded, folder):
    """Read once for all epochs, and the same as images that are encoded at every step."""
    fixed = ("INPUT.TRANSFORMS", "['normalize']", "OPTIM.MAX_EPOCH", 3)
    state, metrics = trained("CoOp", *fixed)
    assert sum(encoded) == 24 and len(list(folder.glob("*.pt"))) == 1
    trained("KgCoOp", *fixed)
    assert sum(encoded) == 24
    plain, other = trained("CoOp", *fixed, "FEATURES.TRAIN_STORE", "off")
    torch.testing.assert_close(state["ctx"], plain["ctx"], rtol=1e-4, atol=1e-6)
    assert metrics == other


def test_a_transform_of_the_users_may_draw(tiny_trainer):
    class Normalize(torch.nn.Module):
        def forward(self, image):
            return image

    trainer = tiny_trainer("CoOp", "INPUT.TRANSFORMS", "['normalize']")
    loader = trainer.train_loader_x
    assert training_views.draws_nothing(loader)
    loader.dataset.transform.transforms.append(Normalize())
    assert not training_views.draws_nothing(loader)
    assert not training_views.draws_nothing(tiny_trainer("CoOp", output="x").train_loader_x)
