"""The command line: one whole run, finished and resumed runs, and errors that a person can mend."""

import importlib
import json
import os
import resource
import shutil
import subprocess
import sys
import types
from pathlib import Path

import pytest
import torch
from yacs.config import CfgNode

import train
import trainers
from promptkit.runs import manifest, merged_config, same_run
from promptkit.use.tuned import open_run

PROJECT = Path(train.__file__).parent


def result_of(folder) -> dict:
    return json.loads((Path(folder) / "result.json").read_text())


def state_of(folder: Path) -> list[tuple]:
    """All files but the log, which this process still holds open, with their times."""
    files = [path for path in folder.rglob("*") if path.name != "log.txt"]
    return sorted((path, path.stat().st_mtime_ns) for path in files)


@pytest.fixture
def copied_root(tiny_root, tmp_path) -> Path:
    """A copy of the data that a test may damage."""
    ignore = shutil.ignore_patterns("split_fewshot")
    return Path(shutil.copytree(tiny_root, tmp_path / "copy", ignore=ignore))


def fail(capsys, argv: list[str]) -> str:
    """Runs a command line that must fail with one message and no traceback; returns it."""
    assert train.main(argv) == 1
    message = capsys.readouterr().err
    message = message[message.index("error: ") :]
    assert "Traceback" not in message and message.count("error:") == 1
    return message


def test_a_run_writes_its_result_and_is_recognised_as_finished(tiny_argv, tmp_path, capsys):
    argv = tiny_argv("CoOp", "DATASET.SUBSAMPLE_CLASSES", "base")
    assert train.main(argv) == 0
    printed = capsys.readouterr().out
    result = result_of(tmp_path / "run")
    assert result["schema"] == 1
    assert (result["trainer"], result["dataset"], result["subset"]) == (
        "CoOp",
        "TinyShapes",
        "base",
    )
    assert (result["shots"], result["seed"], result["split"]) == (4, 1, "test")
    assert result["trained_parameters"] == 16 * 64
    assert sum(row["total"] for row in result["per_class"]) == 18
    correct = sum(row["correct"] for row in result["per_class"])
    assert result["metrics"]["accuracy"] == pytest.approx(100 * correct / 18)
    assert f"* accuracy: {result['metrics']['accuracy']:.1f}%" in printed
    assert result["config"]["TRAINER"]["COOP"]["N_CTX"] == 16
    assert len(result["weights_sha256"]) == len(result["shot_list_sha256"]) == 64
    assert result["seconds"]["train"] > 0 and result["peak_memory_bytes"] > 10**8
    before = state_of(tmp_path / "run")
    assert train.main(argv) == 0
    assert "Finished before, left as it is" in capsys.readouterr().out
    assert train.main([*argv, "TRAIN.PRINT_FREQ", "7"]) == 0  # another command, the same run
    assert "Finished before, left as it is" in capsys.readouterr().out
    assert state_of(tmp_path / "run") == before
    message = fail(capsys, [*argv, "OPTIM.LR", "0.5"])
    assert "holds a run with other settings (OPTIM.LR: 0.05 there, 0.5 now)" in message


def test_base_to_new_through_the_command_line(tiny_argv, tmp_path):
    assert train.main(tiny_argv("CoOp", "DATASET.SUBSAMPLE_CLASSES", "base")) == 0
    flags = ("--eval-only", "--model-dir", str(tmp_path / "run"), "--load-epoch", "2")
    argv = tiny_argv("CoOp", "DATASET.SUBSAMPLE_CLASSES", "new", output="new", flags=flags)
    assert train.main(argv) == 0
    result = result_of(tmp_path / "new")
    assert [row["name"] for row in result["per_class"]] == ["heart", "ring", "star"]
    assert result["checkpoint"]["model_dir"] == str(tmp_path / "run")
    assert list(result["checkpoint"]["sha256"]) == ["prompt_learner/model.pth.tar-2"]
    files = ["log.txt", "logits.npz", "result.json", "run.json"]
    assert sorted(os.listdir(tmp_path / "new")) == files


