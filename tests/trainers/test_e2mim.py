"""E2MIM: CoOp when its weights are zero, its terms against their formulas, every key of it."""

import itertools
import re
import types

import clip
import pytest
import torch
from torch.nn import functional as F

import train
from promptkit import mi_estimator
from promptkit.objectives.mixup import Pairs
from tests.trainers.resuming import killed_and_resumed
from trainers import e2mim


def batch_of(trainer):
    return trainer.parse_batch_train(next(iter(trainer.train_loader_x)))


def loss_lines(capsys) -> list[list[str]]:
    lines = [x for x in capsys.readouterr().out.splitlines() if " batch [" in x]
    return [re.findall(r"(?<= )(?:loss|acc|lr) [-\d.e+]+", line) for line in lines]


def test_without_its_terms_it_is_coop_to_the_last_bit(tiny_trainer, capsys):
    common = ("OPTIM.MAX_EPOCH", 3, "TRAIN.PRINT_FREQ", 1)
    coop = tiny_trainer("CoOp", *common, "TRAINER.COOP.N_CTX", 4, output="coop")
    coop.train()
    coop_lines = loss_lines(capsys)
    e2mim = tiny_trainer(
        "E2MIM", *common, "TRAINER.E2MIM.ALPHA", 0.0, "TRAINER.E2MIM.BETA", 0.0,
        "TRAINER.E2MIM.N_CTX", 4, "TRAINER.E2MIM.CTX_INIT", "", "TRAINER.E2MIM.MI.CRITIC", "mlp",
        output="e2mim",
    )  # fmt: skip
    e2mim.train()
    assert loss_lines(capsys) == coop_lines and len(coop_lines) == 6
    assert torch.equal(coop.learner.ctx, e2mim.learner.ctx)
    assert coop.evaluator._y_pred == e2mim.evaluator._y_pred


def test_its_terms_do_change_the_run_and_the_critic(tiny_trainer):
    coop = tiny_trainer("CoOp", "TRAINER.COOP.CTX_INIT", "a photo of a", output="coop")
    coop.train()
    e2mim = tiny_trainer("E2MIM", "TRAINER.E2MIM.MI.CRITIC_LR", 0.01, output="e2mim")
    e2mim.train()
    assert not torch.equal(coop.learner.ctx, e2mim.learner.ctx)
    for estimator in e2mim.estimators.values():
        assert not torch.equal(estimator.critic.x_projection, torch.eye(32))


