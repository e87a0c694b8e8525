import subprocess
import sys
from pathlib import Path

import pytest

from reports.__main__ import main
from reports.files import write_atomically

FILES = [
    *("base2new-hm.png", "base2new-hm.svg", "base2new.csv", "base2new.html", "base2new.md"),
    *("base2new.png", "base2new.svg", "base2new.tex"),
]


def test_writes_what_it_prints(tmp_path, write_pair, capsys):
    write_pair("a", 70, 50)
    out = tmp_path / "out" / "deeper"
    assert (
        main(["base2new", "--output", str(tmp_path / "runs"), "--to", str(out), "--title", "Ours"])
        == 0
    )
    assert sorted(path.name for path in out.iterdir()) == FILES
    assert (out / "base2new.md").read_text(encoding="utf-8") == capsys.readouterr().out
    assert (out / "base2new.md").read_text(encoding="utf-8").startswith("# Ours\n")
    assert (out / "base2new.png").stat().st_size > 1000


def test_writes_beside_the_runs_and_gives_the_same_bytes_again(tmp_path, write_pair):
    write_pair("a", 70, 50)
    write_pair("b", 60, 65, trainer="KgCoOp", dataset="Other")
    runs = tmp_path / "runs"
    contents = []
    for _ in range(2):
        assert main(["base2new", "--output", str(runs)]) == 0
        contents.append([(runs / name).read_bytes() for name in FILES])
    assert contents[0] == contents[1]


def test_strict_fails_if_something_was_left_out(tmp_path, write_pair, write_result, capsys):
    write_pair("a", 70, 50)
    assert main(["base2new", "--output", str(tmp_path / "runs"), "--strict"]) == 0
    write_result("b", accuracy=float("nan"))
    assert main(["base2new", "--output", str(tmp_path / "runs")]) == 0
    assert main(["base2new", "--output", str(tmp_path / "runs"), "--strict"]) == 1
    assert "- `b/result.json`: metrics.accuracy must be" in capsys.readouterr().out


def test_no_results_is_an_error(tmp_path, capsys):
    assert main(["base2new", "--output", str(tmp_path)]) == 2
    assert f"No result.json in {tmp_path}" in capsys.readouterr().err


def test_no_pair_is_an_error_that_names_the_files(tmp_path, write_result, capsys):
    write_result("a")
    assert main(["base2new", "--output", str(tmp_path / "runs")]) == 2
    captured = capsys.readouterr()
    assert "No base2new results" in captured.err
    assert "- `a/result.json`: base without new" in captured.out
    assert not list((tmp_path / "runs").glob("base2new*"))


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "table.md"
    path.write_text("old")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, b"new")
    assert [file.name for file in tmp_path.iterdir()] == ["table.md"]
    assert path.read_text() == "old"


def test_imports_nothing_else_of_ours():
    root = Path(__file__).parents[2]
    code = (
        "import sys, reports.__main__; ours = {'dassl', 'promptkit', 'datasets', 'trainers', "
        "'pocket', 'benchmarks', 'torch'}; print(sorted(ours & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


def test_help_of_the_module():
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "reports", "base2new", "--help"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert done.returncode == 0 and "--strict" in done.stdout


def test_a_target_that_is_a_file_is_one_message(tmp_path, write_pair, capsys):
    write_pair("a", 70, 50)
    (tmp_path / "file").write_text("")
    assert (
        main(["base2new", "--output", str(tmp_path / "runs"), "--to", str(tmp_path / "file")]) == 2
    )
    assert "error: " in capsys.readouterr().err


def test_names_are_no_formulas(tmp_path, write_pair):
    write_pair("a", 70, 50, trainer="A $x^{$ b")
    assert main(["base2new", "--output", str(tmp_path / "runs")]) == 0


def test_csv_leaves_remarks_to_the_terminal(tmp_path, write_pair, write_result, capsys):
    write_pair("a", 70, 50)
    write_result("b", seed=2)
    assert main(["base2new", "--output", str(tmp_path / "runs"), "--format", "csv"]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("table,row,column,value") and "Left out" not in captured.out
    assert "- `b/result.json`: base without new" in captured.err


def test_trainers_alone_and_commits_joined(tmp_path, write_pair, capsys):
    for seed, commit in ((1, "a" * 40), (2, "b" * 40)):
        git = {"commit": commit, "dirty": False}
        write_pair(f"c{seed}", 70, 50, seed=seed, git=git)
        write_pair(f"k{seed}", 70, 50, seed=seed, git=git, trainer="KgCoOp")
    command = ["base2new", "--output", str(tmp_path / "runs"), "--trainers", "CoOp"]
    assert main([*command, "--any-commit"]) == 0
    text = capsys.readouterr().out
    assert "KgCoOp" not in text and "| CoOp      |      16 | 70.00 \u00b1 0.00" in text
    assert main([*command[:-1], "TCP"]) == 1
    assert "there is no result of 'TCP'. There are: CoOp, KgCoOp." in capsys.readouterr().err


def test_files_of_odd_data_sets_stay_in_the_folder(tmp_path, write_result, capsys):
    write_result("a", dataset="../" + "x" * 300)
    (tmp_path / "runs/a/log.txt").write_text("epoch [1/1] mean loss 1.0 note (x y)\n")
    assert main(["training", "--output", str(tmp_path / "runs")]) == 0
    (name,) = capsys.readouterr().out.split()
    assert name.startswith(f"{tmp_path}/runs/training-x") and len(name.split("/")[-1]) < 120


def test_the_page_is_strict_about_duplicates(tmp_path, write_pair):
    write_pair("a", 70, 50)
    command = ["html", "--output", str(tmp_path / "runs"), "--strict"]
    assert main(command) == 0
    write_pair("b", 71, 50)
    assert main(command) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--baseline", "CoOpp"), "--baseline: there is no row 'CoOpp'. Did you mean 'CoOp' or "),
        (("--baseline", "coop"), "--baseline: there is no row 'coop'. Did you mean 'CoOp' or "),
        (("--paired", "CoOp", "CoOp"), "--paired needs two rows; got 'CoOp' twice."),
        (("--paired", "CoOp", "KgCoOpp"), "--paired: there is no row 'KgCoOpp'. Did you mean 'KgC"),
        (("--trainers", "CoOp, KGCOOP"), "--trainers: there is no result of 'KGCOOP'. Did you mea"),
        (("--published", "PromptSCR"), "--published: there is no published base2new result of 'P"),
    ],
)
def test_a_name_that_nothing_has_ends_with_1_and_the_nearest(
    tmp_path, write_pair, capsys, options, message
):
    write_pair("a", 70, 50)
    write_pair("b", 70, 50, trainer="KgCoOp")
    assert main(["base2new", "--output", str(tmp_path / "runs"), *options]) == 1
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.startswith(f"error: {message}")
    assert not list((tmp_path / "runs").glob("base2new*"))


