"""E2MIM's two terms over other methods: their loss and the terms, on the same features."""

import json

import pytest
import torch
from torch.nn import functional as F

import train
from promptkit.objectives.mixup import Pairs
from promptkit.runs.environment import PROJECT
from promptkit.use.tuned import open_run
from run_files.dotted import flatten
from tests.conftest import TINY_OPTIONS
from tests.trainers.resuming import killed_and_resumed

OTHERS = {"ivlp": "IVLP", "maple": "MaPLe", "promptsrc": "PromptSRC", "tcp": "TCP"}
LEARNER = "TRAINER.E2MIM.LEARNER"
NO_TERMS = "TRAINER.E2MIM.ALPHA", 0.0, "TRAINER.E2MIM.BETA", 0.0


def over(learner: str, *extra) -> tuple:
    """The options of a run over a learner, with those that the tiny CLIP needs."""
    return (LEARNER, learner, *TINY_OPTIONS[OTHERS[learner]], *extra)


def weights_of(trainer) -> dict[str, torch.Tensor]:
    return dict(trainer.learner.state_dict())


@pytest.mark.parametrize("learner", OTHERS)
def test_without_its_terms_it_is_the_other_method_to_the_last_bit(tiny_trainer, learner):
    optimizer = ("OPTIM.NAME", "adam") if learner == "tcp" else ()
    alone = tiny_trainer(OTHERS[learner], *optimizer, output="alone")
    alone.train()
    both = tiny_trainer("E2MIM", *over(learner, *NO_TERMS, *optimizer), output="over")
    both.train()
    assert type(both).__name__ == "E2MIM" and isinstance(both, type(alone))
    assert weights_of(both).keys() == weights_of(alone).keys()
    for name, value in weights_of(alone).items():
        assert torch.equal(weights_of(both)[name], value), name
    assert both.evaluator._y_pred == alone.evaluator._y_pred


def infonce(scores: torch.Tensor) -> torch.Tensor:
    """Both directions, their mean, in nats: log N minus the cross-entropy of the pairs."""
    rows = torch.arange(len(scores))
    losses = [F.cross_entropy(x, rows) for x in (scores, scores.T)]
    return torch.log(torch.tensor(float(len(scores)))) - sum(losses) / 2


@pytest.mark.parametrize("level", ["feature", "pixel"])
@pytest.mark.parametrize("learner", ["maple", "promptsrc", "tcp"])
def test_loss_and_gradients_are_the_others_and_the_two_terms(tiny_trainer, learner, level):
    options = "TRAINER.E2MIM.MI.CRITIC", "cosine", "TRAINER.E2MIM.MIX.LEVEL", level
    both = tiny_trainer("E2MIM", *over(learner, *options, "TRAINER.E2MIM.ALPHA", 0.5))
    alone = tiny_trainer(OTHERS[learner], output="alone")
    torch.manual_seed(1)
    for trainer in (both, alone):
        trainer.set_model_mode("train")
    for ours, theirs in zip(both.learner.parameters(), alone.learner.parameters(), strict=True):
        ours.data += 0.1 * torch.randn_like(ours)
        theirs.data.copy_(ours)
    images, labels = both.parse_batch_train(next(iter(both.train_loader_x)))
    pairs = Pairs(torch.tensor([0, 1, 2]), torch.tensor([3, 4, 5]), torch.tensor([0.2, 0.5, 0.9]))
    found = both.loss(images, labels, pairs)
    own = alone.loss(images, labels)
    soft, weight = alone.text_features(), pairs.weight[:, None]
    hand = both.text_views.own
    if level == "pixel":
        mixed = pairs.weight[:, None, None, None]
        mixed = alone.image_features(
            mixed * images[pairs.first] + (1 - mixed) * images[pairs.second]
        )
    else:
        z = alone.image_features(images)
        mixed = F.normalize(weight * z[pairs.first] + (1 - weight) * z[pairs.second], dim=1)
    one, other = soft[labels[pairs.first]], soft[labels[pairs.second]]
    text = F.normalize(weight * one + (1 - weight) * other, dim=1)
    expected = own["loss"] - 0.5 * infonce(soft @ hand.T / 0.07) - infonce(mixed @ text.T / 0.07)
    torch.testing.assert_close(found["loss"], expected, rtol=1e-5, atol=1e-5)
    names = [name for name, _ in alone.learner.named_parameters()]
    ours = torch.autograd.grad(found["loss"], list(both.learner.parameters()))
    theirs = torch.autograd.grad(expected, list(alone.learner.parameters()))
    for name, gradient, wanted in zip(names, ours, theirs, strict=True):
        assert (gradient - wanted).abs().max() < 1e-5 * wanted.abs().max(), name


