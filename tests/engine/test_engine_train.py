"""A plugin-style trainer from data to result, with the lines and files others rely on."""

import re

import pytest
import torch

from dassl.utils import load_checkpoint

PROGRESS = re.compile(
    r"epoch \[1/2\] batch \[1/3\] time \d+\.\d{3} \(\d+\.\d{3}\) data \d+\.\d{3} \(\d+\.\d{3}\) "
    r"loss \d+\.\d{4} \(\d+\.\d{4}\) acc \d+\.\d{4} \(\d+\.\d{4}\) lr 5\.0000e-02 eta \d:\d\d:\d\d"
)


def test_a_run_prints_the_lines_and_writes_the_files(make_trainer, tmp_path, capsys):
    trainer = make_trainer()
    trainer.train()
    lines = capsys.readouterr().out.splitlines()
    head = ["Loading trainer: TinyPrompt", "Loading dataset: TinyColours"]
    assert lines[:2] == head
    assert "Loading evaluator: Classification" in lines
    assert "No checkpoint found, train from scratch" in lines
    assert f"Initialize tensorboard (log_dir={tmp_path / 'out' / 'tensorboard'})" in lines
    progress = [line for line in lines if line.startswith("epoch [")]
    assert len(progress) == 6  # fewer batches than PRINT_FREQ: every batch is printed
    assert PROGRESS.fullmatch(progress[0])
    tail = lines[lines.index("Finish training") :]
    assert tail[1:3] == ["Deploy the last-epoch model", "Evaluate on the *test* set"]
    assert tail[3] == "=> result"
    assert re.fullmatch(r"Elapsed: \d:\d\d:\d\d", tail[-1])

    folder = tmp_path / "out" / "prompt_learner"
    assert f"Checkpoint saved to {folder / 'model.pth.tar-2'}" in lines
    assert sorted(p.name for p in folder.iterdir()) == ["checkpoint", "model.pth.tar-2"]
    assert (folder / "checkpoint").read_text() == "model.pth.tar-2\n"
    assert list((tmp_path / "out" / "tensorboard").iterdir())


def test_it_learns(make_trainer):
    trainer = make_trainer("OPTIM.MAX_EPOCH", 10)
    before = trainer.test()
    trainer.train()
    assert trainer.test() > max(before, 90.0)


def test_the_last_line_of_an_epoch_shows_the_next_rate(make_trainer, capsys):
    make_trainer("OPTIM.STEPSIZE", (1,)).train()
    rates = re.findall(r"lr (\S+) eta", capsys.readouterr().out)
    assert rates == ["5.0000e-02"] * 2 + ["5.0000e-03"] * 3 + ["5.0000e-04"]


def test_print_freq(make_trainer, capsys):
    make_trainer("TRAIN.PRINT_FREQ", 2).train()
    assert re.findall(r"batch \[(\d)/3\]", capsys.readouterr().out) == ["2", "2"]


def test_print_freq_zero_is_silent(make_trainer, capsys):
    make_trainer("TRAIN.PRINT_FREQ", 0).train()
    assert "epoch [" not in capsys.readouterr().out


def test_unknown_final_model(make_trainer):
    with pytest.raises(ValueError, match='last_step, best_val; got "best"'):
        make_trainer("TEST.FINAL_MODEL", "best")


def test_checkpoint_keys(make_trainer, tmp_path):
    make_trainer("OPTIM.WARMUP_EPOCH", 1, "OPTIM.LR_SCHEDULER", "cosine").train()
    checkpoint = load_checkpoint(str(tmp_path / "out/prompt_learner/model.pth.tar-2"))
    upstream = {"state_dict", "epoch", "optimizer", "scheduler", "val_result"}
    assert checkpoint.keys() == upstream | {"rng_state", "run"}
    assert checkpoint["epoch"] == 2 and checkpoint["val_result"] is None
    assert list(checkpoint["state_dict"]) == ["ctx", "token_prefix"]
    assert type(checkpoint["scheduler"]["successor"]) is dict


def test_checkpoint_frequency(make_trainer, tmp_path):
    make_trainer("OPTIM.MAX_EPOCH", 5, "TRAIN.CHECKPOINT_FREQ", 2).train()
    names = {p.name for p in (tmp_path / "out/prompt_learner").iterdir()}
    assert names == {"checkpoint", "model.pth.tar-2", "model.pth.tar-4", "model.pth.tar-5"}


def test_best_val_keeps_the_first_best_epoch(make_trainer, tmp_path, capsys):
    trainer = make_trainer("TEST.FINAL_MODEL", "best_val", "OPTIM.MAX_EPOCH", 3)
    results = iter([50.0, 75.0, 75.0])
    evaluate = type(trainer).test
    trainer.test = lambda split=None: next(results) if split == "val" else evaluate(trainer)
    trainer.train()
    folder = tmp_path / "out/prompt_learner"
    best = load_checkpoint(str(folder / "model-best.pth.tar"))
    assert (best["epoch"], best["val_result"]) == (2, 75.0)
    lines = capsys.readouterr().out.splitlines()
    tail = lines[lines.index("Finish training") :]
    assert tail[1] == "Deploy the model with the best val performance"
    path = folder / "model-best.pth.tar"
    assert tail[2] == f'Loading weights to prompt_learner from "{path}" (epoch = 2)'
    torch.testing.assert_close(
        trainer.model.prompt_learner.ctx.detach(), best["state_dict"]["ctx"], rtol=0, atol=0
    )


