"""Methods on frozen features against literal references, in double precision and in loops."""

import json
import math

import pytest
import torch
from torch import nn
from torch.distributions import MultivariateNormal
from torch.nn import functional as F

import train
from promptkit import feature_trainer
from promptkit.encoders.image_encoder import encode_image, image_states
from promptkit.feature_trainer import FeatureTrainer, RowLoader
from tests.trainers.literal import names_of, scale_of
from trainers import clap, gda, lp_plus_plus, tip_adapter

FITTED = ("GDA", "LPPlusPlus", "ProLIP", "TipAdapter")
STEPPED = ("CLAP", "CLIPAdapter", "TaskRes", "TipAdapterF", "ZSLP")
ALL = (*FITTED, *STEPPED)


def prepared(tiny_trainer, name, *options):
    """A trainer that is about to take its first step."""
    trainer = tiny_trainer(name, *options)
    trainer.before_train()
    trainer.close_writer()
    return trainer


def text_of(trainer):
    return trainer.hand_crafted.double()


def unit_rows(count, width, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(count, width, generator=generator).double(), dim=-1)


# GDA --------------------------------------------------------------------------------------------


def test_gda_scores_are_log_densities_of_gaussians_with_one_covariance():
    vectors, labels = torch.randn(90, 4).double(), torch.arange(90) % 3
    weights, bias = gda.of_trained_classes(vectors, labels, "class")
    parts = [vectors[labels == c] for c in range(3)]
    shared = sum(part.T.cov() for part in parts) / 3
    points = torch.randn(7, 4).double()
    scores = points @ weights.T + bias
    log_densities = torch.stack(
        [MultivariateNormal(part.mean(0), shared).log_prob(points) for part in parts], dim=1
    )
    torch.testing.assert_close(  # up to what all classes share
        scores - scores[:, :1], log_densities - log_densities[:, :1], rtol=1e-6, atol=1e-6
    )
    assert torch.allclose(bias[0] + (weights[0] * parts[0].mean(0)).sum() / 2,
                          torch.tensor(-math.log(3)).double())  # fmt: skip


def test_gda_shrunk_covariance_literally():
    vectors, labels = unit_rows(40, 5), torch.arange(40) % 4
    weights, _ = gda.of_trained_classes(vectors, labels, "shrunk")
    means = [sum(vectors[i] for i in range(40) if labels[i] == c) / 10 for c in range(4)]
    centred = [vectors[i] - means[int(labels[i])] for i in range(40)]
    matrix = sum(torch.outer(x, x) for x in centred) / 39
    inverse = 5 * torch.linalg.inv(39 * matrix + matrix.trace() * torch.eye(5).double())
    for c in range(4):
        torch.testing.assert_close(weights[c], inverse @ means[c])


def test_gda_of_new_classes_literally():
    vectors, text = unit_rows(100, 5), unit_rows(2, 5, seed=1)
    weights, bias = gda.of_new_classes(vectors, text)
    inverses, means = [], []
    for t in text:
        nearest = sorted(vectors, key=lambda v, t=t: -float(v @ t))[:64]
        means.append((sum(nearest) + 16 * t) / 80)
        matrix = sum(torch.outer(v - t, v - t) for v in nearest) / 63
        inverses.append(5 * torch.linalg.inv(63 * matrix + matrix.trace() * torch.eye(5).double()))
    inverse = sum(inverses) / 2
    for c in range(2):
        torch.testing.assert_close(weights[c], means[c] @ inverse)
        torch.testing.assert_close(bias[c], -math.log(2) - means[c] @ inverse @ means[c] / 2)


def test_gda_adds_its_scores_to_zero_shot_and_reports_alpha(tiny_argv, tmp_path):
    argv = tiny_argv("GDA", "TRAINER.GDA.ALPHA", "(0.01,)")
    assert train.main(argv) == 0
    assert json.loads((tmp_path / "run/result.json").read_text())["chosen"] == {"alpha": 0.01}


def test_gda_without_weight_is_zero_shot(tiny_trainer):
    trainer = tiny_trainer("GDA", "TRAINER.GDA.ALPHA", "(0.0,)")
    trainer.train()
    images = next(iter(trainer.dm.test_loader))["img"]
    expected = tiny_trainer("ZeroshotCLIP", output="z").model_inference(images)
    found = trainer.model_inference(images)
    torch.testing.assert_close(found.log_softmax(1), expected.log_softmax(1), rtol=1e-4, atol=1e-3)