@pytest.mark.parametrize("report", ["cross-dataset", "few-shot", "zero-shot"])
def test_other_reports_refuse_unknown_rows_too(tmp_path, write_result, capsys, report):
    for dataset in ("ImageNet", "Food101"):
        source = {"dataset": "ImageNet", "subset": "all"}
        write_result(f"c/{dataset}", subset="all", dataset=dataset, trained_on=source)
    write_result("z", subset="all", trainer="ZeroshotCLIP", trained_parameters=0, dataset="Food101")
    command = [report, "--output", str(tmp_path / "runs")]
    assert main(command) == 0
    for options in (("--baseline", "TCP"), ("--paired", "TCP", "VPT")):
        assert main([*command, *options]) == 1
        assert f"{options[0]}: there is no row 'TCP'." in capsys.readouterr().err


@pytest.mark.parametrize(
    "report", ["base2new", "cross-dataset", "domain-generalization", "few-shot", "zero-shot"]
)
def test_what_there_is_instead_is_said(tmp_path, write_result, capsys, report):
    assert main([report, "--output", str(tmp_path / "nowhere")]) == 2
    assert f"No folder {tmp_path}/nowhere" in capsys.readouterr().err
    write_result("bad").write_text("{")
    assert main([report, "--output", str(tmp_path / "runs")]) == 2
    captured = capsys.readouterr()
    assert captured.err.endswith("No result.json could be read.\n")
    assert "- `bad/result.json`: not a JSON file" in captured.out
    write_result("half", subset="base")
    assert main([report, "--output", str(tmp_path / "runs")]) == 2
    there = "There are those of CoOp on PocketShapes, base classes (1).\n"
    assert capsys.readouterr().err == f"No {report} results in {tmp_path}/runs. {there}"


def test_training_and_the_page_say_what_they_leave_out(tmp_path, write_result, capsys):
    write_result("a").with_name("curve.json").write_text("{")
    (tmp_path / "runs/a/log.txt").write_text("epoch [1/1] mean loss 1.0\n")
    write_result("b").write_bytes("schema: 1 \u4e2d".encode("gbk"))
    for report in ("training", "html"):
        assert main([report, "--output", str(tmp_path / "runs")]) == 0
        assert main([report, "--output", str(tmp_path / "runs"), "--strict"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("left out: a/curve.json: not a JSON file (")
    assert lines[1].startswith("left out: b/result.json: not a JSON file (")
    assert "b/result.json is not text in UTF-8" in lines[1]
    assert lines[-1] == "2 file(s) are left out; the page names them."
    page = (tmp_path / "runs/report.html").read_text(encoding="utf-8")
    assert "b/result.json</code>: not a JSON file (" in page
    assert "<code>a/result.json</code>: " in page.split('id="base-to-new"')[1]  # has no table


def test_without_logs_there_are_no_curves(tmp_path, write_result, capsys):
    write_result("a")
    assert main(["training", "--output", str(tmp_path / "runs")]) == 2
    assert "No training with a log or a curve in" in capsys.readouterr().err


def test_tables_say_what_constants_were_chosen_on(tmp_path, write_pair, capsys):
    def config(chosen_on, follows=False):
        return {"config": {"PROTOCOL": {"CHOSEN_ON": chosen_on, "PER_DATA_SET": follows}}}

    write_pair("a", 50.0, 60.0, trainer="CoOp", uses_task_oracle=True)
    write_pair("b", 50.0, 60.0, trainer="GDA", **config("few-shot validation"))
    write_pair("c", 50.0, 60.0, trainer="TipAdapter", **config("few-shot validation", True))
    for dataset, recipe in (("D", "ep25"), ("E", "ep50")):
        write_pair(f"d{dataset}", 50.0, 60.0, trainer="TCP", dataset=dataset, recipe=recipe)
    assert main(["base2new", "--output", str(tmp_path / "runs")]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert (
        "Constants were chosen on, as recipes say: few-shot validation: GDA, TipAdapter; unknown: "
        "CoOp, TCP. They follow the data set (not strict): TCP, TipAdapter."
    ) in text
    assert "Task oracle: CoOp have another predictor" in text
    assert "| Chosen on |" in text
    assert "| few-shot validation, per data set |" in text
