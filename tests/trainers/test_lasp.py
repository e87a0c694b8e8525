"""LASP against its formula; its virtual classes, groups, clipping and file."""

import pytest
import torch

import train
from tests.trainers.literal import (
    assert_trainer_is_literal,
    cross_entropy,
    image_feature,
    names_of,
    scale_of,
    text_feature,
)
from tests.trainers.test_two_sfs import norms_of

TWO = ("TRAINER.LASP.LASP_PROMPTS", "['a print of a {}.', '{} texture.']")
BASE = ("DATASET.SUBSAMPLE_CLASSES", "base")


@pytest.mark.parametrize("virtual", [True, False])
def test_logits_losses_and_gradients_are_the_formulas(tiny_trainer, virtual):
    trainer = tiny_trainer("LASP", *TWO, *BASE, "TRAINER.LASP.VIRTUAL_CLASSES", virtual)
    model, others = trainer.clip_model, trainer.dm.dataset.other_classnames
    every = [*names_of(trainer), *(x.replace("_", " ") for x in others if virtual)]
    assert len(every) == (6 if virtual else 3)

    def literal(p, images, labels):
        t = [
            text_feature(model, f"X X X X {name}.", p["ctx"], unit=False) + p["w"][0]
            for name in every
        ]
        t = torch.stack([x / x.norm() for x in t])
        terms = []
        for sentence in ("a print of a {}.", "{} texture."):
            for row, name in enumerate(every):
                h = text_feature(model, sentence.replace("{}", name))
                terms.append(-(scale_of(trainer) * t @ h).log_softmax(0)[row])
        with norms_of(model.model, {n: v for n, v in p.items() if "norms" in n}):
            z = torch.stack([image_feature(model, x) for x in images])
        logits = scale_of(trainer) * z @ t[: len(names_of(trainer))].T
        ce, text = cross_entropy(logits, labels), torch.stack(terms).mean()
        return logits, {"ce": ce, "text_to_text": text, "loss": ce + 5 * text}

    assert len(assert_trainer_is_literal(trainer, literal)) == 2 + 4 * 2


def test_half_of_the_steps_have_noise(tiny_trainer):
    trainer = tiny_trainer("LASP", *TWO)
    torch.manual_seed(0)
    moved = [trainer.drawn(torch.zeros(1))[0] - trainer.sentence_views for _ in range(200)]
    noisy = [x for x in moved if x.any()]
    assert 80 < len(noisy) < 120
    assert torch.stack(noisy).std().item() == pytest.approx(0.05, rel=0.02)


def test_norms_learn_at_a_tenth_and_gradients_are_clipped(tiny_trainer):
    trainer = tiny_trainer("LASP", *TWO, "OPTIM.LR", 0.02, "OPTIM.WARMUP_EPOCH", 0)
    assert [(len(g["params"]), g["lr"]) for g in trainer.optim.param_groups] == [
        (8, pytest.approx(0.002)), (2, 0.02)
    ]  # fmt: skip
    batch = trainer.parse_batch_train(next(iter(trainer.train_loader_x)))
    trainer.update(trainer.loss(*batch))
    gradients = [p.grad for p in trainer.learner.parameters()]
    assert torch.stack([g.norm() for g in gradients]).norm().item() == pytest.approx(1, rel=1e-4)


def test_without_norms_correction_and_second_term_it_is_coop(tiny_trainer):
    node = "TRAINER.LASP."
    off = (f"{node}FINETUNE_VIT_LN", False, f"{node}ENABLE_CORRECTION", False,
           f"{node}LASP_LOSS_WEIGHT", 0.0, f"{node}CLIP_NORM", 0.0)  # fmt: skip
    contexts = []
    for name, *options in (
        ("LASP", *TWO, *off), ("CoOp", "TRAINER.COOP.CTX_INIT", "a photo of a")
    ):  # fmt: skip
        trainer = tiny_trainer(name, *options, "OPTIM.MAX_EPOCH", 1, output=name)
        batch = trainer.parse_batch_train(next(iter(trainer.train_loader_x)))
        trainer.update(trainer.loss(*batch))
        contexts.append(trainer.learner.ctx.detach())
    torch.testing.assert_close(*contexts, rtol=1e-5, atol=1e-7)


def test_the_published_file_sets_it(tmp_path):
    path = tmp_path / "published.yaml"
    path.write_text(
        "TRAINER:\n  LASP:\n    ENABLE: True\n    ENABLE_CORRECTION: True\n    N_CTX: 4\n"
        '    LASP_PROMPTS: [\n      "a {}.",\n    ]\n    LASP_LOSS_WEIGHT: 10.0\n'
    )
    cfg = train.setup_cfg(train.parse_args(["--trainer", "LASP", "--config-file", str(path)]))
    node = cfg.TRAINER.LASP
    assert list(node.LASP_PROMPTS) == ["a {}."] and node.LASP_LOSS_WEIGHT == 10.0


def test_a_sentence_without_its_place_is_refused(tiny_argv, capsys):
    assert train.main(tiny_argv("LASP", "TRAINER.LASP.LASP_PROMPTS", "['a print.']")) == 1
    assert "TRAINER.LASP.LASP_PROMPTS must be one or more" in capsys.readouterr().err
