"""A killed run, started again, must end exactly like one that was never stopped."""

import os

import pytest
import torch
from torch.optim.lr_scheduler import LRScheduler

from dassl.utils import load_checkpoint, set_random_seed


def train(make_trainer, cfg, killed_after=None):
    trainer = make_trainer(cfg)
    trainer.killed_after = killed_after
    if killed_after is None:
        trainer.train()
    else:
        with pytest.raises(InterruptedError):
            trainer.train()
        trainer.close_writer()
    return trainer


def assert_resume_is_exact(make_trainer, make_cfg, tmp_path, *opts, kills=(1, 3)):
    opts = ("OPTIM.MAX_EPOCH", 5, "TRAIN.CHECKPOINT_FREQ", 1, *opts)
    whole = train(make_trainer, make_cfg(*opts, "OUTPUT_DIR", str(tmp_path / "whole")))
    assert len(whole.lr_trace) == 5
    for kill in kills:
        cfg = make_cfg(*opts, "OUTPUT_DIR", str(tmp_path / f"killed{kill}"))
        first = train(make_trainer, cfg, killed_after=kill)
        set_random_seed(99)  # whatever the generators do in between must not matter
        second = train(make_trainer, cfg)
        assert first.lr_trace + second.lr_trace == whole.lr_trace
        assert second.start_epoch == kill
        for name, value in whole.model.state_dict().items():
            assert torch.equal(value, second.model.state_dict()[name]), name
    return whole


@pytest.mark.parametrize("recount", [True, False])
@pytest.mark.parametrize("warmup", ["none", "constant", "linear"])
@pytest.mark.parametrize("schedule", ["single_step", "multi_step", "cosine"])
def test_resume_is_exact(make_trainer, make_cfg, tmp_path, schedule, warmup, recount):
    whole = assert_resume_is_exact(
        make_trainer,
        make_cfg,
        tmp_path,
        *("OPTIM.LR_SCHEDULER", schedule, "OPTIM.WARMUP_RECOUNT", recount),
        *("OPTIM.STEPSIZE", (1, 3) if schedule == "multi_step" else (2,)),
        *("OPTIM.WARMUP_EPOCH", -1 if warmup == "none" else 2),
        *("OPTIM.WARMUP_TYPE", "linear" if warmup == "none" else warmup),
        *("TEST.NO_TEST", True, "VERBOSE", False),
    )
    assert len(set(whole.lr_trace)) > 1  # a constant rate would prove nothing


def test_resume_is_exact_with_adam_and_workers(make_trainer, make_cfg, tmp_path):
    opts = ("OPTIM.NAME", "adam", "DATALOADER.NUM_WORKERS", 1, "OPTIM.WARMUP_EPOCH", 1)
    assert_resume_is_exact(make_trainer, make_cfg, tmp_path, *opts, kills=(2,))


def test_random_state_is_what_makes_it_exact(make_trainer, make_cfg, tmp_path):
    """Without the restored random state the weights differ: the tests above can fail."""
    opts = ("OPTIM.MAX_EPOCH", 3, "TRAIN.CHECKPOINT_FREQ", 1)
    whole = train(make_trainer, make_cfg(*opts, "OUTPUT_DIR", str(tmp_path / "a")))
    cfg = make_cfg(*opts)
    train(make_trainer, cfg, killed_after=2)
    second = make_trainer(cfg)
    second._restore_rng = lambda: None
    second.train()
    assert not torch.equal(whole.model.prompt_learner.ctx, second.model.prompt_learner.ctx)


def test_resume_prints_upstream_lines(make_trainer, make_cfg, tmp_path, capsys):
    cfg = make_cfg("TRAIN.CHECKPOINT_FREQ", 1, "OPTIM.WARMUP_EPOCH", 1)
    train(make_trainer, cfg, killed_after=1)
    capsys.readouterr()
    train(make_trainer, cfg)
    out = tmp_path / "out"
    assert (
        f"Found checkpoint at {out} (will resume training)\n"
        f'Loading checkpoint from "{out / "prompt_learner" / "model.pth.tar-1"}"\n'
        "Loaded model weights\nLoaded optimizer\nLoaded scheduler\nPrevious epoch: 1\n"
    ) in capsys.readouterr().out


