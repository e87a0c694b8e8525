"""Own images against foreign ones: numbers by hand, tables from kept logits."""

import math

import numpy as np
import pytest

from reports.__main__ import main
from reports.runs.collect import collect_runs
from reports.tables.foreign import Foreign, document, energy, false_positives, mcm
from run_files.logits import Logits, content_hash, from_bytes, to_bytes

OWN = np.array([[3, 0], [0, 2], [1, 1], [4, 3]], np.float32)
FOREIGN = np.array([[1, 0], [9, 9]], np.float32)


def test_scores_by_hand():
    assert mcm(OWN) == pytest.approx(
        [1 / (1 + math.exp(-3)), 1 / (1 + math.exp(-2)), 0.5, 1 / (1 + math.exp(-1))]
    )
    assert energy(OWN[:1]) == pytest.approx([math.log(math.exp(3) + 1)])


def test_numbers_by_hand():
    found = Foreign.of(OWN, FOREIGN)
    # MCM: own gaps 3, 2, 0, 1; foreign 1 and 0. Pairs: 3 and 2 above both, 0 below and a tie, 1 a
    # tie and above.
    assert found.auroc_mcm == pytest.approx(100 * (4 + 0.5 + 1.5) / 8)
    assert found.fpr_mcm == 100  # all four of the own pass at the gap 0, which both foreign have
    # Energy: own 3.05, 2.13, 1.69, 4.31; foreign 1.31 and 9.69.
    assert found.auroc_energy == 50 and found.fpr_energy == 50


def test_the_threshold_lets_95_percent_of_the_own_pass():
    own = np.arange(100.0)
    assert false_positives(own, np.array([4.9, 5.0, 99.0, -1.0])) == 0.5
    assert false_positives(own[:19], np.array([0.0, -0.1])) == 0.5  # 18.05 of 19 are 19


@pytest.fixture
def write(write_result):
    def write_one(folder, values, others=None, *, dataset, subset, **fields):
        names = tuple(f"{dataset} {subset} {i}" for i in range(values.shape[1]))
        beside = () if others is None else (others, ("D base 0", "D base 1"))
        kept = Logits(values, np.zeros(len(values), int), names, (), *beside)
        path = write_result(
            folder, dataset=dataset, subset=subset, trained_on={"dataset": "D", "subset": "base"},
            logits_sha256=content_hash(from_bytes(to_bytes(kept)[0])), **fields,
        )  # fmt: skip
        path.with_name("logits.npz").write_bytes(to_bytes(kept)[0])

    return write_one


def test_tables_are_of_every_other_test_of_a_model(tmp_path, write, capsys):
    few = np.zeros((2, 3), np.float32)
    write("own", OWN, dataset="D", subset="base")
    write("new", few, FOREIGN, dataset="D", subset="new")
    write("far", few, FOREIGN - 5, dataset="E", subset="all")
    write("alone", few, dataset="F", subset="all")  # has kept no logits of the training's classes
    write("orphan", few, FOREIGN, dataset="G", subset="all", seed=2)  # no own test of its seed
    runs, left = collect_runs(tmp_path / "runs")
    report = document(tmp_path / "runs", runs, left, title="T")
    assert [grid.title for grid in report.grids] == [
        "D, new classes, against D, base classes (Pocket)",
        "E, all classes, against D, base classes (Pocket)",
    ]
    assert report.grids[0].cell("CoOp", "AUROC, energy").value == 50
    assert report.grids[1].cell("CoOp", "AUROC, MCM").value == pytest.approx(75)
    assert any(note.startswith("2 test(s) are in no table") for note in report.notes)
    assert main(["ood", "--output", str(tmp_path / "runs")]) == 0
    assert "| CoOp" in capsys.readouterr().out and (tmp_path / "runs/ood.csv").is_file()