def test_an_evaluation_of_a_run_that_was_trained_again_is_not_taken_for_finished(
    tiny_argv, tmp_path, capsys
):
    shots = ("DATASET.NUM_SHOTS", "2")
    assert train.main(tiny_argv("CoOp")) == 0
    flags = ("--eval-only", "--model-dir", str(tmp_path / "run"), "--load-epoch", "2")
    argv = tiny_argv("CoOp", output="eval", flags=flags)
    assert train.main(argv) == 0
    assert train.main(argv) == 0
    shutil.rmtree(tmp_path / "run")
    assert train.main(tiny_argv("CoOp", *shots)) == 0
    assert "checkpoint.sha256" in fail(capsys, argv)


def test_replaced_weights_are_not_taken_for_the_same_run(tiny_argv, tiny_weights, tmp_path, capsys):
    weights = tmp_path / "weights.pt"
    shutil.copy(tiny_weights, weights)
    argv = tiny_argv("CoOp")
    argv[argv.index("--backbone") + 1] = str(weights)
    assert train.main(argv) == 0
    content = torch.load(weights)
    content["state_dict"]["logit_scale"] += 1
    torch.save(content, weights)
    assert "backbone_sha256" in fail(capsys, argv)


def test_a_stated_activation_is_another_run_only_if_it_is_not_openais(
    tiny_argv, tiny_weights, tmp_path, capsys
):
    torch.save(torch.load(tiny_weights)["state_dict"], tmp_path / "plain.pt")
    argv = tiny_argv("CoOp")
    argv[argv.index("--backbone") + 1] = str(tmp_path / "plain.pt")
    assert "Set MODEL.BACKBONE.ACTIVATION quick_gelu for" in fail(capsys, argv)
    argv += ["MODEL.BACKBONE.ACTIVATION", "quick_gelu"]
    assert train.main(argv) == 0
    for name in (manifest.RUN, manifest.RESULT):  # as runs were that are older than the key
        content = manifest.read_json(tmp_path / "run" / name)
        del content["config"]["MODEL"]["BACKBONE"]["ACTIVATION"]
        manifest.save_json(content, tmp_path / "run" / name)
    capsys.readouterr()
    assert train.main([*argv, "VERBOSE", "False"]) == 0
    assert "Finished before" in capsys.readouterr().out
    assert (
        open_run(tmp_path / "run").weights_sha256 == result_of(tmp_path / "run")["weights_sha256"]
    )
    argv[-1] = "gelu"
    assert "activation: 'absent' there, 'gelu' now" in fail(capsys, argv)


def test_a_new_trainer_does_not_disturb_finished_runs(tiny_argv, monkeypatch, capsys):
    argv = tiny_argv("CoOp")
    assert train.main(argv) == 0
    extend_cfg = merged_config.extend_cfg

    def extend_more(cfg):
        extend_cfg(cfg)
        cfg.TRAINER.FOO = CfgNode({"W": 1})

    monkeypatch.setattr(merged_config, "extend_cfg", extend_more)
    monkeypatch.setattr(same_run, "is_finished", lambda *_: False)
    assert train.main(argv) == 0
    assert "Finished before" in capsys.readouterr().out


def test_a_run_from_before_a_key_existed_is_recognised(tiny_argv, tmp_path, monkeypatch, capsys):
    argv = tiny_argv("CoOp")
    assert train.main(argv) == 0
    for name in ("run.json", "result.json"):
        content = json.loads((tmp_path / "run" / name).read_text())
        del content["config"]["INPUT"]["DRAFT"]
        (tmp_path / "run" / name).write_text(json.dumps(content))
    monkeypatch.setattr(same_run, "is_finished", lambda *_: False)
    assert train.main(argv) == 0
    assert "Finished before" in capsys.readouterr().out
    assert "INPUT.DRAFT: False there, True now" in fail(capsys, [*argv, "INPUT.DRAFT", "True"])