def test_a_finished_run_only_tests_again(make_trainer, make_cfg, capsys):
    cfg = make_cfg()
    first = train(make_trainer, cfg)
    capsys.readouterr()
    second = train(make_trainer, cfg)
    out = capsys.readouterr().out
    assert "epoch [" not in out and "=> result" in out
    assert torch.equal(first.model.prompt_learner.ctx, second.model.prompt_learner.ctx)


def test_resume_from_another_folder(make_trainer, make_cfg, tmp_path):
    opts = ("TRAIN.CHECKPOINT_FREQ", 1, "TEST.FINAL_MODEL", "best_val")
    train(make_trainer, make_cfg(*opts), killed_after=1)
    cfg = make_cfg(*opts, "RESUME", str(tmp_path / "out"), "OUTPUT_DIR", str(tmp_path / "new"))
    second = make_trainer(cfg)
    second.after_epoch = lambda: second.save_model(second.epoch, second.output_dir)  # never better
    second.train()
    assert (tmp_path / "new/prompt_learner/model-best.pth.tar").is_file()
    assert second.start_epoch == 1


def test_best_result_survives_a_kill(make_trainer, make_cfg, tmp_path):
    cfg = make_cfg(
        *("TRAIN.CHECKPOINT_FREQ", 1, "TEST.FINAL_MODEL", "best_val", "OPTIM.MAX_EPOCH", 3)
    )
    first = make_trainer(cfg)
    first.test = lambda split=None: 80.0
    first.killed_after = 2
    with pytest.raises(InterruptedError):
        first.train()
    first.close_writer()
    second = make_trainer(cfg)
    second.test = lambda split=None: 70.0
    second.train()
    assert second.best_result == 80.0
    best = load_checkpoint(str(tmp_path / "out/prompt_learner/model-best.pth.tar"))
    assert (best["epoch"], best["val_result"]) == (1, 80.0)


def test_killed_best_val_run_without_frequency_goes_on_from_the_best(make_trainer, make_cfg):
    cfg = make_cfg("TEST.FINAL_MODEL", "best_val", "OPTIM.MAX_EPOCH", 3)
    first = make_trainer(cfg)
    results = iter([80.0, 70.0])
    first.test = lambda split=None: next(results)
    first.killed_after = 2
    with pytest.raises(InterruptedError):
        first.train()
    first.close_writer()
    second = train(make_trainer, cfg)
    assert second.start_epoch == 1


@pytest.mark.parametrize("schedule", ["single_step", "multi_step", "cosine"])
@pytest.mark.parametrize("optim", ["sgd", "adam", "radam"])
def test_upstream_checkpoint_resumes_with_the_right_rates(
    make_trainer, make_cfg, tmp_path, schedule, optim
):
    """Upstream pickles the inner scheduler, and through it the optimizer."""
    opts = (
        *("OPTIM.MAX_EPOCH", 6, "OPTIM.WARMUP_EPOCH", 1, "OPTIM.WARMUP_TYPE", "constant"),
        *("OPTIM.LR_SCHEDULER", schedule, "OPTIM.NAME", optim, "TRAIN.CHECKPOINT_FREQ", 1),
        *("OPTIM.STEPSIZE", (2, 4) if schedule == "multi_step" else (2,), "TEST.NO_TEST", True),
    )
    whole = train(make_trainer, make_cfg(*opts, "OUTPUT_DIR", str(tmp_path / "whole")))
    cfg = make_cfg(*opts)
    first = train(make_trainer, cfg, killed_after=3)
    path = tmp_path / "out/prompt_learner/model.pth.tar-3"
    old_state = {k: v for k, v in first.sched.__dict__.items() if k != "optimizer"}
    old_state["verbose"] = False
    assert isinstance(old_state["successor"], LRScheduler)
    optimizer = first.optim.state_dict()
    for group in optimizer["param_groups"]:
        group["lr"] = 0.123  # a run that upstream resumed once had a frozen rate
    torch.save(
        {
            "state_dict": first.model.prompt_learner.state_dict(),
            "epoch": 3,
            "optimizer": optimizer,
            "scheduler": old_state,
            "val_result": None,
        },
        path,
    )
    second = train(make_trainer, cfg)
    assert first.lr_trace + second.lr_trace == whole.lr_trace
    assert second.sched.successor.optimizer is second.optim