def test_val_split_is_used_and_named(make_trainer, capsys):
    trainer = make_trainer()
    trainer.test(split="val")
    assert "Evaluate on the *val* set\n=> result\n* total: 6\n" in capsys.readouterr().out
    trainer.val_loader = None
    trainer.test(split="val")
    assert "Evaluate on the *test* set\n=> result\n* total: 9\n" in capsys.readouterr().out


def test_no_test(make_trainer, capsys):
    make_trainer("TEST.NO_TEST", True).train()
    out = capsys.readouterr().out
    assert "Finish training" in out and "Evaluate" not in out


def test_base_load_model_reads_a_last_step_checkpoint(make_trainer, tmp_path, capsys):
    trainer = make_trainer(
        "TRAINER.NAME", "TinyXU", "DATASET.ALL_AS_UNLABELED", True, "OPTIM.MAX_EPOCH", 1
    )
    trainer.train()
    out = str(tmp_path / "out")
    trainer.load_model(out, epoch=1)
    assert f"Load {out}/model/model.pth.tar-1 to model (epoch=1, val_res" in capsys.readouterr().out
    with pytest.raises(FileNotFoundError, match="No model at .*model-best"):
        trainer.load_model(out)
    trainer.load_model("")
    assert capsys.readouterr().out == (
        "Note that load_model() is skipped as no pretrained model is given "
        "(ignore this if it's done on purpose)\n"
    )


@pytest.mark.parametrize(
    ("count", "expected"),
    [("train_x", [(5, 4)] * 3), ("train_u", [(5, 4)]), ("smaller_one", [(5, 4)])],
)
def test_xu_epoch_length(make_trainer, count, expected):
    trainer = make_trainer(
        *("TRAINER.NAME", "TinyXU", "DATASET.ALL_AS_UNLABELED", True, "OPTIM.MAX_EPOCH", 1),
        *("TRAIN.COUNT_ITER", count, "DATALOADER.TRAIN_U.SAME_AS_X", False),
        *("DATALOADER.TRAIN_U.BATCH_SIZE", 4),
    )
    trainer.train()
    assert trainer.seen == expected
    assert trainer.num_batches == len(expected)


def test_xu_without_unlabelled_images(make_trainer):
    trainer = make_trainer("TRAINER.NAME", "TinyXU")
    with pytest.raises(ValueError, match="TinyXU needs unlabelled images"):
        trainer.train()


def test_default_model_is_backbone_head_classifier(make_trainer, capsys):
    from torch import nn

    from dassl.engine import TRAINER_REGISTRY, TrainerX
    from dassl.modeling import BACKBONE_REGISTRY, Backbone

    class Pool(Backbone):
        def __init__(self):
            super().__init__()
            self._out_features = 12

        def forward(self, x):
            return nn.functional.adaptive_avg_pool2d(x, 2).flatten(1)

    def tiny_pool(pretrained):
        assert pretrained
        return Pool()

    @TRAINER_REGISTRY.register(force=True)
    class Vanilla(TrainerX):
        def forward_backward(self, batch):
            images, labels, domains = self.parse_batch_train(batch)
            assert domains.tolist() == [0] * len(labels)
            loss = nn.functional.cross_entropy(self.model(images), labels)
            self.model_backward_and_update(loss)

    BACKBONE_REGISTRY.register(tiny_pool, force=True)
    trainer = make_trainer(
        *("TRAINER.NAME", "Vanilla", "MODEL.BACKBONE.NAME", "tiny_pool"),
        *("MODEL.HEAD.NAME", "mlp", "MODEL.HEAD.HIDDEN_LAYERS", (8,)),
    )
    trainer.train()
    out = capsys.readouterr().out
    # 12*8+8 linear, 16 batch norm, 8*3+3 classifier
    assert "Building model\nBackbone: tiny_pool\nHead: mlp\n# params: 147\n" in out
    assert "data" in out and "  lr" not in out  # nothing to log leaves no gap
    logits, features = trainer.model(torch.zeros(2, 3, 16, 16), return_feature=True)
    assert logits.shape == (2, 3) and features.shape == (2, trainer.model.fdim) == (2, 8)


def test_registering_models():
    from dassl.engine import TrainerBase

    class Early(TrainerBase):
        def __init__(self):
            self.register_model("a")

    with pytest.raises(AttributeError, match="before super"):
        Early()
    base = TrainerBase()
    base.register_model("a", torch.nn.Dropout())
    with pytest.raises(AssertionError, match="Found duplicate model names"):
        base.register_model("a", torch.nn.Dropout())
    with pytest.raises(AssertionError):
        base.get_model_names("b")
    base.set_model_mode("eval")
    assert not base._models["a"].training
    with pytest.raises(KeyError):
        base.set_model_mode("trian")
    base.update_lr()  # no schedule: nothing to do
    with pytest.raises(FloatingPointError, match="Loss is infinite or NaN!"):
        base.detect_anomaly(torch.tensor(float("nan")))
    with pytest.raises(NotImplementedError):
        base.run_epoch()


def test_without_tensorboard_one_line_says_so(monkeypatch, tmp_path, capsys):
    import sys

    from dassl.engine import TrainerBase

    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    trainer = TrainerBase()
    trainer.init_writer(str(tmp_path))
    trainer.write_scalar("a", 1.0, 1)
    trainer.close_writer()
    out = capsys.readouterr().out
    assert out == "TensorBoard logs are off (to turn them on: pip install tensorboard)\n"