def test_a_mistaken_evaluation_claims_no_folder(tiny_argv, tmp_path, capsys):
    assert train.main(tiny_argv("CoOp")) == 0
    for epoch, code in (("7", 1), ("2", 0)):
        flags = ("--eval-only", "--model-dir", str(tmp_path / "run"), "--load-epoch", epoch)
        assert train.main(tiny_argv("CoOp", output="eval", flags=flags)) == code
    assert train.main(tiny_argv("CoOp", output="look", flags=("--no-train",))) == 0
    assert not (tmp_path / "look/run.json").exists()


def test_an_untrained_model_is_not_evaluated(tiny_argv, capsys):
    message = fail(capsys, tiny_argv("CoOp", flags=("--eval-only",)))
    assert "needs --model-dir" in message


def test_a_module_written_for_upstream_brings_its_own_keys(monkeypatch):
    module = types.ModuleType("trainers.foreign")
    module.extend_cfg = lambda cfg: cfg.TRAINER.update(FOREIGN=CfgNode({"PREC": "fp16"}))
    monkeypatch.setattr(trainers, "MODULES", [*trainers.MODULES, module])
    cfg = train.setup_cfg(train.parse_args(["TRAINER.FOREIGN.PREC", "fp32"]))
    assert cfg.TRAINER.FOREIGN.PREC == "fp32"


def test_seed_zero_is_a_seed(tiny_argv, tmp_path, capsys):
    for output in ("one", "two"):
        argv = tiny_argv("CoOp", output=output)
        argv[argv.index("--seed") + 1] = "0"
        assert train.main(argv) == 0
        assert "Setting fixed seed: 0" in capsys.readouterr().out
    contexts = [
        torch.load(tmp_path / output / "prompt_learner/model.pth.tar-2")["state_dict"]["ctx"]
        for output in ("one", "two")
    ]
    assert torch.equal(*contexts)
    assert result_of(tmp_path / "one")["seed"] == 0


def test_precedence_defaults_files_flags_pairs(tmp_path):
    dataset, method = tmp_path / "d.yaml", tmp_path / "m.yaml"
    dataset.write_text("DATASET:\n  NAME: A\n  NUM_SHOTS: 1\nOPTIM:\n  LR: 0.1\n")
    method.write_text("OPTIM:\n  LR: 0.2\n  MAX_EPOCH: 3\nMODEL:\n  BACKBONE:\n    NAME: B\n")
    argv = ["--dataset-config-file", str(dataset), "--config-file", str(method)]
    argv += ["--backbone", "C", "OPTIM.MAX_EPOCH", "4"]
    cfg = train.setup_cfg(train.parse_args(argv))
    assert (cfg.DATASET.NAME, cfg.DATASET.NUM_SHOTS) == ("A", 1)
    assert (cfg.OPTIM.LR, cfg.OPTIM.MAX_EPOCH, cfg.MODEL.BACKBONE.NAME) == (0.2, 4, "C")
    assert cfg.SEED == -1 and cfg.is_frozen()


def test_unknown_trainer_names_the_nearest_and_claims_no_folder(tiny_argv, tmp_path, capsys):
    argv = tiny_argv("CoOp")
    argv[argv.index("--trainer") + 1] = "Coob"
    message = fail(capsys, argv)
    assert "TRAINER.NAME must be one of " in message and " E2MIM" in message
    assert "got 'Coob'. Did you mean 'CoOp'?" in message
    assert not (tmp_path / "run").exists()
    assert train.main(tiny_argv("CoOp")) == 0


@pytest.mark.parametrize(
    ("argv", "message"),
    [([], "it is not set. Give --trainer."), (["--trainer", "CoOp"], "--dataset-config-file")],
)
def test_a_command_without_trainer_or_data_set(capsys, tmp_path, argv, message):
    assert message in fail(capsys, ["--output-dir", str(tmp_path), *argv])


def test_unknown_key_names_the_nearest(tiny_argv, capsys):
    message = fail(capsys, tiny_argv("CoOp", "OPTIM.MAX_EPOCHS", 3))
    assert "OPTIM.MAX_EPOCHS" in message and "OPTIM.MAX_EPOCH" in message.split("?")[0]