# Tip-Adapter ------------------------------------------------------------------------------------


def test_tip_adapter_literally(tiny_trainer):
    trainer = prepared(tiny_trainer, "TipAdapter", "TRAINER.TIPADAPTER.ALPHA", 1.5)
    learner, beta = trainer.learner, trainer.learner.beta.item()
    for i in range(len(learner.keys)):  # keys are unit means of features that are not normalised
        raw = sum(trainer.raw_view(k)[i] for k in range(2)).double() / 2
        torch.testing.assert_close(learner.keys[i].double(), F.normalize(raw, dim=0))
    features = unit_rows(3, learner.keys.shape[1]).float()
    logits = trainer.feature_logits(features)
    for b in range(3):
        for c in range(trainer.num_classes):
            value = float(scale_of(trainer) * features[b].double() @ text_of(trainer)[c])
            for i in range(len(learner.keys)):
                if learner.labels[i] == c:
                    distance = 1 - float(features[b] @ learner.keys[i])
                    value += 1.5 * math.exp(-beta * distance)
            assert logits[b, c].item() == pytest.approx(value, rel=1e-4)


def test_tip_adapter_takes_the_published_constants_without_a_search(tiny_trainer):
    trainer = tiny_trainer("TipAdapter", "TRAINER.TIPADAPTER.SEARCH", "off")
    trainer.train()
    assert trainer.chosen == {"alpha": 2.0, "beta": 1.0}


def test_tip_adapters_search_is_the_brute_one(tiny_trainer, monkeypatch):
    monkeypatch.setattr(tip_adapter, "STEPS", (4, 3))
    trainer = tiny_trainer("TipAdapter")
    trainer.train()
    chosen = trainer.chosen
    features, labels = trainer.validation_features()
    best = (-1, None)
    for i in range(4):
        for j in range(3):
            beta, alpha = 0.1 + i * (13 - 0.1) / 4, 0.1 + j * (13 - 0.1) / 3
            trainer.learner.alpha.fill_(alpha)
            trainer.learner.beta.fill_(beta)
            hits = int((trainer.feature_logits(features).argmax(1) == labels).sum())
            best = max(best, (hits, (beta, alpha)), key=lambda pair: pair[0])
    assert (chosen["beta"], chosen["alpha"]) == best[1]


def test_tip_adapter_f_takes_the_literal_steps(tiny_trainer):
    """AdamW by hand over two epochs of all images, on each epoch's own views."""
    options = "DATALOADER.TRAIN_X.BATCH_SIZE", 10, "TRAINER.TIPADAPTERF.SEARCH", "off"
    trainer = prepared(tiny_trainer, "TipAdapterF", *options, "OPTIM.LR", 0.01)
    keys = trainer.learner.keys.detach().double()
    values = F.one_hot(trainer.labels, trainer.num_classes).double()
    first, second, step = torch.zeros_like(keys), torch.zeros_like(keys), 0
    for epoch in range(2):
        trainer.train_loader_x.set_epoch(epoch)
        batches = list(trainer.train_loader_x)
        assert [len(batch["label"]) for batch in batches] == [10, 10, 4]
        for batch in batches:
            keys.requires_grad_(True)
            z = batch["img"].double()
            logits = scale_of(trainer) * z @ text_of(trainer).T
            logits = logits + 2 * torch.exp(-1 * (1 - z @ keys.T)) @ values
            (gradient,) = torch.autograd.grad(F.cross_entropy(logits, batch["label"]), keys)
            keys = keys.detach()
            rate = 0.01 * 0.5 * (1 + math.cos(math.pi * step / 6))
            step += 1
            first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
            keys = keys * (1 - rate * trainer.cfg.OPTIM.WEIGHT_DECAY)
            scaled = (second / (1 - 0.999**step)).sqrt() + 1e-4
            keys = keys - rate * (first / (1 - 0.9**step)) / scaled
    again = tiny_trainer("TipAdapterF", *options, "OPTIM.LR", 0.01, output="again")
    again.train()
    torch.testing.assert_close(again.learner.keys.double(), keys, rtol=1e-4, atol=1e-5)


# LP++ -------------------------------------------------------------------------------------------