def test_killed_and_resumed_over_promptsrc_it_ends_with_the_same_average(tiny_trainer):
    options = over("promptsrc", "OPTIM.MAX_EPOCH", 2, "TRAIN.CHECKPOINT_FREQ", 1)
    whole = tiny_trainer("E2MIM", *options, output="whole")
    whole.train()
    assert {"VLPromptLearner", "gpa", "critic"} == set(whole.get_model_names())
    resumed = killed_and_resumed(tiny_trainer, "E2MIM", *options, epoch=1)
    for name, value in weights_of(whole).items():
        assert torch.equal(weights_of(resumed)[name], value), name


def test_its_result_has_both_nodes_opens_and_is_no_run_of_another_learner(
    tiny_argv, tmp_path, capsys
):
    argv = tiny_argv("E2MIM", *over("maple", "DATASET.SUBSAMPLE_CLASSES", "base"))
    assert train.main(argv) == 0
    result = json.loads((tmp_path / "run/result.json").read_text())
    assert {"E2MIM", "MAPLE", "NAME"} == set(result["config"]["TRAINER"])
    assert "\n  MAPLE     " in capsys.readouterr().out
    trainer = open_run(tmp_path / "run", classnames=["a ring", "a star"])
    assert trainer.text_features().shape[0] == 2 and trainer.learner_name.startswith("MultiModal")
    again = tiny_argv("E2MIM", *over("ivlp", "DATASET.SUBSAMPLE_CLASSES", "base"))
    assert train.main(again) == 1
    assert "holds a run with other settings" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((LEARNER, "maple", "TRAINER.E2MIM.N_CTX", 8),
         "TRAINER.E2MIM.N_CTX has no effect with LEARNER maple. Set TRAINER.MAPLE.N_CTX"),
        ((LEARNER, "maple", "TRAINER.IVLP.N_CTX_TEXT", 2),
         "TRAINER.IVLP.N_CTX_TEXT (on the command line) has no effect: TRAINER.E2MIM.LEARNER is"),
        (("TRAINER.MAPLE.N_CTX", 2), "TRAINER.E2MIM.LEARNER is coop"),
        ((LEARNER, "cocoop"), "LEARNER must be one of coop, ivlp, maple, promptsrc, tcp"),
        ((LEARNER, "maple", "TRAINER.MAPLE.PROMPT_DEPTH", 9), "PROMPT_DEPTH must be from 1 to"),
        ((LEARNER, "ivlp", *TINY_OPTIONS["IVLP"], "TRAINER.E2MIM.MIX.LEVEL", "class"),
         "LEARNER ivlp prompts the images. Set MIX.LEVEL feature or pixel."),
        ((LEARNER, "tcp", "TRAINER.TCP.PREC", "int8"), "TRAINER.TCP.PREC must be one of"),
    ],
)  # fmt: skip
def test_what_has_no_effect_is_refused(tiny_argv, capsys, options, message):
    assert train.main(tiny_argv("E2MIM", *options)) == 1
    assert message in capsys.readouterr().err


RECIPES = {
    "ivlp": "vit_b16_c2_ep20_batch4_4+4ctx",
    "maple": "vit_b16_c2_ep5_batch4_2ctx",
    "promptsrc": "vit_b16_c2_ep20_batch4_4+4ctx",
    "tcp": "vit_b16_ep50_ctxv1",
}


@pytest.mark.parametrize("learner", OTHERS)
@pytest.mark.parametrize("bench", ["vit_b16", "woven", "pocket"])
def test_recipes_are_the_others_and_the_default_terms(learner, bench):
    def config(trainer: str, recipe: str) -> dict:
        path = f"{PROJECT}/configs/trainers/{trainer}/{recipe}.yaml"
        cfg = train.setup_cfg(train.parse_args(["--trainer", trainer, "--config-file", path]))
        return flatten(json.loads(json.dumps(cfg)))

    theirs = config(OTHERS[learner], RECIPES[learner] if bench == "vit_b16" else bench)
    ours = config("E2MIM", f"{bench}_over_{learner}")
    changed = {key for key in theirs if theirs[key] != ours[key]}
    changed -= {"PROTOCOL.CHOSEN_ON"}  # nothing was chosen for the terms
    assert changed == {"TRAINER.NAME", LEARNER} and ours[LEARNER] == learner