def test_missing_config_file(tiny_argv, capsys):
    argv = tiny_argv("CoOp", flags=("--config-file", "configs/trainers/CoOp/no.yaml"))
    assert 'configs/trainers/CoOp/no.yaml" not found' in fail(capsys, argv)


def test_missing_data_folder(tiny_argv, tmp_path, capsys):
    argv = tiny_argv("CoOp")
    argv[argv.index("--root") + 1] = str(tmp_path / "nowhere")
    message = fail(capsys, argv)
    assert "nowhere/tiny" in message and "DATASET.ROOT" in message


def test_missing_image(tiny_argv, copied_root, capsys):
    (copied_root / "tiny/images/ring_3.png").unlink()
    argv = tiny_argv("CoOp")
    argv[argv.index("--root") + 1] = str(copied_root)
    message = fail(capsys, argv)
    assert "1 of the 108 images" in message and "ring_3.png" in message


@pytest.mark.parametrize("workers", [0, 1])
def test_unreadable_image(tiny_argv, copied_root, tmp_path, capsys, workers):
    (copied_root / "tiny/images/star_15.png").write_bytes(b"not a picture")
    argv = tiny_argv("ZeroshotCLIP", "DATALOADER.NUM_WORKERS", workers, flags=("--eval-only",))
    argv[argv.index("--root") + 1] = str(copied_root)
    assert "star_15.png" in fail(capsys, argv)
    assert not (tmp_path / "run/result.json").exists()


def test_broken_weights_file(tiny_argv, tmp_path, capsys):
    (tmp_path / "broken.pt").write_bytes(b"PK\x03\x04 cut short")
    argv = tiny_argv("CoOp")
    argv[argv.index("--backbone") + 1] = str(tmp_path / "broken.pt")
    assert "broken.pt cannot be read" in fail(capsys, argv)


@pytest.mark.parametrize(("package", "command"), [("pocket", "pretrain"), ("woven", "make")])
def test_embedded_weights_with_a_wrong_checksum_say_what_makes_them(
    tmp_path, monkeypatch, package, command
):
    weights = importlib.import_module(f"{package}.weights")
    monkeypatch.setattr(weights, "WEIGHTS", tmp_path / "w.pt")
    with pytest.raises(FileNotFoundError, match=rf"Make them: python -m {package}\.{command}"):
        weights.weights_path()
    (tmp_path / "w.pt").write_bytes(b"other")
    with pytest.raises(ValueError, match=rf"expected .*python -m {package}\.{command}"):
        weights.weights_path()


def test_too_long_class_name(tiny_argv, copied_root, capsys):
    path = copied_root / "tiny/split.json"
    path.write_text(path.read_text().replace('"ring"', f'"{"ring " * 80}"'))
    argv = tiny_argv("CoOp")
    argv[argv.index("--root") + 1] = str(copied_root)
    message = fail(capsys, argv)
    assert "Class name 'ring ring" in message and "at most 77" in message


def test_fp16_on_a_cpu(tiny_argv, capsys):
    message = fail(capsys, tiny_argv("CoOp", "TRAINER.COOP.PREC", "fp16"))
    assert "needs a CUDA device" in message and "TRAINER.COOP.PREC" in message


def test_model_dir_of_another_trainer(tiny_argv, tmp_path, capsys):
    assert train.main(tiny_argv("E2MIM")) == 0
    flags = ("--eval-only", "--model-dir", str(tmp_path / "run"), "--load-epoch", "2")
    message = fail(capsys, tiny_argv("CoOp", output="other", flags=flags))
    assert "holds a run of E2MIM; this is CoOp" in message


