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