def test_ensemble_term_is_minus_infonce_between_soft_and_hand_crafted_text(tiny_trainer):
    trainer = tiny_trainer("E2MIM", "TRAINER.E2MIM.BETA", 0.0, "TRAINER.E2MIM.ALPHA", 2.5)
    torch.nn.init.normal_(trainer.learner.ctx, std=0.5)
    parts = trainer.loss(*batch_of(trainer))
    names = [n.replace("_", " ") for n in trainer.dm.dataset.classnames]
    hand = trainer.clip_model.encode_text(clip.tokenize([f"a drawing of a {n}." for n in names]))
    scores = trainer.text_features() @ F.normalize(hand, dim=-1).T / 0.07
    target = torch.arange(len(names))
    lasp = F.cross_entropy(scores, target)  # the text-to-text loss of LASP, one direction
    other = F.cross_entropy(scores.T, target)
    expected = torch.log(torch.tensor(6.0)) - (lasp + other) / 2
    torch.testing.assert_close(parts["mi_ensemble_nats"], expected.detach(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(parts["loss"], parts["ce"] - 2.5 * expected, rtol=1e-5, atol=1e-5)
    assert "exploration" not in parts


def test_loss_is_the_sum_of_its_terms_with_their_weights(tiny_trainer):
    trainer = tiny_trainer("E2MIM", "TRAINER.E2MIM.ALPHA", 0.3, "TRAINER.E2MIM.BETA", 2.0)
    torch.nn.init.normal_(trainer.learner.ctx, std=0.5)
    parts = trainer.loss(*batch_of(trainer))
    expected = parts["ce"] + 0.3 * parts["ensemble"] + 2.0 * parts["exploration"]
    torch.testing.assert_close(parts["loss"], expected)
    assert parts["ensemble"].item() == -parts["mi_ensemble_nats"].item() != 0
    assert parts["exploration"].item() == -parts["mi_exploration_nats"].item() != 0


def test_prompts_and_critic_learn_to_raise_both_estimates(tiny_trainer, capsys):
    common = ("OPTIM.MAX_EPOCH", 15, "TRAIN.PRINT_FREQ", 1, "TRAINER.E2MIM.MI.CRITIC_LR", 0.05)

    def last_estimates(weight: float) -> list[float]:
        # A weight that is as good as zero still logs the estimate.
        trainer = tiny_trainer(
            "E2MIM", *common, "TRAINER.E2MIM.ALPHA", weight, "TRAINER.E2MIM.BETA", weight,
            output=f"weight{weight}",
        )  # fmt: skip
        trainer.train()
        line = [x for x in capsys.readouterr().out.splitlines() if "] mean " in x][-1]
        return [float(x) for x in re.findall(r"nats ([-\d.]+)", line)]

    watched, raised = last_estimates(1e-9), last_estimates(1.0)
    assert raised[0] > watched[0] + 0.05 and raised[1] > watched[1] + 0.05


@pytest.mark.parametrize("negatives", ["virtual", "virtual+real"])
def test_exploration_term_by_hand(tiny_trainer, monkeypatch, negatives):
    trainer = tiny_trainer("E2MIM", "TRAINER.E2MIM.MIX.NEGATIVES", negatives)
    pairs = Pairs(torch.tensor([0, 1, 2]), torch.tensor([3, 4, 5]), torch.tensor([0.2, 0.5, 0.9]))
    monkeypatch.setattr("trainers.e2mim.draw_pairs", lambda labels, **_: pairs)
    images, labels = batch_of(trainer)
    z, s = trainer.image_features(images), trainer.text_features()
    mixed_z, mixed_s = [], []
    for i, j, weight in zip(*(x.tolist() for x in pairs), strict=True):
        mixed_z.append(F.normalize(weight * z[i] + (1 - weight) * z[j], dim=0))
        pair = weight * s[labels[i]] + (1 - weight) * s[labels[j]]
        mixed_s.append(F.normalize(pair, dim=0))
    columns = torch.stack(mixed_s + (list(s) if negatives == "virtual+real" else []))
    scores = torch.stack(mixed_z) @ columns.T / 0.07
    target = torch.arange(3)
    forward = torch.log(torch.tensor(float(len(columns)))) - F.cross_entropy(scores, target)
    backward = torch.log(torch.tensor(3.0)) - F.cross_entropy(scores[:, :3].T, target)
    estimate = trainer.explore(images, z, s, labels, pairs)
    torch.testing.assert_close(
        estimate.nats, ((forward + backward) / 2).detach(), rtol=1e-4, atol=1e-5
    )


KEYS = {
    "MI.BOUND": ("infonce", "jsd", "nwj", "dv"),
    "MI.CRITIC": ("bilinear", "cosine", "mlp"),
    "MIX.PAIRS": ("inter", "intra", "both"),
    "MIX.LEVEL": ("feature", "pixel", "class"),
    "MIX.TARGET": ("estimate", "classes"),
    "MIX.NEGATIVES": ("virtual", "virtual+real"),
    "TEMPLATES": ("single", "ensemble", "ensemble80"),
    "TRUST": ("fixed", "shots"),
    "ENSEMBLE": (0.0, 0.5),
}
VALUES = [(key, value) for key, values in KEYS.items() for value in values[1:]]
VALUES += [("MI.TEMPERATURE", 0.2), ("MIX.ALPHA", 0.1), ("ALPHA", 0.5), ("BETA", 0.5),
           ("MI.AGREEMENT", 2.0)]  # fmt: skip
VALUES.remove(("MI.CRITIC", "cosine"))  # which the bilinear critic equals at the start


@pytest.mark.parametrize(("key", "value"), VALUES, ids=[f"{k}={v}" for k, v in VALUES])
def test_every_key_has_an_effect_on_loss_or_logits(tiny_trainer, key, value):
    def figures(*extra):
        trainer = tiny_trainer("E2MIM", "TRAINER.E2MIM.ENSEMBLE", 0.25, *extra)
        torch.manual_seed(5)
        torch.nn.init.normal_(trainer.learner.ctx, std=0.5)
        trainer.epoch = 0
        trainer.before_train()
        trainer.before_epoch()
        images, labels = batch_of(trainer)
        parts = trainer.loss(images, labels % 2)  # two classes: partners of every kind exist
        parts["loss"].backward()
        assert trainer.learner.ctx.grad.isfinite().all()
        trainer.set_model_mode("eval")
        logits = trainer.model_inference(images)
        assert logits.isfinite().all() and parts["loss"].isfinite()
        return parts["loss"].item(), logits

    loss, logits = figures()
    other_loss, other_logits = figures(f"TRAINER.E2MIM.{key}", value)
    assert other_loss != loss or not torch.equal(other_logits, logits)


@pytest.mark.parametrize(
    ("bound", "critic"), [*itertools.product(KEYS["MI.BOUND"], KEYS["MI.CRITIC"])]
)
def test_every_bound_and_critic_trains_saves_and_resumes(tiny_trainer, bound, critic):
    options = ("TRAINER.E2MIM.MI.BOUND", bound, "TRAINER.E2MIM.MI.CRITIC", critic,
               "TRAIN.CHECKPOINT_FREQ", 1, "OPTIM.LR", 0.002)  # fmt: skip
    whole = tiny_trainer("E2MIM", *options, output="whole")
    whole.train()
    resumed = killed_and_resumed(tiny_trainer, "E2MIM", *options, epoch=1)
    assert torch.equal(resumed.learner.ctx, whole.learner.ctx)
    for name, value in whole.estimators.state_dict().items():
        assert torch.equal(resumed.estimators.state_dict()[name], value), name


def test_critic_has_its_own_learning_rate_on_the_prompts_schedule(tiny_trainer):
    trainer = tiny_trainer("E2MIM", "TRAINER.E2MIM.MI.CRITIC_LR", 0.003, "OPTIM.MAX_EPOCH", 4)
    rates = []
    for _ in range(4):
        rates.append([trainer.get_current_lr(name) for name in ("prompt_learner", "critic")])
        for name in ("prompt_learner", "critic"):
            trainer._optims[name].step()
        trainer.update_lr()
    assert rates[0] == [0.05, 0.003]
    for prompt_rate, critic_rate in rates:
        assert critic_rate / 0.003 == pytest.approx(prompt_rate / 0.05)


def test_evaluation_does_not_need_the_critic(tiny_trainer):
    trained = tiny_trainer("E2MIM")
    trained.train()
    images = batch_of(trained)[0]
    trained.set_model_mode("eval")
    again = tiny_trainer("E2MIM", "TRAINER.E2MIM.MI.CRITIC", "mlp", output="again")
    again.load_model(trained.output_dir, epoch=2)
    assert torch.equal(again.model_inference(images), trained.model_inference(images))


def test_idle_options_are_named(tiny_trainer, capsys):
    tiny_trainer(
        "E2MIM", "TRAINER.E2MIM.BETA", 0.0, "TRAINER.E2MIM.MIX.PAIRS", "both",
        "TRAINER.E2MIM.MI.CRITIC", "cosine", "TRAINER.E2MIM.MI.CRITIC_LR", 0.5,
    )  # fmt: skip
    assert "TRAINER.E2MIM.MIX has no effect" in capsys.readouterr().out
    tiny_trainer("E2MIM", "TRAINER.E2MIM.ALPHA", 0.0, "TRAINER.E2MIM.TEMPLATES", "ensemble80")
    assert "TRAINER.E2MIM.TEMPLATES has no effect" in capsys.readouterr().out


def test_full_blend_is_the_zero_shot_classifier(tiny_trainer):
    blend = tiny_trainer("E2MIM", "TRAINER.E2MIM.ENSEMBLE", 1.0)
    zero_shot = tiny_trainer("ZeroshotCLIP", output="zs")
    images = batch_of(blend)[0]
    torch.testing.assert_close(blend.model_inference(images), zero_shot.model_inference(images))


def test_a_batch_of_one_class_skips_the_exploration_term(tiny_trainer):
    trainer = tiny_trainer("E2MIM")
    images, labels = batch_of(trainer)
    parts = trainer.loss(images, torch.zeros_like(labels))
    assert "exploration" not in parts and "ensemble" in parts


def test_losses_are_logged_per_epoch_in_log_and_tensorboard(tiny_argv, tmp_path):
    assert train.main(tiny_argv("E2MIM")) == 0
    names = ("ce", "ensemble", "exploration", "mi_ensemble_nats", "mi_exploration_nats")
    log = (tmp_path / "run/log.txt").read_text()
    means = [line for line in log.splitlines() if "] mean " in line]
    assert len(means) == 2 and all(f" {name} " in line for line in means for name in names)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path / "run/tensorboard"))
    events.Reload()
    for name in names:
        steps = [event.step for event in events.Scalars(f"epoch/{name}")]
        assert steps == [1, 2]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("MI.BOUND", "infonse", "TRAINER.E2MIM.MI.BOUND must be one of infonce, jsd, nwj, dv"),
        ("MIX.PAIRS", "all", "TRAINER.E2MIM.MIX.PAIRS must be one of inter, intra, both"),
        ("ENSEMBLE", 1.5, "TRAINER.E2MIM.ENSEMBLE must be at least 0 and at most 1; got 1.5"),
        ("MI.TEMPERATURE", 0.0, "TRAINER.E2MIM.MI.TEMPERATURE must be above 0; got 0.0"),
        ("N_CTX", 0, "TRAINER.E2MIM.N_CTX must be at least 1; got 0"),
    ],
)
def test_a_wrong_option_is_named(tiny_trainer, key, value, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        tiny_trainer("E2MIM", f"TRAINER.E2MIM.{key}", value)


@pytest.mark.parametrize(("critic", "is_levelled"), [("cosine", True), ("mlp", False)])
def test_scores_are_levelled_only_where_the_critic_learns_no_level(
    monkeypatch, critic, is_levelled
):
    levelled = []
    monkeypatch.setattr(
        mi_estimator, "levelled", lambda bound, scores: levelled.append(bound) or scores
    )
    generator = torch.Generator().manual_seed(0)
    config = mi_estimator.MIConfig(bound="nwj", critic=critic)
    views = torch.randn(2, 5, 8, generator=generator)
    mi_estimator.MIEstimator(config, 8, generator)(*F.normalize(views, dim=-1))
    assert levelled == ["nwj"] * is_levelled


def with_names(tmp_path, *more) -> tuple:
    (tmp_path / "names.txt").write_text("cat\nold house\nbicycle\nheart\ngreen door\n")
    return ("TRAINER.E2MIM.VOCABULARY.FILE", str(tmp_path / "names.txt"), "TRAINER.E2MIM.BETA", 0.0,
            "TRAINER.E2MIM.ALPHA", 2.0, "TRAINER.E2MIM.MI.CRITIC", "cosine", *more)  # fmt: skip


def hand_crafted(trainer, names, sentence="a drawing of a {}."):
    tokens = clip.tokenize([sentence.format(name.replace("_", " ")) for name in names])
    return F.normalize(trainer.clip_model.encode_text(tokens), dim=-1)


@pytest.mark.parametrize("as_", ["negatives", "pairs"])
def test_other_names_stand_beside_the_classes(tiny_trainer, tmp_path, as_):
    options = with_names(tmp_path, "TRAINER.E2MIM.VOCABULARY.AS", as_, "TRAINER.E2MIM.MI.AGREEMENT",
                         3.0, "TRAINER.E2MIM.VOCABULARY.COUNT", 2)  # fmt: skip
    trainer = tiny_trainer("E2MIM", *options)
    torch.nn.init.normal_(trainer.learner.ctx, std=0.5)
    trainer.epoch = 0
    trainer.before_epoch()
    names = ["cat", "old house", "bicycle", "green door"]  # "heart" is a class
    assert trainer.text_views.names == names
    soft, classes = trainer.text_features(), trainer.dm.dataset.classnames
    hand = torch.cat([hand_crafted(trainer, classes), hand_crafted(trainer, names)])
    if as_ == "pairs":
        rows = trainer.text_views.words.rows
        alone = type(trainer).for_classes(trainer.cfg, [names[row] for row in rows])
        alone.take_from(trainer)
        soft, hand = (
            torch.cat([soft, alone.text_features()]),
            hand[torch.cat([torch.arange(6), 6 + rows])],
        )
    scores, target = soft @ hand.T / 0.07, torch.arange(len(soft))
    own = F.cross_entropy(scores, target) + F.cross_entropy(scores[:, : len(soft)].T, target)
    ceilings = torch.tensor(float(len(hand))).log() + torch.tensor(float(len(soft))).log()
    agreement = (soft * hand[: len(soft)]).sum(-1).mean()
    expected = (ceilings - own) / 2 - 3 * (1 - agreement)
    parts = trainer.loss(*batch_of(trainer))
    torch.testing.assert_close(-parts["ensemble"], expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(parts["loss"], parts["ce"] - 2 * expected, rtol=1e-4, atol=1e-5)


def test_pairs_of_names_are_drawn_by_the_epoch_and_resumed(tiny_trainer, tmp_path):
    options = with_names(tmp_path, "TRAINER.E2MIM.VOCABULARY.AS", "pairs", "OPTIM.MAX_EPOCH", 3,
                         "TRAINER.E2MIM.VOCABULARY.COUNT", 2, "TRAIN.CHECKPOINT_FREQ", 1,
                         "TRAINER.E2MIM.TRUST", "shots")  # fmt: skip
    whole = tiny_trainer("E2MIM", *options, output="whole")
    whole.train()
    resumed = killed_and_resumed(tiny_trainer, "E2MIM", *options, epoch=2)
    assert torch.equal(resumed.learner.ctx, whole.learner.ctx)


def test_trust_weighs_the_ensemble_term_by_the_shots(tiny_trainer, capsys):
    options = ("TRAINER.E2MIM.BETA", 0.0, "TRAINER.E2MIM.ALPHA", 2.0)
    trainer = tiny_trainer("E2MIM", "TRAINER.E2MIM.TRUST", "shots", *options)
    trainer.before_train()
    trust = trainer.text_views.trust
    assert 0 < trust < 1  # a random CLIP reads nothing
    assert f"Trust in the hand-crafted view: {trust:.3f} of ALPHA 2.0" in capsys.readouterr().out
    parts = trainer.loss(*batch_of(trainer))
    torch.testing.assert_close(parts["loss"], parts["ce"] + 2 * trust * parts["ensemble"])


def test_views_are_chosen_by_the_shots(tiny_trainer, capsys):
    key = "TRAINER.E2MIM."
    options = (f"{key}BETA", 0.0, f"{key}TEMPLATES", "chosen", f"{key}VIEWS", 2)
    own = tiny_trainer("E2MIM", *options, f"{key}MARGIN", 1.0)
    own.before_train()
    assert torch.equal(own.text_views.chosen, own.text_views.own[None])
    other = tiny_trainer("E2MIM", *options, f"{key}MARGIN", 0.0, output="other")
    capsys.readouterr()
    other.before_train()
    said = [x[3:].split('"')[0] for x in capsys.readouterr().out.splitlines() if x[:3] == '  "']
    assert len(said) == 2 and said[0] != "a drawing of a {}."
    names = other.dm.dataset.classnames
    expected = torch.stack([hand_crafted(other, names, sentence) for sentence in said])
    torch.testing.assert_close(other.text_views.chosen, expected, rtol=1e-4, atol=1e-5)
    other.epoch = 0
    other.before_epoch()
    views = [other.estimators["ensemble"](other.text_features(), view).nats for view in expected]
    nats = other.loss(*batch_of(other))["mi_ensemble_nats"]
    torch.testing.assert_close(nats, sum(views) / 2, rtol=1e-4, atol=1e-4)
    with pytest.raises(ValueError, match="ENSEMBLE 0.5 blends with. Set ENSEMBLE 0"):
        tiny_trainer("E2MIM", *options, f"{key}ENSEMBLE", 0.5)


@pytest.mark.parametrize("negatives", ["virtual", "virtual+real"])
def test_virtual_classes_may_be_told_apart_by_clips_classifier(
    tiny_trainer, monkeypatch, negatives
):
    trainer = tiny_trainer("E2MIM", "TRAINER.E2MIM.MIX.TARGET", "classes", "TRAINER.E2MIM.ALPHA",
                           0.0, "TRAINER.E2MIM.MIX.NEGATIVES", negatives)  # fmt: skip
    pairs = Pairs(torch.tensor([0, 1, 2]), torch.tensor([3, 4, 5]), torch.tensor([0.2, 0.5, 0.9]))
    monkeypatch.setattr("trainers.e2mim.draw_pairs", lambda labels, **_: pairs)
    images, labels = batch_of(trainer)
    z, s = trainer.image_features(images), trainer.text_features()
    mixed = [F.normalize(0.2 * z[0] + 0.8 * z[3], dim=0), F.normalize(z[1] + z[4], dim=0),
             F.normalize(0.9 * z[2] + 0.1 * z[5], dim=0)]  # fmt: skip
    text = s[labels]
    classes = [F.normalize(0.2 * text[0] + 0.8 * text[3], dim=0),
               F.normalize(text[1] + text[4], dim=0),
               F.normalize(0.9 * text[2] + 0.1 * text[5], dim=0)]  # fmt: skip
    columns = torch.stack(classes + (list(s) if negatives == "virtual+real" else []))
    logits = trainer.logit_scale * torch.stack(mixed) @ columns.T
    ce = F.cross_entropy(logits, torch.arange(3))
    parts = trainer.loss(images, labels)
    expected = ce - torch.tensor(float(len(columns))).log()
    torch.testing.assert_close(parts["exploration"], expected, rtol=1e-4, atol=1e-4)


def test_class_means_may_be_mixed_in_place_of_images(tiny_trainer):
    trainer = tiny_trainer("E2MIM", "TRAINER.E2MIM.MIX.LEVEL", "class", "FEATURES.VIEWS", 1)
    trainer.before_train()
    shots, labels = trainer.frozen_view(0), trainer.train_labels()
    for label in range(6):
        mean = F.normalize(shots[labels == label].mean(0), dim=0)
        torch.testing.assert_close(trainer.class_means[label], mean, rtol=1e-4, atol=1e-5)


def test_without_a_seed_the_mixup_follows_torchs():
    unseeded = types.SimpleNamespace(cfg=types.SimpleNamespace(SEED=-1))
    torch.manual_seed(2**31 + 1000)
    assert e2mim.E2MIM._seed(unseeded, 3) == 1_000_003 * 1000 + 3
