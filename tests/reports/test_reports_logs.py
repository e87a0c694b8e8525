"""Logs of other repositories become results, with the numbers of their parse_test_res.py."""

import pytest

from reports.__main__ import main
from reports.runs.collect import collect_runs
from reports.runs.logs_of_others import metrics_of, parse_folder, result_of

CONFIG = """DATALOADER:
  NUM_WORKERS: 8
DATASET:
  NAME: {dataset}
  NUM_SHOTS: 16
  SUBSAMPLE_CLASSES: {subset}
INPUT:
  PIXEL_MEAN: [0.48145466, 0.4578275,
    0.40821073]
MODEL:
  BACKBONE:
    NAME: ViT-B/16
OUTPUT_DIR: {output}
SEED: {seed}
TRAINER:
  NAME: {trainer}
"""
END = """Deploy the last-epoch model
Evaluate on the *test* set
=> result
* total: 2,000
* correct: 1,842
* accuracy: {accuracy}%
* error: 7.9%
* macro_f1: 91.8%
Elapsed: 0:10:00
"""


def make_log(
    accuracy, *, end="Finish training", eval_only=False, model_dir="", trainer="MaPLe",
    dataset="Food101", subset="base", seed=1, output="output/x/seed1",
):  # fmt: skip
    stars = "***************"
    config = CONFIG.format(
        dataset=dataset, subset=subset, seed=seed, trainer=trainer, output=output
    )
    parts = [
        f"{stars}\n** Arguments **\n{stars}\nbackbone: \nconfig_file: configs/trainers/M/vit.yaml",
        f"eval_only: {eval_only}\nmodel_dir: {model_dir}\nseed: {seed}\ntrainer: {trainer}",
        f"{stars}\n** Config **\n{stars}\n{config}Collecting env info ...",
        "** System info **\nPyTorch version: 1.9",
    ]
    if not eval_only:
        parts.append("epoch [5/5] batch [10/10] time 0.1 (0.1) loss 0.5 (0.6)")
        parts.append("Evaluate on the *val* set\n=> result\n* accuracy: 11.1%")  # not the last word
        parts.append(end)
    return "\n".join(parts) + "\n" + END.format(accuracy=accuracy)


@pytest.fixture
def logs(tmp_path):
    def write(name, text):
        path = tmp_path / "logs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    return write


@pytest.mark.parametrize("end", ["Finish training", "Finished training"])
@pytest.mark.parametrize("accuracy", ["92.1", "92.15"])
def test_both_end_signals_and_decimals(end, accuracy):
    found = metrics_of(make_log(accuracy, end=end))
    assert found == {"accuracy": float(accuracy), "error_rate": 7.9, "macro_f1": 91.8}


def test_a_training_that_did_not_end_has_no_result():
    assert metrics_of(make_log(92.1, end="killed")) == {}


def test_the_content_of_a_result():
    result = result_of(make_log(92.1))
    assert {key: result[key] for key in ("trainer", "dataset", "recipe", "backbone")} == {
        "trainer": "MaPLe (log)", "dataset": "Food101", "recipe": "vit", "backbone": "ViT-B/16",
    }  # fmt: skip
    assert (result["shots"], result["seed"], result["subset"]) == (16, 1, "base")
    assert result["weights_sha256"] == "" and "trained_parameters" not in result
    assert result["trained_on"] == {"dataset": "Food101", "subset": "base"}


def test_what_an_evaluation_was_trained_on_is_in_its_folder():
    log = make_log(60, eval_only=True, subset="all", model_dir="output/imagenet/MaPLe/vit/seed1")
    assert result_of(log)["trained_on"] == {"dataset": "ImageNet", "subset": "all"}
    folder = "output/imagenet/MaPLe/vit_16shots/seed1"
    text = make_log(60, eval_only=True, subset="all", model_dir=folder).replace(
        "SHOTS: 16", "SHOTS: -1"
    )
    assert result_of(text)["shots"] == 16  # the published scripts do not say it again
    folder = "output/base2new/train_base/oxford_pets/shots_16/MaPLe/vit/seed1"
    new = result_of(make_log(60, eval_only=True, subset="new", model_dir=folder))
    assert new["trained_on"] == {"dataset": "OxfordPets", "subset": "base"}
    zero = result_of(make_log(60, eval_only=True, trainer="ZeroshotCLIP", seed=-1))
    assert (zero["trained_parameters"], zero["seed"]) == (0, 1)  # of the folder's name
    assert "trained_on" not in zero