def test_upstream_checkpoint_says_that_the_random_state_is_missing(
    make_trainer, make_cfg, tmp_path, capsys
):
    cfg = make_cfg("TRAIN.CHECKPOINT_FREQ", 1)
    train(make_trainer, cfg, killed_after=1)
    path = tmp_path / "out/prompt_learner/model.pth.tar-1"
    checkpoint = load_checkpoint(str(path))
    del checkpoint["rng_state"]
    torch.save(checkpoint, path)
    train(make_trainer, cfg)
    assert "The checkpoint holds no random state" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("torch",), torch.zeros(7, dtype=torch.uint8)),
        (("python", "words"), torch.zeros(3, dtype=torch.int64)),
        (("numpy", "keys"), torch.zeros(3, dtype=torch.int64)),
    ],
)
def test_random_state_of_another_size_is_named(make_trainer, make_cfg, tmp_path, place, value):
    cfg = make_cfg("TRAIN.CHECKPOINT_FREQ", 1)
    train(make_trainer, cfg, killed_after=1)
    path = tmp_path / "out/prompt_learner/model.pth.tar-1"
    checkpoint = load_checkpoint(str(path))
    node = checkpoint["rng_state"]
    for key in place[:-1]:
        node = node[key]
    assert node[place[-1]].shape != value.shape
    node[place[-1]] = value
    torch.save(checkpoint, path)
    with pytest.raises(ValueError, match=f"{tmp_path}/out.*random numbers.*not a state of"):
        train(make_trainer, cfg)


def test_folder_with_nothing_in_it_starts_from_the_beginning(make_trainer, make_cfg, tmp_path):
    folder = tmp_path / "out/prompt_learner"
    folder.mkdir(parents=True)
    trainer = make_trainer(make_cfg())
    trainer.train()
    assert trainer.start_epoch == 0 and (folder / "checkpoint").is_file()


def test_file_that_nothing_points_to_is_gone_on_from(make_trainer, make_cfg, tmp_path):
    cfg = make_cfg("TRAIN.CHECKPOINT_FREQ", 1)
    train(make_trainer, cfg, killed_after=1)
    (tmp_path / "out/prompt_learner/checkpoint").unlink()
    assert train(make_trainer, cfg).start_epoch == 1


def test_only_some_names_have_a_folder(make_trainer, make_cfg, tmp_path, capsys):
    trainer = make_trainer(make_cfg())
    trainer.register_model("other", torch.nn.Linear(1, 1))
    (tmp_path / "out/prompt_learner").mkdir(parents=True)
    assert trainer.resume_model_if_exist(str(tmp_path / "out")) == 0
    assert capsys.readouterr().out.endswith("No checkpoint found, train from scratch\n")


