"""2SFS: layer norms, then a classifier; steps, stages and predictions are the paper's."""

import contextlib
import math

import pytest
import torch

import train
from promptkit.backbones.openai_clip import OpenAIBackbone, random_clip
from promptkit.encoders.standing_in import layer_norms
from tests.trainers.literal import (
    assert_trainer_is_literal,
    cross_entropy,
    image_feature,
    names_of,
    scale_of,
    text_feature,
)
from tests.trainers.resuming import killed_and_resumed

STEPS = "TRAINER.TWOSFS.ITERATIONS"


@contextlib.contextmanager
def norms_of(model, parameters):
    """The literal layer norms read their weights and biases here."""
    with contextlib.ExitStack() as stack:
        for name, copy in parameters.items():
            path, _, own = name.removeprefix("norms.").replace("-", ".").rpartition(".")
            module = vars(model.get_submodule(path))
            module[own] = copy
            stack.callback(module.pop, own)
        yield


def literal(trainer):
    def forward(p, images, labels):
        model = trainer.clip_model
        norms = {n: v.double() for n, v in trainer.learner.named_parameters() if "norms" in n}
        with norms_of(model.model, norms | {n: v for n, v in p.items() if "norms" in n}):
            z = torch.stack([image_feature(model, x) for x in images])
            sentences = [f"a drawing of a {name}." for name in names_of(trainer)]
            t = torch.stack([text_feature(model, x) for x in sentences])
        if "classifier" in p:
            t = p["classifier"] / p["classifier"].norm(dim=1, keepdim=True)
        logits = scale_of(trainer) * z @ t.T
        return logits, {"loss": cross_entropy(logits, labels)}

    return forward


@pytest.mark.parametrize("outer", [False, True])
def test_the_first_stage_is_the_formula(tiny_trainer, outer):
    trainer = tiny_trainer("TwoSFS", "TRAINER.TWOSFS.OUTER_NORMS", outer)
    gradients = assert_trainer_is_literal(trainer, literal(trainer), without=("classifier",))
    assert len(gradients) == 4 * (2 + 3) + 6 * outer


def test_the_second_stage_is_the_formula(tiny_trainer):
    trainer = tiny_trainer("TwoSFS")
    trainer.learner.has_rows.fill_(True)
    assert len(assert_trainer_is_literal(trainer, literal(trainer), without=("norms",))) == 1


def test_published_size():
    """61,440 numbers of ViT-B/16's twelve layers; 65,536 with the norms around them."""
    model = OpenAIBackbone(random_clip("ViT-B/16", image_layers=1, text_layers=1))
    for outer, expected in ((False, 61_440 / 12), (True, 61_440 / 12 + 4_096)):
        names = [name for own in layer_norms(model, outer=outer).values() for name in own]
        assert sum(model.model.get_parameter(name).numel() for name in names) == expected


def test_stages_have_their_steps_and_a_cosine_each(tiny_trainer):
    """6 steps in epochs of 2: 3 in the first stage, whose second epoch has one left over."""
    trainer = tiny_trainer("TwoSFS", STEPS, 2, "DATASET.NUM_SHOTS", 3,
                           "DATALOADER.TRAIN_X.BATCH_SIZE", 9)  # fmt: skip
    seen, update = [], trainer.update

    def noted(parts):
        seen.append((trainer.epoch, bool(trainer.learner.has_rows), trainer.get_current_lr()))
        update(parts)

    trainer.update = noted
    trainer.train()
    assert trainer.stages == (3, 3) and trainer.max_epoch == 4
    assert [epoch for epoch, *_ in seen] == [0, 0, 1, 2, 2, 3]
    assert [second for _, second, _ in seen] == [False] * 3 + [True] * 3
    for (*_, rate), step in zip(seen, (0, 1, 2) * 2, strict=True):
        expected = 1e-6 + (2e-4 - 1e-6) * 0.5 * (1 + math.cos(math.pi * step / 3))
        assert rate == pytest.approx(expected, rel=1e-6)


