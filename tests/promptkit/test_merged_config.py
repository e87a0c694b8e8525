"""Merged configs: published spellings, keys without effect, weights to start from."""

import pytest
import torch

import train
from dassl.data.datasets import DATASET_REGISTRY, DatasetBase
from promptkit.runs.unread_keys import idle_keys


def merged(*argv):
    return train.setup_cfg(train.parse_args([str(word) for word in argv]))


def file(tmp_path, text: str) -> tuple[str, str]:
    path = tmp_path / "published.yaml"
    path.write_text(text)
    return "--config-file", str(path)


@pytest.mark.parametrize(
    ("trainer", "given", "words"),
    [
        ("KgCoOp", "True", "a photo of a"),
        ("KgCoOp", "False", ""),
        ("TCP", "True", "a photo of a"),
        ("TCP", "False", ""),
        ("ProGrad", "True", "template"),
        ("ProGrad", "False", ""),
    ],
)
def test_files_of_code_that_reads_coops_node(tmp_path, capsys, trainer, given, words):
    text = f"TRAINER:\n  COOP:\n    CTX_INIT: {given}\n    N_CTX: 8\n    CSC: False\n"
    cfg = merged("--trainer", trainer, *file(tmp_path, text))
    assert (cfg.TRAINER[trainer.upper()].CTX_INIT, cfg.TRAINER[trainer.upper()].N_CTX) == (words, 8)
    assert cfg.TRAINER.COOP.N_CTX == 16
    printed = capsys.readouterr().out
    assert (
        f"TRAINER.COOP.CTX_INIT: {given} is read as TRAINER.{trainer.upper()}.CTX_INIT" in printed
    )


@pytest.mark.parametrize("trainer", ["KgCoOp", "TCP", "ProGrad"])
def test_true_and_false_on_the_command_line_mean_what_they_do_in_files(capsys, trainer):
    """The message about TRAINER.COOP.CTX_INIT leads there: it must not become the word "True"."""
    key, words = f"TRAINER.{trainer.upper()}.CTX_INIT", {"ProGrad": "template"}
    for given, expected in (("True", words.get(trainer, "a photo of a")), ("False", "")):
        cfg = merged("--trainer", trainer, key, given)
        assert cfg.TRAINER[trainer.upper()].CTX_INIT == expected
        assert f"{key} {given} is read as '{expected}'" in capsys.readouterr().out
    assert merged("--trainer", trainer, key, "true").TRAINER[trainer.upper()].CTX_INIT == "true"


def test_prograds_loss_and_promptsrcs_whole_numbers(tmp_path):
    text = "LOSS:\n  NAME: prograd\n  T: 2\n  LAMBDA: 0.5\nTRAINER:\n  COOP:\n    CTX_INIT: True\n"
    node = merged("--trainer", "ProGrad", *file(tmp_path, text)).TRAINER.PROGRAD
    assert (node.T, node.LAMBDA) == (2.0, 0.5)
    text = "TRAINER:\n  PROMPTSRC:\n    TEXT_LOSS_WEIGHT: 25\n    GPA_MEAN: 30\n"
    node = merged("--trainer", "PromptSRC", *file(tmp_path, text)).TRAINER.PROMPTSRC
    assert (node.GPA_MEAN, type(node.GPA_MEAN), node.TEXT_LOSS_WEIGHT) == (30.0, float, 25.0)


@pytest.mark.parametrize(
    ("trainer", "text", "message"),
    [
        ("ProGrad", "LOSS:\n  NAME: kd\n", "LOSS.NAME in the file .* must be 'prograd'"),
        ("KgCoOp", "TRAINER:\n  COOP:\n    CSC: True\n", "COOP.CSC in the file .* must be False"),
        (
            "CoCoOp",
            "TRAINER:\n  COCOOP:\n    CTX_INIT: True\n",
            "no meaning with CoCoOp: write the",
        ),
        ("CoOp", "TRAINER:\n  E2MIM:\n    ALPHA: 2\n", "CoOp has no such option"),
        (
            "CoOp",
            "TRAINER:\n  KGCOOP:\n    N_CTX: 8\n",
            "reads TRAINER.COOP. Write TRAINER.COOP.N_",
        ),
    ],
)
def test_what_a_file_cannot_mean(tmp_path, trainer, text, message):
    with pytest.raises(ValueError, match=message):
        merged("--trainer", trainer, *file(tmp_path, text))