def test_lp_plus_plus_literally(tiny_trainer):
    options = "TRAINER.LPPLUSPLUS.STEPS", 21, "TRAINER.LPPLUSPLUS.SELECT", "last"
    trainer = prepared(tiny_trainer, "LPPlusPlus", *options)
    start = trainer.learner.linear.bias.detach().double().clone()
    z = trainer.train_features.flatten(0, 1).double()
    labels, text = trainer.labels.repeat(2), text_of(trainer)
    classes, count = trainer.num_classes, len(z)
    trainer.run_epoch()
    weight = torch.stack([z[labels == c].sum(0) for c in range(classes)])
    fits = [float((z[labels == c] @ text[c]).mean()) for c in range(classes)]
    alpha = torch.full((classes,), 250 * sum(fits) / classes, dtype=torch.float64)
    rate = 4 * count / torch.linalg.eigvalsh(z.T @ z).max()
    rate_of_alpha = count / (4 * max(float((z @ t).square().sum()) for t in text))
    parameters, momenta, summed = [weight, start], [0, 0], 0
    for step in range(1, 22):
        leaves = [p.requires_grad_() for p in (*parameters, alpha)]
        logits = z @ leaves[0].T + leaves[1] + leaves[2] * (z @ text.T)
        gradients = torch.autograd.grad(F.cross_entropy(logits, labels), leaves)
        momenta = [0.9 * m + g for m, g in zip(momenta, gradients, strict=False)]
        parameters = [(p - rate * m).detach() for p, m in zip(leaves, momenta, strict=False)]
        summed = summed + gradients[2]
        alpha = (alpha - rate_of_alpha * summed * (step % 10 == 0)).detach()
    learner = trainer.learner
    torch.testing.assert_close(learner.linear.weight.double(), parameters[0], rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(learner.linear.bias.double(), parameters[1], rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(learner.alpha.double(), alpha, rtol=1e-4, atol=1e-4)


def test_lp_plus_plus_step_sizes_of_orthonormal_features():
    rate, rate_of_alpha = lp_plus_plus.step_sizes(torch.eye(6), torch.eye(6)[:2])
    assert rate == pytest.approx(24) and rate_of_alpha == pytest.approx(1.5)


def test_lp_plus_plus_keeps_the_last_of_the_best_steps(tiny_trainer):
    trainer = tiny_trainer("LPPlusPlus", "TRAINER.LPPLUSPLUS.STEPS", 5)
    trainer.train()
    features, labels = trainer.validation_features()
    hits = []
    for steps in range(1, 6):
        one = ("TRAINER.LPPLUSPLUS.STEPS", steps, "TRAINER.LPPLUSPLUS.SELECT", "last")
        other = tiny_trainer("LPPlusPlus", *one, output=f"steps{steps}")
        other.train()
        hits.append(int((other.feature_logits(features).argmax(1) == labels).sum()))
    assert trainer.chosen == {"step": max(range(5), key=lambda i: (hits[i], i)) + 1}


# ZSLP, CLAP, TaskRes ----------------------------------------------------------------------------


def raw_text(trainer):
    """Unnormalised text features [C, E], by CLIP's own encoder."""
    template = trainer.templates()[0]
    names = names_of(trainer)
    tokens = trainer.clip_model.tokenizer([template.format(n) for n in names], classnames=names)
    return trainer.clip_model.encode_text(tokens).double()


def test_zslp_and_clap_start_at_the_text_encoders_output(tiny_trainer):
    for name in ("ZSLP", "CLAP"):
        trainer = tiny_trainer(name, output=name)
        found = trainer.learner.prototypes.double()
        torch.testing.assert_close(found, raw_text(trainer), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", clap.CONSTRAINTS)
def test_clap_multipliers_literally(tiny_trainer, kind):
    trainer = prepared(tiny_trainer, "CLAP", "TRAINER.CLAP.CONSTRAINT", kind)
    text, classes = text_of(trainer), trainer.num_classes
    known = [[] for _ in range(classes)]
    for view in trainer.train_features.double():
        for z, label in zip(view, trainer.labels, strict=True):
            known[label].append(float((scale_of(trainer) * text @ z).softmax(0)[label]))
    expected = torch.tensor([sum(x) / len(x) for x in known])
    if kind == "corrected":
        expected = expected * classes / expected.sum()
    if kind == "constant":
        expected = expected.mean().expand(classes)
    if kind == "balanced":
        expected = torch.ones(classes)
    torch.testing.assert_close(trainer.learner.multipliers, expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", ["ZSLP", "CLAP", "TaskRes"])
def test_losses_of_prototypes_literally(tiny_trainer, name):
    trainer = prepared(tiny_trainer, name)
    with torch.no_grad():
        trainer.learner.prototypes += 0.1 * torch.randn_like(trainer.learner.prototypes)
    batch = next(iter(trainer.train_loader_x))
    trained = trainer.learner.prototypes.detach().double().requires_grad_()
    text = raw_text(trainer)
    weights = text + 0.5 * trained if name == "TaskRes" else trained
    z = batch["img"].double()
    cosines = torch.stack([F.cosine_similarity(z, w[None], dim=-1) for w in weights], dim=1)
    expected = F.cross_entropy(scale_of(trainer) * cosines, batch["label"])
    if name == "CLAP":
        distance = ((trained - text) ** 2).sum(1)
        multipliers = trainer.learner.multipliers.double()
        expected = expected + (multipliers * distance).sum() / trainer.num_classes
    found = trainer.loss(batch["img"], batch["label"])["loss"]
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-4)
    (gradient,) = torch.autograd.grad(found, trainer.learner.prototypes)
    (wanted,) = torch.autograd.grad(expected, trained)
    torch.testing.assert_close(gradient.double(), wanted, rtol=1e-3, atol=1e-3)


def test_claps_multipliers_take_the_augmented_lagrangian_step(tiny_trainer):
    """The first step leaves them, as its penalties are 0; the second moves them."""
    trainer = prepared(tiny_trainer, "CLAP", "TRAINER.CLAP.ADAPTIVE", True, "OPTIM.MAX_EPOCH", 9)
    learner, seen = trainer.learner, []
    trainer.epoch, trainer._epoch_figures = 0, {}
    start = learner.multipliers.clone()
    for shift in (0.3, 0.5):
        with torch.no_grad():
            learner.prototypes.copy_(trainer.text + shift / 8)
        seen.append(((learner.prototypes - trainer.text) ** 2).sum(-1).detach())
        trainer.after_epoch()
    torch.testing.assert_close(learner.penalties, seen[1])
    torch.testing.assert_close(learner.multipliers, (start + seen[0] * seen[1]).clamp(min=0))


def test_on_other_classes_clap_is_zero_shot_and_says_so(tiny_trainer, capsys):
    trained = tiny_trainer("CLAP", "DATASET.SUBSAMPLE_CLASSES", "base")
    trained.train()
    capsys.readouterr()
    new = ("DATASET.SUBSAMPLE_CLASSES", "new")
    other = tiny_trainer("CLAP", *new, output="new")
    other.load_model(trained.output_dir, epoch=2)
    assert "which is zero-shot CLIP" in capsys.readouterr().out
    images = next(iter(other.dm.test_loader))["img"]
    zero_shot = tiny_trainer("ZeroshotCLIP", *new, output="z").model_inference(images)
    torch.testing.assert_close(
        other.model_inference(images).log_softmax(1), zero_shot.log_softmax(1), rtol=1e-3, atol=1e-3
    )


# CLIP-Adapter, ProLIP ---------------------------------------------------------------------------


def test_clip_adapter_literally_also_for_features_that_are_not_normalised(tiny_trainer):
    trainer = tiny_trainer("CLIPAdapter")
    down, up = (module.weight.double() for module in trainer.learner if hasattr(module, "weight"))
    assert down.shape == (trainer.clip_model.embed_dim // 4, trainer.clip_model.embed_dim)
    features = unit_rows(4, trainer.clip_model.embed_dim)
    for scale in (1.0, 7.0):
        z = scale * features
        moved = 0.2 * torch.relu(up @ torch.relu(down @ z.T)).T + 0.8 * z
        expected = scale_of(trainer) * F.normalize(moved, dim=-1) @ text_of(trainer).T
        found = trainer.feature_logits(features.float())
        torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("power", [0, 1, 2])
def test_prolip_literally(tiny_trainer, power):
    options = ("TRAINER.PROLIP.STEPS", 5, "TRAINER.PROLIP.LR", 0.01,
               "TRAINER.PROLIP.PENALTY_POWER", power)  # fmt: skip
    trainer = tiny_trainer("ProLIP", *options)
    before = trainer.learner.proj.detach().double().clone()
    trainer.train()
    views = [trainer.frozen_states(k).double() for k in range(2)]
    proj = before.clone().requires_grad_()
    first, second = torch.zeros_like(proj), torch.zeros_like(proj)
    for step in range(1, 6):
        z = F.normalize(views[step % 2] @ proj, dim=-1)
        loss = F.cross_entropy(scale_of(trainer) * z @ text_of(trainer).T, trainer.labels)
        loss = loss + 4.0**-power * ((proj - before) ** 2).sum()  # four shots
        (gradient,) = torch.autograd.grad(loss, proj)
        rate = 0.01 * 0.5 * (1 + math.cos(math.pi * (step - 1) / 5))
        first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
        moved = (first / (1 - 0.9**step)) / ((second / (1 - 0.999**step)).sqrt() + 1e-4)
        proj = (proj - rate * moved).detach().requires_grad_()
    torch.testing.assert_close(trainer.learner.proj.double(), proj, rtol=1e-3, atol=1e-4)
    images = next(iter(trainer.dm.test_loader))["img"]
    states = image_states(trainer.clip_model, images)
    features = F.normalize(states @ trainer.learner.proj, dim=-1)
    expected = trainer.logit_scale * features @ trainer.hand_crafted.T
    torch.testing.assert_close(trainer.model_inference(images), expected)


def test_prolip_refuses_what_has_no_projection_matrix(tiny_trainer, monkeypatch):
    trainer = tiny_trainer("ProLIP")
    trainer.clip_model.model.visual = nn.Identity()
    with pytest.raises(ValueError, match="ProLIP tunes the projection matrix of OpenAI's"):
        trainer.build_adapter()


# All --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
def test_training_never_looks_at_a_test_image(tiny_trainer, name):
    trainer = tiny_trainer(name)
    paths = {item.impath for item in trainer.dm.dataset.test}

    class Watched(list):
        def __getitem__(self, index):
            assert super().__getitem__(index).impath not in paths
            return super().__getitem__(index)

    trainer.test_loader = trainer.dm.test_loader = None
    for loader in (trainer.train_loader_x, trainer.val_loader):
        loader.dataset.data_source = Watched(loader.dataset.data_source)
    trainer.test = lambda split=None: None
    trainer.train()


@pytest.mark.parametrize("name", ["GDA", "TipAdapter", "TipAdapterF", "LPPlusPlus"])
def test_what_is_chosen_is_in_the_result(tiny_argv, tmp_path, name):
    assert train.main(tiny_argv(name)) == 0
    chosen = json.loads((tmp_path / "run/result.json").read_text())["chosen"]
    wanted = {"GDA": {"alpha"}, "LPPlusPlus": {"step"}}.get(name, {"alpha", "beta"})
    assert set(chosen) == wanted


@pytest.mark.parametrize("name", FITTED)
def test_fits_are_one_epoch(tiny_argv, capsys, name):
    assert train.main(tiny_argv(name, "OPTIM.MAX_EPOCH", 2)) == 1
    assert f"OPTIM.MAX_EPOCH must be 1, {name} is fitted at once; got 2" in capsys.readouterr().err


@pytest.mark.parametrize("name", ALL)
def test_its_views_are_its_own_key(tiny_argv, capsys, name):
    assert train.main(tiny_argv(name, "FEATURES.VIEWS", 3)) == 1
    assert f"whose key is TRAINER.{name.upper()}.VIEWS" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["GDA", "TipAdapter"])
def test_without_validation_images_constants_must_be_fixed(tiny_trainer, name):
    pairs = ("TRAINER.TIPADAPTER.SEARCH", "on") if name == "TipAdapter" else ()
    trainer = tiny_trainer(name, *pairs)
    trainer.val_loader = None
    with pytest.raises(
        ValueError, match=f"data set has none. Fix them, under TRAINER.{name.upper()}"
    ):
        trainer.train()


@pytest.mark.parametrize("name", ["TaskRes", "TipAdapter", "TipAdapterF", "LPPlusPlus"])
def test_what_belongs_to_its_classes_refuses_others(tiny_trainer, name):
    trained = tiny_trainer(name, "DATASET.SUBSAMPLE_CLASSES", "base")
    trained.train()
    other = tiny_trainer(name, "DATASET.SUBSAMPLE_CLASSES", "new", output="new")
    with pytest.raises(ValueError, match="belongs to its classes"):
        other.load_model(trained.output_dir, epoch=trained.max_epoch)


def test_test_images_that_stand_for_validation_choose_nothing(tiny_trainer):
    """As ImageNet's: its split has no others."""
    trainer = tiny_trainer("TipAdapter")
    assert trainer.has_validation()
    trainer.dm.dataset._val = trainer.dm.dataset.test
    assert not trainer.has_validation() and trainer.validation_features() is None
    trainer.train()
    assert trainer.chosen == {"alpha": 2.0, "beta": 1.0}


@pytest.mark.parametrize("name", FITTED)
def test_a_finished_fit_is_resumed(tiny_trainer, name):
    first = tiny_trainer(name)
    first.train()
    again = tiny_trainer(name)
    again.train()
    assert again.start_epoch == 1
    images = next(iter(first.dm.test_loader))["img"]
    assert torch.equal(again.model_inference(images), first.model_inference(images))


def test_rows_are_shuffled_by_seed_and_epoch():
    rows = torch.arange(10.0)[:, None], torch.arange(10)

    def labels(seed, epoch):
        loader = RowLoader(lambda _: rows, batch_size=4, num_batches=2, seed=seed)
        loader.sampler.set_epoch(epoch)
        batches = list(loader)
        assert len(batches) == len(loader) == 2
        assert all(torch.equal(b["img"][:, 0].long(), b["label"]) for b in batches)
        return torch.cat([b["label"] for b in batches]).tolist()

    assert labels(1, 0) == labels(1, 0)
    assert len({tuple(labels(seed, epoch)) for seed in (1, 2) for epoch in (0, 1)}) == 4
    assert len(set(labels(1, 0))) == 8


def test_features_of_the_encoder_are_what_they_are_trained_on(tiny_trainer):
    trainer = prepared(tiny_trainer, "ZSLP")
    assert isinstance(trainer, FeatureTrainer) and trainer.train_features.shape[:2] == (2, 24)
    order = trainer.images_loader.sampler.seeds_for(range(24), 1)
    index = next(iter(order))
    image = trainer.images_loader.dataset[index]["img"][None]
    with torch.no_grad():
        expected = F.normalize(encode_image(trainer.clip_model, image), dim=-1)[0]
    torch.testing.assert_close(trainer.train_features[1, index], expected, rtol=1e-4, atol=1e-5)


def test_a_class_without_images_is_named(tiny_trainer):
    trainer = prepared(tiny_trainer, "GDA")
    trainer.labels = trainer.labels.clone()
    trainer.labels[trainer.labels == 2] = 1
    with pytest.raises(ValueError, match="1 of 6 classes have fewer: cross_shape"):
        trainer.fit()
    feature_trainer.require_every_class(prepared(tiny_trainer, "ZSLP"), least=8)  # 4 of 2 views
    with pytest.raises(ValueError, match="needs 9 or more training features of each class"):
        feature_trainer.require_every_class(trainer, least=9)


def test_gda_knows_its_classes_by_name_and_keeps_its_covariance(tiny_trainer, monkeypatch):
    first = tiny_trainer("GDA", "TRAINER.GDA.COVARIANCE", "class", "TRAINER.GDA.ALPHA", "(1.0,)")
    first.train()
    again = tiny_trainer("GDA", output="again")
    again.load_model(first.output_dir, 1)
    for ours, theirs in zip(again.weights(), first.weights(), strict=True):
        assert torch.equal(ours, theirs)  # not the covariance of what is evaluated
    # Other names are other classes, even with the same features.
    monkeypatch.setattr(
        again.dm.dataset, "_classnames", [f"{c} " for c in first.dm.dataset.classnames]
    )
    again.load_model(first.output_dir, 1)
    expected = gda.of_new_classes(first.learner.vectors, first.hand_crafted)
    torch.testing.assert_close(again.weights(), expected)


def test_tip_adapter_f_trains_on_views_that_are_not_its_keys(tiny_trainer):
    trainer = prepared(tiny_trainer, "TipAdapterF")
    assert trainer.num_views() == 2 + trainer.max_epoch
    for epoch in range(2):
        assert torch.equal(trainer.train_loader_x.rows(epoch)[0], trainer.frozen_view(2 + epoch))


def test_tip_adapters_keys_are_encoded_once(tiny_trainer, monkeypatch):
    calls = []
    plain = feature_trainer.FeatureTrainer.frozen_states
    monkeypatch.setattr(
        feature_trainer.FeatureTrainer,
        "frozen_states",
        lambda self, number: calls.append(number) or plain(self, number),
    )
    tiny_trainer("TipAdapter", "FEATURES.TRAIN_STORE", "off").train()
    assert calls == [0, 1]
