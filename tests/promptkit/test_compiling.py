"""A step that is compiled is one program without a break, and learns what the step learns."""

import pytest
import torch

import train
from promptkit import compiling
from tests.trainers.test_all_trainers import IN_EPOCHS

TRACED = ("E2MIM",)  # the others by the marked run, which builds all


def losses_and_gradients(trainer, loss, images, labels):
    if generator := getattr(trainer, "generator", None):  # of mixup
        generator.manual_seed(0)
    parts = loss(images, labels, *trainer.drawn(labels))
    learned = [p for p in trainer.learner.parameters() if p.requires_grad]
    gradients = torch.autograd.grad(parts["loss"], learned, allow_unused=True)
    values = torch.cat([value.detach().flatten() for value in parts.values()])
    return values, [gradient for gradient in gradients if gradient is not None]


def check(tiny_trainer, name):
    torch._dynamo.reset()
    trainer = tiny_trainer(name)
    trainer.before_train()
    trainer.close_writer()
    trainer.epoch = 0
    trainer.before_epoch()
    images, labels = trainer.parse_batch_train(next(iter(trainer.train_loader_x)))
    expected, gradients = losses_and_gradients(trainer, trainer.loss, images, labels)
    program = compiling.compiled(trainer.loss, trainer.device)
    found, ours = losses_and_gradients(trainer, program, images, labels)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    for mine, theirs in zip(ours, gradients, strict=True):
        scale = theirs.abs().max().clamp(min=1e-12)
        torch.testing.assert_close(mine / scale, theirs / scale, rtol=0, atol=3e-5)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] > 0
    assert not torch._dynamo.utils.counters["graph_break"]


@pytest.mark.parametrize("name", TRACED)
def test_every_step_is_one_program(tiny_trainer, monkeypatch, name):
    monkeypatch.setattr(compiling, "COMPILER", "aot_eager")  # traced alike, nothing to build
    check(tiny_trainer, name)


@pytest.mark.compiler
@pytest.mark.parametrize("name", [name for name in IN_EPOCHS if name != "ProGrad"])
def test_the_cpus_own_compiler_gives_the_same(tiny_trainer, name):
    check(tiny_trainer, name)


@pytest.mark.parametrize("name", ["TCP"])
def test_a_run_with_programs_learns_what_one_without_learns(tiny_argv, tmp_path, monkeypatch, name):
    monkeypatch.setattr(compiling, "COMPILER", "aot_eager")
    torch._dynamo.reset()
    contexts = []
    for compile in ("False", "True"):
        argv = tiny_argv(name, f"TRAINER.{name.upper()}.COMPILE", compile, output=compile)
        assert train.main(argv) == 0
        path = tmp_path / compile / "prompt_learner/model.pth.tar-2"
        contexts.append(torch.load(path)["state_dict"]["ctx"])
    torch.testing.assert_close(*contexts, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("ProGrad", (), "ProGrad goes backward twice through one step"),
        ("GDA", (), "GDA is not trained in steps of OPTIM's"),
        ("CoOp", ("CHUNK", 5), "all 6 prompts at once, and TRAINER.COOP.CHUNK is 5"),
        ("CoCoOp", ("CHUNK", 20), "all 72 prompts at once, and TRAINER.COCOOP.CHUNK is 20"),
        ("CoOp", ("TEXT_ENCODER", "reference"), "it takes TRAINER.COOP.TEXT_ENCODER fast"),
    ],
)
def test_what_cannot_be_one_program_is_said(tiny_argv, capsys, name, options, message):
    node = f"TRAINER.{name.upper()}"
    words = [f"{node}.{word}" if i % 2 == 0 else word for i, word in enumerate(options)]
    assert train.main(tiny_argv(name, f"{node}.COMPILE", "True", *words)) == 1
    error = capsys.readouterr().err
    assert f"{node}.COMPILE must be False here" in error and message in error