@pytest.mark.parametrize(
    ("trainer", "key", "message"),
    [
        (
            "KgCoOp",
            "TRAINER.COOP.N_CTX",
            "KgCoOp reads TRAINER.KGCOOP. Write TRAINER.KGCOOP.N_CTX.",
        ),
        (
            "KgCoOp",
            "TRAINER.COOP.CSC",
            "It reads TRAINER.KGCOOP.PREC, .*TRAINER.KGCOOP.TEMPLATES. Leave it",
        ),
        ("ProGrad", "LOSS.LAMBDA", "Write TRAINER.PROGRAD.LAMBDA."),
        ("ProGrad", "LOSS.NAME", "ProGrad has no such option"),
        ("CoOp", "TRAINER.E2MIM.MI.BOUND", "CoOp has no such option"),
        ("CoOp", "MODEL.HEAD.NAME", "no other head. Leave it out."),
        ("CoOp", "DATALOADER.TRAIN_U.BATCH_SIZE", "no unlabelled images"),
        ("CoOp", "DATASET.VAL_PERCENT", "TinyShapes does not read it. It reads DATASET.NAME"),
        ("CoOp", "DATASET.FOLDER.PATH", "TinyShapes does not read it"),
    ],
)
def test_keys_that_nobody_reads_are_refused_with_those_that_count(trainer, key, message):
    with pytest.raises(ValueError, match=f"{key} .on the command line. has no effect: .*{message}"):
        merged("--trainer", trainer, "DATASET.NAME", "TinyShapes", key, "1")


def test_what_is_read_is_taken(tmp_path):
    """An own folder's keys, data sets of other code, trainers that declare no options."""
    cfg = merged("--trainer", "CoOp", "DATASET.NAME", "ImageFolder", "DATASET.FOLDER.PATH", "x")
    assert cfg.DATASET.FOLDER.PATH == "x"

    class Foreign(DatasetBase):
        pass

    DATASET_REGISTRY.register(Foreign, force=True)
    cfg = merged("--trainer", "CoOp", "DATASET.NAME", "Foreign", "DATASET.VAL_PERCENT", "0.2")
    assert cfg.DATASET.VAL_PERCENT == 0.2
    assert merged("TRAINER.COOP.N_CTX", 3).TRAINER.COOP.N_CTX == 3  # no trainer, nothing to say
    cfg = merged("--root", "2024", "DATASET.TEMPLATE", "{}", "TRAINER.COOP.CTX_INIT", "2020")
    assert (cfg.DATASET.ROOT, cfg.DATASET.TEMPLATE, cfg.TRAINER.COOP.CTX_INIT) == (
        "2024", "{}", "2020",
    )  # fmt: skip


def test_keys_that_others_make_idle_are_named(capsys):
    words = ["OPTIM.NAME", "sgd", "OPTIM.ADAM_BETA1", 0.8, "INPUT.TRANSFORMS", "('normalize',)"]
    words += ["INPUT.GB_P", 0.5, "INPUT.PIXEL_STD", "[1, 1, 1]"]
    merged("--trainer", "CoOp", *words)
    assert capsys.readouterr().out == (
        "OPTIM.ADAM_BETA1 has no effect with OPTIM.NAME sgd\n"
        "INPUT.GB_P has no effect without gaussian_blur\n"
    )
    for trainer in ("LinearProbe", "ZeroshotCLIP"):
        merged("--trainer", trainer, "OPTIM.LR", 0.1, "OPTIM.MAX_EPOCH", 1)
        assert capsys.readouterr().out == f"OPTIM.LR has no effect with {trainer}\n"
    cfg = merged("OPTIM.NAME", "rmsprop")
    assert idle_keys(["OPTIM.MOMENTUM", "OPTIM.LR", "SEED", "INPUT.SIZE"], cfg) == []


# MODEL.INIT_WEIGHTS -----------------------------------------------------------------------------


def test_training_starts_from_the_weights_given(tiny_trainer, tmp_path, capsys):
    context = torch.randn(16, 64)
    state = {"prompt_learner.ctx": context, "token_prefix": torch.zeros(6, 1, 64)}
    torch.save({"state_dict": {"ctx": context, **state}}, tmp_path / "start.pth.tar")
    trainer = tiny_trainer("CoOp", "MODEL.INIT_WEIGHTS", tmp_path / "start.pth.tar")
    assert torch.equal(trainer.learner.ctx.detach(), context)
    assert "Not taken, of another name or shape: prompt_learner.ctx" in capsys.readouterr().out


def test_weights_that_do_not_fit_or_have_no_effect(tiny_argv, tmp_path, capsys):
    def message(trainer: str, path, *flags) -> str:
        assert train.main(tiny_argv(trainer, "MODEL.INIT_WEIGHTS", path, flags=flags)) == 1
        return capsys.readouterr().err

    text = message("CoOp", tmp_path / "gone.pth")
    assert f"MODEL.INIT_WEIGHTS: there is no file {tmp_path}/gone.pth" in text
    torch.save({"ctx": torch.zeros(4, 64)}, tmp_path / "small.pth")
    text = message("CoOp", tmp_path / "small.pth")
    assert "fits what this run trains (ctx (16, 64)); it holds ctx (4, 64)" in text
    for trainer in ("ZeroshotCLIP", "LinearProbe"):
        assert f"no effect with {trainer}" in message(trainer, tmp_path / "small.pth")


@pytest.mark.parametrize("key", ["OUTPUT_DIR", "RESUME"])
def test_a_pairs_home_folder_is_the_users(key, monkeypatch, tmp_path):
    (tmp_path / "run").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    assert merged("--trainer", "CoOp", key, "~/run")[key] == f"{tmp_path}/run"