def test_killed_between_two_models_goes_on_from_the_epoch_both_have(
    make_trainer, make_cfg, tmp_path
):
    trainer = make_trainer(make_cfg())
    other = torch.nn.Linear(1, 1)
    trainer.register_model("other", other)
    trainer.save_model(0, str(tmp_path / "out"))
    expected = {
        name: {key: value.clone() for key, value in trainer._models[name].state_dict().items()}
        for name in trainer.get_model_names()
    }
    for model in trainer._models.values():
        for parameter in model.parameters():
            torch.nn.init.zeros_(parameter)
    trainer.save_model(1, str(tmp_path / "out"))
    (tmp_path / "out/other/checkpoint").write_text("model.pth.tar-1\n")
    (tmp_path / "out/other/model.pth.tar-2").unlink()
    assert trainer.resume_model_if_exist(str(tmp_path / "out")) == 1
    for name, state in expected.items():
        for key, value in trainer._models[name].state_dict().items():
            assert torch.equal(value, state[key]), (name, key)
    (tmp_path / "out/prompt_learner/model.pth.tar-1").unlink()
    assert trainer.resume_model_if_exist(str(tmp_path / "out")) == 0


def test_checkpoint_of_other_classes_is_refused(make_trainer, make_cfg):
    cfg = make_cfg("TRAIN.CHECKPOINT_FREQ", 1)
    train(make_trainer, cfg, killed_after=1)
    trainer = make_trainer(cfg)
    trainer.lab2cname = {0: "red", 1: "green", 2: "violet"}
    with pytest.raises(ValueError, match='class 2 is "blue", in this run it is "violet"'):
        trainer.train()
    other = make_trainer(make_cfg("MODEL.BACKBONE.NAME", "RN50"))
    with pytest.raises(ValueError, match='backbone "", this run has "RN50".*Choose another'):
        other.train()


def test_changed_settings_are_named(make_trainer, make_cfg, capsys):
    train(make_trainer, make_cfg("TRAIN.CHECKPOINT_FREQ", 1), killed_after=1)
    capsys.readouterr()
    train(make_trainer, make_cfg("OPTIM.MAX_EPOCH", 3))
    assert "Resuming with changed settings: OPTIM.MAX_EPOCH 2 -> 3\n" in capsys.readouterr().out


def test_gradient_scaler_is_restored(make_trainer, make_cfg):
    class Scaler:
        scale = 65536.0

        def state_dict(self):
            return {"scale": self.scale}

        def load_state_dict(self, state):
            self.scale = state["scale"]

    cfg = make_cfg("TRAIN.CHECKPOINT_FREQ", 1)
    first = make_trainer(cfg)
    first.scaler = Scaler()
    first.scaler.scale = 8.0
    first.killed_after = 1
    with pytest.raises(InterruptedError):
        first.train()
    first.close_writer()
    second = make_trainer(cfg)
    second.scaler = Scaler()
    second.train()
    assert second.scaler.scale == 8.0


def test_old_leftovers_are_deleted_a_day_later(make_trainer, make_cfg, tmp_path):
    cfg = make_cfg("TRAIN.CHECKPOINT_FREQ", 1)
    train(make_trainer, cfg, killed_after=1)
    folder = tmp_path / "out/prompt_learner"
    names = ["model.pth.tar-1.tmp", "checkpoint.tmp", "notes.tmp", "model.pth.tar-2.tmp"]
    for name in names:
        (folder / name).write_bytes(b"half")
    for name in names[:3]:
        os.utime(folder / name, (0, 0))
    train(make_trainer, cfg)
    assert {path.name for path in folder.glob("*.tmp")} == {"notes.tmp", "model.pth.tar-2.tmp"}


def test_what_a_kill_kept_from_being_saved_is_saved(make_trainer, make_cfg, tmp_path):
    """Killed between saving the best model of the last epoch and saving the epoch."""
    opts = ("TEST.FINAL_MODEL", "best_val", "OPTIM.MAX_EPOCH", 1)
    whole = train(make_trainer, make_cfg(*opts))
    folder = tmp_path / "out/prompt_learner"
    (folder / "model.pth.tar-1").unlink()
    (folder / "checkpoint").write_text("model-best.pth.tar\n")
    second = train(make_trainer, make_cfg(*opts))
    saved = load_checkpoint(str(folder / "model.pth.tar-1"))
    assert second.start_epoch == 1 and second.lr_trace == []
    assert torch.equal(saved["state_dict"]["ctx"], whole.model.prompt_learner.ctx)