def test_the_newest_finished_log_wins(logs, tmp_path):
    logs("a/log.txt", make_log(50.0))
    logs("a/log.txt-2024-01-02-10-00-00", make_log(60.0))
    logs("a/log.txt-2024-01-03-10-00-00", "broken off")
    logs("b/log.txt", "broken off")
    logs("c/log.txt", "=> result\n* accuracy: 92.1%\n")
    (found,), left = parse_folder(tmp_path / "logs")
    assert found.result["metrics"]["accuracy"] == 60.0
    assert found.log.name == "log.txt-2024-01-02-10-00-00"
    reasons = {item.path: item.reason for item in left}
    assert "the run did not end" in reasons["b/log.txt"]
    assert "does not say TRAINER.NAME" in reasons["c/log.txt"]


def test_parsed_runs_stand_in_the_same_table(logs, tmp_path, write_pair, capsys):
    for seed, base, new in ((1, 92.1, 90.0), (2, 92.2, 91.0)):
        tail = f"food101/shots_16/MaPLe/vit/seed{seed}"
        logs(f"base2new/train_base/{tail}/log.txt", make_log(base, seed=seed))
        folder = f"output/base2new/train_base/{tail}"
        text = make_log(new, seed=seed, subset="new", eval_only=True, model_dir=folder)
        logs(f"base2new/test_new/{tail}/log.txt", text)
    write_pair("ours", 93, 92, trainer="MaPLe", dataset="Food101", backbone="ViT-B/16")
    target = tmp_path / "runs/logs"
    command = ["parse", str(tmp_path / "logs"), "--to", str(target)]
    assert main(command) == 0 and main(command) == 0  # again changes nothing
    assert len(collect_runs(target)[0]) == 4
    capsys.readouterr()
    assert main(["base2new", "--output", str(tmp_path / "runs")]) == 0
    text = capsys.readouterr().out
    assert text.count("## Food101") == 1
    # parse_test_res.py prints 92.15% +- 0.05% for these two.
    assert "| MaPLe (log) |      16 | <ins>92.15</ins> \u00b1 0.05 |" in text
    assert "MaPLe (log): weights not recorded" in text


def test_a_result_that_is_there_and_differs_is_kept(logs, tmp_path, capsys):
    logs("a/log.txt", make_log(50.0))
    logs("b/log.txt", make_log(50.0))
    command = ["parse", str(tmp_path / "logs"), "--to", str(tmp_path / "out")]
    assert main(command) == 0
    logs("a/log.txt", make_log(60.0))
    assert main(command) == 0 and main([*command, "--strict"]) == 1
    assert "holds another result; not changed" in capsys.readouterr().err
    assert '"accuracy": 50.0' in (tmp_path / "out/a/result.json").read_text()


def test_no_log_is_an_error(tmp_path, capsys):
    assert main(["parse", str(tmp_path)]) == 2
    assert f"No log.txt in {tmp_path}" in capsys.readouterr().err


def test_logs_in_the_encoding_of_powershell_are_read(tmp_path):
    folder = tmp_path / "logs/a"
    folder.mkdir(parents=True)
    (folder / "log.txt").write_text(make_log(92.1), encoding="utf-16")
    (found,), left = parse_folder(tmp_path / "logs")
    assert (found.result["metrics"]["accuracy"], left) == (92.1, [])
    (folder / "log.txt").write_text("<!doctype html><p>Not found")
    _, (left,) = parse_folder(tmp_path / "logs")
    assert left.path == "a/log.txt" and "log.txt is an HTML page" in left.reason
