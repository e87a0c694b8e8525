"""DATASET.DESCRIPTIONS: what is read, what is refused, and the views that are made of it."""

import json
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

import train
from promptkit.descriptions import read_descriptions
from promptkit.prompts.sentences import sentence_features
from run_files.checks import checked
from run_files.result import Result
from tests.conftest import TINY_CLASSES
from tests.trainers.literal import text_feature

ABOUT = {
    name.replace("_", " ").title(): [f"a {name} drawn large.", "it has edges."][: 1 + row % 2]
    for row, name in enumerate(TINY_CLASSES)
}


@pytest.fixture
def about(tmp_path):
    """Writes a file of descriptions; returns its path."""

    def write(content, name: str = "about.json") -> str:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return str(path)

    return write


def literal_view(model) -> torch.Tensor:
    """The mean of each class's unit features, in unit norm."""
    means = [
        torch.stack([text_feature(model, x) for x in sentences]).mean(0)
        for sentences in ABOUT.values()
    ]
    return F.normalize(torch.stack(means), dim=1)


@pytest.mark.parametrize("name", ["KgCoOp", "E2MIM", "ZeroshotCLIP"])
def test_the_view_is_the_mean_over_each_class_s_sentences(tiny_trainer, about, name):
    trainer = tiny_trainer(
        name, f"TRAINER.{name.upper()}.TEMPLATES", "descriptions",
        "DATASET.DESCRIPTIONS", about(ABOUT),
    )  # fmt: skip
    expected = literal_view(trainer.clip_model)
    found = trainer.text_views.own if name == "E2MIM" else trainer.hand_crafted
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=1e-5)


def test_what_was_tuned_is_used_on_classes_without_sentences(tiny_trainer, about):
    """Descriptions are of the loss; the classifier of the soft view asks for none."""
    for name in ("KgCoOp", "E2MIM", "CoPrompt"):
        trainer = tiny_trainer(
            name, f"TRAINER.{name.upper()}.TEMPLATES", "descriptions",
            "DATASET.DESCRIPTIONS", about(ABOUT), output=name,
        )  # fmt: skip
        other = type(trainer).for_classes(trainer.cfg, ["zebra", "lion"])
        assert other.text_features().shape[0] == 2


def test_sentences_encoded_in_parts_keep_their_order(tiny_clip):
    sentences = ["b two.", "a one.", "c three and more.", "a one."]
    whole = sentence_features(tiny_clip, sentences)
    parts = sentence_features(tiny_clip, sentences, at_once=2)
    expected = torch.stack([text_feature(tiny_clip, x) for x in sentences])
    torch.testing.assert_close(whole.double(), expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(parts, whole, rtol=0, atol=1e-6)


def test_a_folder_has_a_file_for_each_data_set(tiny_trainer, about, tmp_path):
    about(ABOUT, "all/TinyShapes.json")
    trainer = tiny_trainer(
        "ZeroshotCLIP", "TRAINER.ZEROSHOTCLIP.TEMPLATES", "descriptions",
        "DATASET.DESCRIPTIONS", tmp_path / "all",
    )  # fmt: skip
    assert trainer.descriptions()[1] == tuple(ABOUT["Circle"])


def test_the_other_half_s_logits_need_sentences_too(tiny_argv, about, tmp_path, capsys):
    def run(content, output: str) -> dict:
        argv = tiny_argv(
            "ZeroshotCLIP", "TRAINER.ZEROSHOTCLIP.TEMPLATES", "descriptions",
            "DATASET.DESCRIPTIONS", about(content, f"{output}.json"),
            "DATASET.SUBSAMPLE_CLASSES", "base", output=output, flags=("--eval-only",),
        )  # fmt: skip
        assert train.main(argv) == 0
        return json.loads((tmp_path / output / "result.json").read_text())

    both = run(ABOUT, "both")
    assert "Logits of other classes are not kept" not in capsys.readouterr().out
    half = run(dict(list(ABOUT.items())[:3]), "half")
    assert "Logits of other classes are not kept" in capsys.readouterr().out
    assert both["metrics"] == half["metrics"]
    long = {**ABOUT, "Star": ["word " * 90]}  # of the other half
    assert run(long, "long")["metrics"] == both["metrics"]
    assert "are not kept: DATASET.DESCRIPTIONS" in capsys.readouterr().out
    assert both["descriptions_sha256"] != half["descriptions_sha256"]
    assert checked(both, Result) == both


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[", "is no json file"),
        ([1], "must hold an object"),
        ({**ABOUT, "Ring": []}, "'Ring' must be a list of one or more sentences"),
        ({**ABOUT, "Ring": [" "]}, "'Ring' must be a list of one or more sentences"),
        ({**ABOUT, "ring": ["a ring."]}, "names the class 'ring' twice"),
        ({**ABOUT, "Ring": ["word " * 80]}, "more than 77 tokens.*'ring': 'word word"),
        ({k if k != "Ring" else "rinng": v for k, v in ABOUT.items()},
         "no sentences about 'ring'.*Did you mean 'rinng'"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file_is_named(tiny_clip, about, content, message):
    path = Path(about(content))
    with pytest.raises(ValueError, match=f"(?s){message}"):
        read_descriptions(path, TINY_CLASSES, tiny_clip.tokenizer)


def test_names_of_no_class_are_listed(tiny_clip, about, capsys):
    path = Path(about({**ABOUT, "moon": ["a moon."]}))
    read_descriptions(path, TINY_CLASSES[:4], tiny_clip.tokenizer, others=TINY_CLASSES[4:])
    assert "also is about 'moon', no classes of this data set" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("CoOp", ("DATASET.DESCRIPTIONS", "x.json"), "no effect with CoOp as it is set. Leave"),
        ("KgCoOp", ("DATASET.DESCRIPTIONS", "x.json"),
         "Set TRAINER.KGCOOP.TEMPLATES descriptions, or leave it out"),
        ("E2MIM", ("TRAINER.E2MIM.TEMPLATES", "descriptions"),
         "TRAINER.E2MIM.TEMPLATES descriptions needs sentences about the classes"),
        ("KgCoOp", ("TRAINER.KGCOOP.TEMPLATES", "descriptions", "DATASET.DESCRIPTIONS", "x.json"),
         "there is no file x.json"),
    ],
)  # fmt: skip
def test_descriptions_that_nobody_reads_and_their_lack(tiny_argv, capsys, name, options, message):
    assert train.main(tiny_argv(name, *options)) == 1
    assert message in capsys.readouterr().err
