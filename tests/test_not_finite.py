"""NaN and infinity end a run, which says what they came from; none is ever a result."""

import dataclasses
import json

import pytest
import torch

import train
from dassl.engine import TRAINER_REGISTRY
from promptkit.runs import manifest, same_run
from promptkit.use.predict import predict


def fail(capsys, argv: list[str]) -> str:
    """The one message of a command line that must fail."""
    assert train.main(argv) == 1
    message = capsys.readouterr().err.split("error: ")
    assert len(message) == 2 and "Traceback" not in message[1]
    return message[1]


def damage(path, key: str, value: float) -> None:
    content = torch.load(path)
    content["state_dict"][key].view(-1)[-1] = value
    torch.save(content, path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_damaged_checkpoint_is_named_and_has_no_result(tiny_argv, tmp_path, capsys, value):
    assert train.main(tiny_argv("CoOp")) == 0
    damage(tmp_path / "run/prompt_learner/model.pth.tar-2", "ctx", value)
    flags = ("--eval-only", "--model-dir", str(tmp_path / "run"), "--load-epoch", "2")
    message = fail(capsys, tiny_argv("CoOp", output="eval", flags=flags))
    assert "not finite" in message and "is prompt_learner.ctx. " in message
    assert not (tmp_path / "eval/result.json").exists()


def test_damaged_weights_of_the_backbone_are_named(tiny_argv, tiny_weights, tmp_path, capsys):
    content = torch.load(tiny_weights)
    content["state_dict"]["visual.proj"][0, 0] = float("inf")
    torch.save(content, tmp_path / "weights.pt")
    argv = tiny_argv("ZeroshotCLIP", flags=("--eval-only",))
    argv[argv.index("--backbone") + 1] = str(tmp_path / "weights.pt")
    assert "is clip_model.model.visual.proj. " in fail(capsys, argv)
    assert not (tmp_path / "run/result.json").exists()


def test_a_last_step_that_overflows_has_no_result(tiny_argv, tmp_path, capsys, monkeypatch):
    """The loss of that step was finite: only the test can tell."""
    from trainers.coop import CoOp

    def overflow(self) -> None:
        with torch.no_grad():
            self.learner.ctx.fill_(float("nan"))

    monkeypatch.setattr(CoOp, "update_lr", overflow)
    argv = tiny_argv("CoOp", "OPTIM.MAX_EPOCH", 1)
    assert "is prompt_learner.ctx. A step was too large" in fail(capsys, argv)
    assert not (tmp_path / "run/result.json").exists()


def test_logits_beyond_their_precision_are_not_the_weights_fault(tiny_trainer):
    trainer = tiny_trainer("ZeroshotCLIP", "FEATURES.STORE", False)
    trainer.logits = lambda *views, logits=trainer.logits: logits(*views) * 1e38 * 1e38
    with pytest.raises(FloatingPointError, match=r"beyond what their precision.*PREC fp32"):
        trainer.test()
    image = trainer.dm.dataset.test[0].impath
    with pytest.raises(ValueError, match="The logits are not finite"):
        list(predict(trainer, [image], top=1))


@pytest.mark.parametrize(
    ("trainer", "part"), [("CoOp", "loss"), ("E2MIM", "ensemble"), ("ProGrad", "kl_loss")]
)
def test_a_loss_names_its_step_its_part_and_what_to_lower(
    tiny_argv, capsys, monkeypatch, trainer, part
):
    """In the second batch of the first epoch."""
    kind = TRAINER_REGISTRY.get(trainer)
    loss = kind.loss

    def spoilt(self, images, labels, *drawn):
        parts = loss(self, images, labels, *drawn)
        if self.batch_idx == 1:
            parts[part] = parts[part] * float("nan")
            parts["loss" if "loss" in parts else part] = parts[part]
        return parts

    monkeypatch.setattr(kind, "loss", spoilt)
    message = fail(capsys, tiny_argv(trainer))
    assert message.startswith(
        "Loss is infinite or NaN! It is that of epoch 1, batch 2 of 2. Lower OPTIM.LR (now 0.05). "
        f"The first part that is not finite: {part}."
    )


def test_in_half_precision_more_bits_may_help(tiny_trainer):
    trainer = tiny_trainer("CoOp")
    trainer.precision = dataclasses.replace(trainer.precision, mode="fp16")
    parts = {"loss": torch.tensor(float("inf")), "acc": torch.tensor(1.0)}
    assert trainer._first_fault(parts).endswith(": loss. Or set TRAINER.COOP.PREC to amp or fp32.")


def test_a_folder_with_nan_in_it_is_not_finished(tiny_argv, tmp_path, capsys):
    argv = tiny_argv("ZeroshotCLIP", flags=("--eval-only",))
    assert train.main(argv) == 0 and same_run.is_finished(str(tmp_path / "run"), argv)
    path = tmp_path / "run/result.json"
    result = json.loads(path.read_text())
    accuracy = result["metrics"]["accuracy"]
    result["metrics"]["macro_f1"] = float("nan")
    path.write_text(json.dumps(result))
    assert not same_run.is_finished(str(tmp_path / "run"), argv)
    assert train.main(argv) == 0 and "Finished before" not in capsys.readouterr().out
    assert manifest.read_result(tmp_path / "run")["metrics"]["accuracy"] == accuracy
