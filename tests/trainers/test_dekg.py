"""DeKg and DeKg_TCP against their formula, their files, and what they grew out of."""

import pytest
import torch

from promptkit.objectives.independence import linear_hsic
from tests.trainers.literal import (
    assert_trainer_is_literal,
    cross_entropy,
    image_feature,
    names_of,
    scale_of,
    text_feature,
)


def hsic(first, second):
    """By its definition: traces of C x C kernels."""
    first, second = first / (first**2).sum().sqrt(), second / (second**2).sum().sqrt()
    middle = torch.eye(len(first)).double() - 1 / len(first)
    return torch.trace(middle @ first @ first.T @ middle @ second @ second.T)


@pytest.mark.parametrize(("name", "normalize"), [("DeKg", True), ("DeKg_TCP", False)])
def test_logits_losses_and_gradients_are_the_formulas(tiny_trainer, name, normalize):
    node = f"TRAINER.{name.upper()}"
    options = (f"{node}.W", 2.0, f"{node}.HSIC_WEIGHT", 400.0, f"{node}.HSIC_NORMALIZE", normalize)
    trainer = tiny_trainer(name, *options)
    model = trainer.clip_model

    def feature(p, classname, hand, *, unit):
        layers = {}
        if name == "DeKg_TCP":
            hidden = hand @ p["meta_net.linear1.weight"].T + p["meta_net.linear1.bias"]
            hidden = hidden * torch.sigmoid(1.702 * hidden)
            tokens = hidden @ p["meta_net.linear2.weight"].T + p["meta_net.linear2.bias"]
            layers = {1: tokens.reshape(4, 64)}
        sentence = f"X X X X {classname}."
        return text_feature(model, sentence, p["ctx"], layers, unit=unit)

    def literal(p, images, labels):
        names = names_of(trainer)
        h = torch.stack([text_feature(model, f"a drawing of a {x}.") for x in names])
        s = torch.stack([feature(p, *pair, unit=True) for pair in zip(names, h, strict=True)])
        view = [feature(p, *pair, unit=normalize) for pair in zip(names, h, strict=True)]
        z = torch.stack([image_feature(model, x) for x in images])
        logits = scale_of(trainer) * z @ s.T
        parts = {
            "ce": cross_entropy(logits, labels),
            "distance": (1 - (s * h).sum(1)).mean(),
            "hsic": hsic(torch.stack(view), h),
        }
        return logits, parts | {"loss": parts["ce"] + 2 * parts["distance"] + 400 * parts["hsic"]}

    assert len(assert_trainer_is_literal(trainer, literal)) == (1 if name == "DeKg" else 5)


@pytest.mark.parametrize(("name", "other"), [("DeKg", "KgCoOp"), ("DeKg_TCP", "TCP")])
def test_without_its_weight_it_is_what_it_grew_out_of_to_the_last_bit(tiny_trainer, name, other):
    contexts = []
    for trainer_name, *options in ((name, f"TRAINER.{name.upper()}.HSIC_WEIGHT", 0.0), (other,)):
        trainer = tiny_trainer(trainer_name, *options, "OPTIM.MAX_EPOCH", 2, output=trainer_name)
        trainer.train()
        contexts.append(trainer.learner.ctx.detach())
    assert torch.equal(*contexts)


def test_the_weight_lessens_the_dependence(tiny_trainer):
    found = []
    for weight in (0.0, 3000.0):
        options = ("TRAINER.DEKG.HSIC_WEIGHT", weight, "OPTIM.LR", 0.01)
        trainer = tiny_trainer("DeKg", *options, output=f"w{weight}")
        trainer.train()
        with torch.no_grad():
            found.append(linear_hsic(trainer.text_features(), trainer.hand_crafted).item())
    assert 0 < found[1] < found[0]


def test_hsic_has_its_bounds():
    torch.manual_seed(0)
    view = torch.randn(9, 5)
    assert linear_hsic(view, torch.ones(9, 5)).item() == pytest.approx(0, abs=1e-12)
    line = torch.outer(torch.tensor([1.0, -1.0]), torch.randn(5))
    assert linear_hsic(line, -3 * line).item() == pytest.approx(1)
    other = torch.randn(9, 7)
    expected = hsic(view.double(), other.double()).item()
    assert linear_hsic(view, other).item() == pytest.approx(expected, rel=1e-5)


def test_the_published_file_sets_it(tmp_path, tiny_argv, capsys):
    import train

    path = tmp_path / "vit_b16_ep100_ctxv1.yaml"
    path.write_text("TRAINER:\n  COOP:\n    CTX_INIT: True\n    W: 6.0\nLOSS:\n  WEIGHT: 2.0\n")
    cfg = train.setup_cfg(train.parse_args(["--trainer", "DeKg", "--config-file", str(path)]))
    node = cfg.TRAINER.DEKG
    assert (node.CTX_INIT, node.W, node.HSIC_WEIGHT) == ("a photo of a", 6.0, 2.0)
    assert "LOSS.WEIGHT is read as TRAINER.DEKG.HSIC_WEIGHT" in capsys.readouterr().out
