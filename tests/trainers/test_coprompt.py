"""CoPrompt against its formula; its sentences, its second view, its recipes."""

import json
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

import train
from promptkit.prompts.templates import IMAGENET_TEMPLATES
from tests.trainers.literal import (
    assert_trainer_is_literal,
    cross_entropy,
    image_feature,
    names_of,
    scale_of,
    text_feature,
)

RECIPES = Path(train.__file__).parent / "configs/trainers/CoPrompt"


def adapted(features, ratio, p, name):
    hidden = (features @ p[f"{name}.0.weight"].T).relu() @ p[f"{name}.2.weight"].T
    return F.normalize(ratio * hidden.relu() + (1 - ratio) * features, dim=-1)


def literal(trainer, number):
    def forward(p, images, labels):
        model, names = trainer.clip_model, names_of(trainer)
        text = {1: p["compound_prompts_text.0"]}
        image = {0: p["ctx"] @ p["proj.weight"].T + p["proj.bias"]}
        name = "compound_prompt_projections.0"
        image[1] = text[1] @ p[f"{name}.weight"].T + p[f"{name}.bias"]
        t = torch.stack([text_feature(model, f"a photo of a {x}.", p["ctx"], text) for x in names])
        z = torch.stack([image_feature(model, x, image) for x in images[:, 0]])
        z, t = adapted(z, 0.1, p, "adapter_image"), adapted(t, 0.2, p, "adapter_text")
        logits = scale_of(trainer) * z @ t.T
        sentences = [IMAGENET_TEMPLATES[number].replace("{}", x) for x in names]
        h = torch.stack([text_feature(model, x) for x in sentences])
        z0 = torch.stack([image_feature(model, x) for x in images[:, 1]])
        if trainer.options.distill == "mse":
            text_loss, image_loss = (t - h).square().mean(), (z - z0).square().mean()
        else:
            text_loss, image_loss = 1 - (t * h).sum(1).mean(), 1 - (z * z0).sum(1).mean()
        ce = cross_entropy(logits, labels)
        loss = ce + trainer.options.w * (text_loss + image_loss)
        return logits, {"ce": ce, "text_loss": text_loss, "image_loss": image_loss, "loss": loss}

    return forward


@pytest.mark.parametrize(("distill", "weight"), [("cosine", 1.0), ("mse", 8.0)])
def test_logits_loss_and_gradients_are_the_formulas(tiny_trainer, distill, weight):
    options = "TRAINER.COPROMPT.DISTILL", distill, "TRAINER.COPROMPT.W", weight
    trainer = tiny_trainer("CoPrompt", *options)
    trainer.drawn = lambda labels: (trainer.sentence_views[41],)
    images = trainer.parse_batch_train(next(iter(trainer.train_loader_x)))[0]
    assert not torch.equal(*images.unbind(1))  # two draws of the augmentation
    assert len(assert_trainer_is_literal(trainer, literal(trainer, 41))) == 6 + 4


def test_one_number_of_a_sentence_for_all_classes_is_drawn_in_each_step(tiny_trainer):
    trainer = tiny_trainer("CoPrompt")
    torch.manual_seed(0)
    found = [trainer.drawn(torch.zeros(2))[0] for _ in range(60)]
    numbers = [[torch.equal(x, view) for view in trainer.sentence_views].index(True) for x in found]
    assert len(set(numbers)) > 30 and trainer.sentence_views.shape[:2] == (80, 6)


def test_descriptions_of_unequal_number_are_cut_to_the_least(tiny_trainer, tmp_path, capsys):
    path = tmp_path / "sentences.json"
    names = "arrow", "circle", "cross shape", "heart", "ring", "star"
    sentences = "a {} is drawn.", "see the {}.", "oh, {}!"
    about = {name: [x.replace("{}", name) for x in sentences] for name in names}
    path.write_text(json.dumps(about | {"ring": about["ring"][:2]}))
    options = "TRAINER.COPROMPT.TEMPLATES", "descriptions", "DATASET.DESCRIPTIONS", str(path)
    trainer = tiny_trainer("CoPrompt", *options)
    assert "2 sentences about each class are used" in capsys.readouterr().out
    found = trainer.sentence_views[1, 3].double()
    expected = text_feature(trainer.clip_model, "see the heart.")
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_published_size():
    """Two adapters of 262,144 numbers beside MaPLe's prompts, on features of 512."""
    from promptkit.bottleneck import bottleneck

    assert 2 * sum(p.numel() for p in bottleneck(512).parameters()) == 262_144


def test_published_files_are_read(tiny_argv, tmp_path, capsys):
    file = tmp_path / "coprompt.yaml"
    file.write_text("TRAINER:\n  CoPrompt:\n    N_CTX: 3\n    PROMPT_DEPTH: 2\n  W: 1.5\n"
                    '  DISTILL: "mse"\n')  # fmt: skip
    argv = tiny_argv("CoPrompt", flags=("--config-file", str(file)))
    node = train.setup_cfg(train.parse_args(argv)).TRAINER.COPROMPT
    assert (node.N_CTX, node.PROMPT_DEPTH, node.W, node.DISTILL) == (3, 2, 1.5, "mse")


def test_the_published_constants_are_recipes():
    """Those of trainers/constants.py: depth, tokens, weight, epochs."""
    found = {}
    for path in RECIPES.glob("*_as_published.yaml"):
        cfg = train.setup_cfg(
            train.parse_args(["--trainer", "CoPrompt", "--config-file", str(path)])
        )
        node = cfg.TRAINER.COPROMPT
        constants = node.PROMPT_DEPTH, node.N_CTX, node.W, cfg.OPTIM.MAX_EPOCH
        header = next(line for line in path.read_text().splitlines() if "Constants of" in line)
        found |= dict.fromkeys(header.split()[3:], constants)
        assert cfg.PROTOCOL.PER_DATA_SET
    assert found == {
        "imagenet": (12, 4, 8.0, 8), "caltech101": (12, 4, 4.0, 8), "oxford_pets": (12, 2, 0.1, 8),
        "stanford_cars": (12, 4, 4.0, 8), "oxford_flowers": (9, 4, 8.0, 8),
        "food101": (9, 4, 0.5, 5), "fgvc_aircraft": (9, 4, 2.0, 8), "sun397": (12, 4, 8.0, 8),
        "dtd": (12, 2, 8.0, 8), "eurosat": (12, 2, 0.1, 8), "ucf101": (12, 4, 2.0, 8),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("DATALOADER.K_TRANSFORMS", 1), "DATALOADER.K_TRANSFORMS must be 2; got 1: this trainer"),
        (("TRAINER.COPROMPT.TEMPLATES", "descriptions"), "Set DATASET.DESCRIPTIONS to a json file"),
        (("TRAINER.COPROMPT.DISTILL", "l1"), "DISTILL must be one of cosine, mse; got 'l1'"),
        (("TRAINER.COPROMPT.TEXT_RATIO", 1.5), "TEXT_RATIO must be at least 0 and at most 1"),
    ],
)
def test_mistakes_are_named(tiny_argv, capsys, options, message):
    assert train.main(tiny_argv("CoPrompt", *options)) == 1
    assert message in capsys.readouterr().err