def test_the_classifier_starts_at_the_tuned_sentences_and_norms_stay(tiny_trainer):
    trainer = tiny_trainer("TwoSFS")
    update, at_start = trainer.update, []

    def noted(parts):
        if trainer.learner.has_rows and not at_start:
            at_start.append({k: v.clone() for k, v in trainer.learner.state_dict().items()})
            at_start.append(trainer.text_features().detach())
        update(parts)

    trainer.update = noted
    trainer.train()
    (start, text), end = at_start, trainer.learner.state_dict()
    torch.testing.assert_close(start["classifier"], text)
    assert all(torch.equal(end[name], start[name]) == ("norms" in name or name == "has_rows")
               for name in end)  # fmt: skip
    zero_shot = tiny_trainer("TwoSFS", output="z").text_features()
    assert (text - zero_shot).abs().max() > 1e-4


@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_killed_before_within_and_between_stages_it_ends_with_the_same(tiny_trainer, epoch):
    options = STEPS, 2, "TRAIN.CHECKPOINT_FREQ", 1  # 8 steps in epochs of 2: 4 and 4
    whole = tiny_trainer("TwoSFS", *options, output="whole")
    whole.train()
    assert whole.first_epochs == [0, 2] and whole.max_epoch == 4
    resumed = killed_and_resumed(tiny_trainer, "TwoSFS", *options, epoch=epoch)
    again = resumed.learner.state_dict()
    assert all(torch.equal(again[key], value) for key, value in whole.learner.state_dict().items())


def test_classes_are_predicted_one_by_one(tiny_trainer):
    """Rows for those that were trained, sentences for the others, whatever is asked for."""
    trained = tiny_trainer("TwoSFS", "DATASET.SUBSAMPLE_CLASSES", "base")
    trained.train()
    rows = torch.nn.functional.normalize(trained.learner.classifier, dim=-1)
    found = {}
    for subset in ("base", "new", "all"):
        trainer = tiny_trainer("TwoSFS", "DATASET.SUBSAMPLE_CLASSES", subset, output=subset)
        trainer.load_model(trained.output_dir, epoch=trained.max_epoch)
        with torch.no_grad():
            found[subset] = trainer.class_features()
            texts = trainer.text_features()
    assert torch.equal(found["base"], rows)
    torch.testing.assert_close(found["all"], torch.cat([rows, texts[3:]]))
    torch.testing.assert_close(found["new"], texts[3:])
    assert (rows - texts[:3]).abs().max() > 1e-4
    twin = trained.beside(["star", trained.dm.dataset.classnames[1]])
    twin.take_from(trained)
    torch.testing.assert_close(twin.class_features()[1], rows[1])
    torch.testing.assert_close(twin.class_features()[0], texts[5])


def test_chunks_give_the_same_gradients(tiny_trainer):
    gradients = []
    for chunk in (1024, 2):
        trainer = tiny_trainer("TwoSFS", "TRAINER.TWOSFS.CHUNK", chunk, output=str(chunk))
        trainer.text_features().square().mul(torch.arange(32)).sum().backward()
        own = trainer.learner.norms.named_parameters()
        gradients.append(torch.cat([p.grad.flatten() for n, p in own if "visual" not in n]))
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("OPTIM.MAX_EPOCH", 3), "OPTIM.MAX_EPOCH must be 1 with TwoSFS"),
        (("FEATURES.VIEWS", 1), "FEATURES.VIEWS must be 0 with TwoSFS"),
        (("TRAINER.TWOSFS.FIRST", 1.0), "TRAINER.TWOSFS.FIRST must be above 0 and below 1; got 1"),
        (("TRAINER.TWOSFS.FIRST", 0.1), "4 steps in all with TRAINER.TWOSFS.FIRST 0.1 leave 0"),
        (("TRAINER.TWOSFS.COMPILE", True), "TwoSFS is not trained in steps of OPTIM's"),
    ],
)
def test_mistakes_are_named(tiny_argv, capsys, options, message):
    assert train.main(tiny_argv("TwoSFS", *options)) == 1
    assert message in capsys.readouterr().err
