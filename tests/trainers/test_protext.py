"""ProText against its formula; what it reads, and what it does not."""

import json

import pytest
import torch

import train
from tests.trainers.literal import (
    assert_trainer_is_literal,
    image_feature,
    names_of,
    scale_of,
    text_feature,
)

NODE = "TRAINER.PROTEXT."


@pytest.mark.parametrize(("tokens", "square"), [(2, True), (6, False)])
def test_logits_loss_and_gradients_are_the_formulas(tiny_trainer, tokens, square):
    options = (f"{NODE}N_CTX_TEXT", tokens, f"{NODE}PROMPT_DEPTH_TEXT", 3, f"{NODE}L_TWO_NORM",
               square)  # fmt: skip
    trainer = tiny_trainer("ProText", *options)
    trainer.before_train()
    model = trainer.clip_model
    words = "a photo of a" if tokens == 2 else "X X X X X X"

    def literal(p, targets, labels):
        layers = {1: p["deep_text.0"], 2: p["deep_text.1"]}
        t = torch.stack(
            [text_feature(model, f"{words} {n}.", p["ctx"], layers) for n in names_of(trainer)]
        )
        z = torch.stack([image_feature(model, x.double()) for x in pictures])
        off = t[labels] - targets
        loss = 1000 * (off**2).mean() if square else off.abs().mean()
        return scale_of(trainer) * z @ t.T, {"loss": loss}

    pictures = next(iter(trainer.dm.test_loader))["img"][:4]
    trainer.model_inference = lambda _, own=trainer.model_inference: own(pictures)
    assert len(assert_trainer_is_literal(trainer, literal)) == 3


def test_batches_are_sentences_with_their_frozen_features(tiny_trainer, tmp_path):
    path = tmp_path / "sentences.json"
    names = ("arrow", "circle", "cross shape", "heart", "ring", "star")
    sentences = {name: [f"{name} {x}." for x in range(2 + row)] for row, name in enumerate(names)}
    path.write_text(json.dumps(sentences))
    options = (f"{NODE}TEMPLATES", "descriptions", "DATASET.DESCRIPTIONS", str(path))
    trainer = tiny_trainer("ProText", *options)
    trainer.before_train()
    (batch,) = trainer.train_loader_x
    classes = [name.replace("_", " ") for name in trainer.dm.dataset.classnames]
    assert batch["label"].bincount().tolist() == [len(sentences[name]) for name in classes]
    for target, label in zip(batch["img"], batch["label"], strict=True):
        own = [text_feature(trainer.clip_model, x) for x in sentences[classes[int(label)]]]
        assert min((target - x).abs().max() for x in own) < 1e-5


def test_no_image_is_encoded_in_training_and_shots_change_nothing(tiny_trainer):
    def fail(*_):
        raise AssertionError("an image was encoded")

    learned = []
    for shots in (1, 4):
        trainer = tiny_trainer("ProText", "DATASET.NUM_SHOTS", shots, "OPTIM.MAX_EPOCH", 1,
                               "TEST.NO_TEST", True, "FEATURES.STORE", False,
                               output=str(shots))  # fmt: skip
        hook = trainer.clip_model.visual.conv1.register_forward_pre_hook(fail)
        trainer.train()
        learned.append(trainer.learner.ctx.detach())
        with pytest.raises(AssertionError, match="an image was encoded"):  # the hook would see it
            trainer.test()
        hook.remove()
    assert torch.equal(*learned)


def test_the_sentence_of_the_tested_data_set_follows_with_cross_dataset(tiny_trainer):
    options = (f"{NODE}CROSS_DATASET", True, "DATASET.TEMPLATE", "a photo of a {}, drawn.")
    trainer = tiny_trainer("ProText", *options)
    layers = {1: trainer.learner.deep_text[0].detach().double()}
    context = trainer.learner.ctx.detach().double()
    expected = [
        text_feature(trainer.clip_model, f"a photo of a {name}, drawn.", context, layers)
        for name in names_of(trainer)
    ]
    found = trainer.text_features().detach().double()
    torch.testing.assert_close(found, torch.stack(expected), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((f"{NODE}TEMPLATES", "descriptions"), "needs sentences about the classes"),
        (("FEATURES.VIEWS", 2), "FEATURES.VIEWS must be 0 with ProText"),
        ((f"{NODE}CROSS_DATASET", True, f"{NODE}N_CTX_TEXT", 8), "with more than 4 context tokens"),
    ],
)
def test_what_it_cannot_do_is_refused(tiny_argv, capsys, options, message):
    assert train.main(tiny_argv("ProText", *options)) == 1
    assert message in capsys.readouterr().err