def test_output_folder_that_cannot_be_made(tiny_argv, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    message = fail(capsys, tiny_argv("CoOp", output="file/run"))
    assert str(tmp_path / "file") in message and "choose another folder (--output-dir" in message


def test_full_disk_leaves_no_half_written_file(tiny_argv, tmp_path, capsys):
    """A limit on the size of a file stands for a full disk: writing past it is an OSError."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    argv = tiny_argv("CoOp", "TRAINER.COOP.CSC", True, "TRAINER.COOP.N_CTX", 40)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, limits[1]))
    try:
        message = fail(capsys, argv)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "model.pth.tar-2" in message and "free space" in message
    assert not [p for p in (tmp_path / "run/prompt_learner").rglob("*") if p.is_file()]
    assert not (tmp_path / "run/result.json").exists()
    assert train.main(argv) == 0  # and with space again it succeeds


def test_a_result_that_is_none_is_not_written(tiny_argv, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("promptkit.runs.results.shot_list_hash", lambda trainer: 3)
    message = fail(capsys, tiny_argv("ZeroshotCLIP", flags=("--eval-only",)))
    assert "result.json: shot_list_sha256 must be text in UTF-8; got 3" in message
    assert (tmp_path / "run/run.json").exists() and not (tmp_path / "run/result.json").exists()


def test_a_finished_run_is_recognised_without_importing_torch(tmp_path):
    argv = ["--output-dir", str(tmp_path)]
    result = {"schema": 1, "inputs": same_run.inputs(argv, []), "metrics": {"accuracy": 50.0}}
    result |= {"trainer": "CoOp", "dataset": "D", "subset": "base", "seed": 1}
    manifest.save_json(result, tmp_path / "result.json")
    code = (
        "import sys, train; code = train.main(sys.argv[1:]); "
        "assert not {'torch', 'dassl', 'msgspec'} & set(sys.modules); sys.exit(code)"
    )
    command = [sys.executable, "-c", code, *argv]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Result: CoOp on D, base classes, seed 1: 50.00 %" in done.stdout


def test_runs_after_then_are_runs_of_their_own(tiny_argv, tmp_path):
    """Trained on base and tested on new in one process or in two: the same results."""
    base, new = ("DATASET.SUBSAMPLE_CLASSES", "base"), ("DATASET.SUBSAMPLE_CLASSES", "new")
    found = []
    for name in ("one", "two"):
        flags = ("--eval-only", "--model-dir", str(tmp_path / name), "--load-epoch", "final")
        first = tiny_argv("CoOp", *base, output=name)
        second = tiny_argv("CoOp", *new, output=f"{name}-new", flags=flags)
        if name == "one":
            assert train.main([*first, "--then", *second]) == 0
        else:
            assert train.main(first) == train.main(second) == 0
        results = [result_of(tmp_path / folder) for folder in (name, f"{name}-new")]
        assert [r["subset"] for r in results] == ["base", "new"]
        assert results[1]["checkpoint"]["epoch"] == 2
        found.append([r["metrics"] for r in results])
        log = (tmp_path / name / "log.txt").read_text()
        assert "Evaluate on the *test* set" in log and f"{name}-new" not in log
    assert found[0] == found[1]


def test_after_a_run_that_fails_nothing_follows(tiny_argv, tmp_path, capsys):
    wrong = tiny_argv("CoOp", "DATASET.SUBSAMPLE_CLASSES", "old", output="wrong")
    assert train.main([*wrong, "--then", *tiny_argv("CoOp", output="next")]) == 1
    assert "SUBSAMPLE_CLASSES" in capsys.readouterr().err and not (tmp_path / "next").exists()


def test_the_final_model_is_the_best_if_it_was_kept(tiny_argv, tmp_path, capsys):
    flags = ("--eval-only", "--model-dir", str(tmp_path / "run"), "--load-epoch", "final")
    assert train.main(tiny_argv("CoOp", output="early", flags=flags)) == 1
    assert "--load-epoch final: no checkpoint in --model-dir" in capsys.readouterr().err
    assert train.main(tiny_argv("CoOp", "TEST.FINAL_MODEL", "best_val")) == 0
    assert train.main(tiny_argv("CoOp", output="late", flags=flags)) == 0
    assert 'model-best.pth.tar" (epoch' in capsys.readouterr().out
