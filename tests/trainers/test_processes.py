"""Trainers in several processes against one process: weights, results and kept logits."""

import pytest
import torch

from promptkit import ranks
from promptkit.runs.kept_logits import KeptLogits
from tests import processes
from tests.trainers.test_all_trainers import TRAINED

IMAGES = ("FEATURES.TRAIN_STORE", "off")  # each step encodes its images
ONE_EPOCH = ("OPTIM.MAX_EPOCH", 1)
SLOWER = ("OPTIM.LR", 0.01)  # the tiny CLIP's deep prompts have large gradients
AVERAGED = (*SLOWER, "TRAINER.PROMPTSRC.GPA_MEAN", 1.0)
MIX = "TRAINER.E2MIM.MIX."
USUAL = {
    "text": ("CoOp", ONE_EPOCH),
    "one image": (
        "CoCoOp",
        (*IMAGES, *ONE_EPOCH, "DATASET.NUM_SHOTS", 1, "DATALOADER.TRAIN_X.BATCH_SIZE", 1),
    ),
    "two gradients": ("ProGrad", (*IMAGES, *ONE_EPOCH)),
    "deep prompts": ("MaPLe", (*ONE_EPOCH, *SLOWER)),
    "average and frozen views": ("PromptSRC", AVERAGED),
    "pairs of pixels": (
        "E2MIM",
        (*ONE_EPOCH, f"{MIX}LEVEL", "pixel", f"{MIX}NEGATIVES", "virtual+real"),
    ),
}
CHOSEN = {
    **USUAL,
    "classes in chunks": ("CoOp", ("TRAINER.COOP.CSC", True, "TRAINER.COOP.CHUNK", 2)),
    "images": ("CoOp", (*IMAGES, "TRAINER.COOP.TEXT_ENCODER", "reference")),
    "batches of images": ("CoCoOp", ("TRAINER.COCOOP.CHUNK", 4)),
    "drawn views": ("KgCoOp", ("FEATURES.VIEWS", 2)),
    "tokens of classes": ("TCP", SLOWER),
    "both encoders": ("IVLP", SLOWER),
    "image encoder": ("VPT", ()),
    "frozen images": ("PromptSRC", (*AVERAGED, *IMAGES)),
    "pairs of features": ("E2MIM", (f"{MIX}PAIRS", "both", "TRAINER.E2MIM.MI.BOUND", "dv")),
    "two versions": ("CoPrompt", ("TRAINER.COPROMPT.TEMPLATES", "ensemble80")),
    "two stages": ("TwoSFS", ()),
    "classes of means": ("E2MIM", (f"{MIX}LEVEL", "class", "TRAINER.E2MIM.TEMPLATES", "chosen")),
    "inserted tokens": ("MMRL", SLOWER),
    "sentences": ("ProText", (*ONE_EPOCH, "OPTIM.LR", 1e-5)),  # a weight of 1000
}
OTHERS = {name: (name, ()) for name in set(TRAINED) - {named for named, _ in CHOSEN.values()}}


def outcome(build, name, options, output):
    """Weights before and after, predictions and logits, of batches that no number divides."""
    sizes = ("DATALOADER.TRAIN_X.BATCH_SIZE", 11, "DATALOADER.TEST.BATCH_SIZE", 8)
    trainer = build(name, *sizes, *options, output=output)
    start = weights(trainer)
    kept = KeptLogits(trainer)
    trainer.train()
    answers = trainer.evaluator._y_true, trainer.evaluator._y_pred
    return start, weights(trainer), answers, torch.from_numpy(kept.logits().logits)


def weights(trainer):
    return {
        f"{model}.{key}": value.detach().clone()
        for model in trainer._models
        for key, value in trainer._models[model].state_dict().items()
    }


def compare(build, folder, cases, count):
    def work(number):
        with ranks.joined(number, count):
            for case, named in cases.items():
                torch.save(outcome(build, *named, f"{case} {number}"), folder / f"{case}{number}")
        return 0

    logs = folder / "logs"
    children = processes.start(work, logs, count)
    alone = {case: outcome(build, *named, case) for case, named in cases.items()}
    assert processes.codes(children, logs) == [0] * count, processes.said(logs)
    for case, (start, end, answers, logits) in alone.items():
        found = [torch.load(folder / f"{case}{number}") for number in range(count)]
        both = ((value, end[key]) for key, value in start.items() if value.is_floating_point())
        moved = max((b - a).abs().max() for a, b in both if a.numel())
        assert moved > 1e-3 or case in OTHERS, case
        for _, weights_found, answers_found, logits_found in found:
            assert answers_found == answers, case
            torch.testing.assert_close(
                weights_found,
                end,
                rtol=1e-5,
                atol=1e-5,
                msg=lambda said, case=case: f"{case}: {said}",
            )
            torch.testing.assert_close(logits_found, logits, rtol=1e-4, atol=1e-4, msg=case)
            assert all(torch.equal(weights_found[key], found[0][1][key]) for key in end), case


def test_two_train_and_answer_as_one(tiny_trainer, tmp_path):
    compare(tiny_trainer, tmp_path, USUAL, 2)


@pytest.mark.ranks
@pytest.mark.parametrize("count", [2, 3, 4])
def test_every_kind_of_trainer(tiny_trainer, tmp_path, count):
    compare(tiny_trainer, tmp_path, CHOSEN | OTHERS, count)
