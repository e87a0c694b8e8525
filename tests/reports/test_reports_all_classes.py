"""Tables on all classes, against numbers worked out by hand."""

import csv
import io

import pytest

from reports.__main__ import main
from reports.all_classes import tables_of, to_csv
from reports.collect import collect_runs


@pytest.fixture
def write(write_result):
    """Writes a run on all classes: trainer, data set, accuracies of seeds 1, 2, ..."""

    def write_all(trainer, dataset, *accuracies, source="ImageNet", folder="", **fields):
        trained = {"dataset": source, "subset": "all"} if source else None
        for seed, accuracy in enumerate(accuracies, 1):
            write_result(
                f"{folder}{trainer}/{source}/{dataset}/{fields.get('shots', 16)}/seed{seed}",
                accuracy=accuracy, trainer=trainer, dataset=dataset, subset="all", seed=seed,
                trained_on=trained, trained_parameters=512 if source else 0, **fields,
            )  # fmt: skip

    return write_all


def tables(tmp_path, protocol):
    return tables_of(protocol, *collect_runs(tmp_path / "runs"))


def test_cross_dataset(write, tmp_path):
    write("CoOp", "ImageNet", 71.0, 73.0)
    write("CoOp", "Food101", 80.0, 90.0)
    write("CoOp", "EuroSAT", 40.0, 60.0)
    write("ZeroshotCLIP", "Food101", 85.0, source=None)
    write("ZeroshotCLIP", "EuroSAT", 45.0, source=None)
    write("CoOp", "ImageNetA", 50.0, 50.0)  # domain generalisation's
    write("ProGrad", "ImageNet", 70.0)  # few-shot's: it was tested on nothing else
    write("CoOp", "Food101", 99.0, source="Food101")
    (table,), left = tables(tmp_path, "cross-dataset")
    assert left == []
    assert table.columns == ("ImageNet", "EuroSAT", "Food101", "Average of 2")
    assert table.rows == ("ZeroshotCLIP", "CoOp")
    found = {key: (cell.estimate.value, cell.estimate.std) for key, cell in table.cells.items()}
    assert found == {
        ("CoOp", "ImageNet"): (72.0, 1.0),
        ("CoOp", "Food101"): (85.0, 5.0),
        ("CoOp", "EuroSAT"): (50.0, 10.0),
        ("CoOp", "Average of 2"): (67.5, 7.5),  # seeds: 60 and 75
        ("ZeroshotCLIP", "Food101"): (85.0, 0.0),
        ("ZeroshotCLIP", "EuroSAT"): (45.0, 0.0),
        ("ZeroshotCLIP", "Average of 2"): (65.0, 0.0),
    }


def test_an_average_needs_every_target_and_the_same_seeds(write, tmp_path):
    write("CoOp", "Food101", 80.0, 90.0)
    write("CoOp", "EuroSAT", 40.0)
    write("MaPLe", "Food101", 88.0)
    (table,), _ = tables(tmp_path, "cross-dataset")
    average = table.cells["CoOp", "Average of 2"]
    assert (average.estimate.value, average.seeds) == (60.0, (1,))
    assert ("MaPLe", "Average of 2") not in table.cells
    written = main(["cross-dataset", str(tmp_path / "runs")])
    text = (tmp_path / "runs/cross-dataset.md").read_text()
    assert written == 0 and "85.00 \u00b1 5.00 (2)" in text and "**40.00** (1)" in text


def test_domain_generalization(write, tmp_path):
    for dataset, accuracy in (("ImageNet", 71.0), ("ImageNetV2", 64.0), ("ImageNetA", 50.0)):
        write("CoOp", dataset, accuracy)
    write("CoOp", "Food101", 80.0)
    (table,), _ = tables(tmp_path, "domain-generalization")
    assert table.columns == ("ImageNet", "ImageNetA", "ImageNetV2", "Average of 2")
    assert table.cells["CoOp", "Average of 2"].estimate.value == 57.0


def test_few_shot_follows_the_shots_whatever_the_recipe(write, tmp_path):
    for shots, recipe, accuracy in ((1, "rn50_ep50", 30.0), (2, "rn50_ep100", 40.0)):
        write("CoOp", "Food101", accuracy, source="Food101", shots=shots, recipe=recipe)
    write("CoOp", "EuroSAT", 20.0, source="Food101")
    (table,), left = tables(tmp_path, "few-shot")
    assert table.title.startswith("Food101") and table.columns == ("1 shots", "2 shots")
    assert [table.cells["CoOp", c].estimate.value for c in table.columns] == [30.0, 40.0]
    assert left == []


def test_two_recipes_for_the_same_shots_are_two_rows(write, tmp_path):
    for recipe, accuracy in (("rn50", 30.0), ("mine", 40.0)):
        write("CoOp", "Food101", accuracy, source="Food101", recipe=recipe, folder=f"{recipe}/")
    (table,), left = tables(tmp_path, "few-shot")
    assert table.rows == ("CoOp (mine)", "CoOp (rn50)") and left == []


def test_protocols_may_share_a_folder(write, tmp_path):
    """Few-shot and cross-dataset both train on the source, zero-shot is run by two scripts."""
    for folder in ("few_shot/", "cross/"):
        write("CoOp", "PocketShapes", 90.0, source="PocketShapes", folder=folder)
        shots = 16 if folder == "cross/" else -1
        write("ZeroshotCLIP", "PocketSizes", 85.0, source=None, folder=folder, shots=shots)
    write("CoOp", "PocketSizes", 80.0, source="PocketShapes")
    (table,), left = tables(tmp_path, "cross-dataset")
    assert left == [] and table.rows == ("ZeroshotCLIP", "CoOp")
    assert table.cells["CoOp", "PocketShapes"].estimate.value == 90.0
    (table,), left = tables(tmp_path, "few-shot")
    assert left == [] and table.cells["CoOp", "16 shots"].estimate.value == 90.0


def test_sources_and_targets_of_ones_own(write, tmp_path):
    write("CoOp", "birds_night", 50.0, source="birds")
    write("CoOp", "birds", 70.0, source="birds")
    write("ZeroshotCLIP", "birds_night", 40.0, source=None)
    (table,), left = tables(tmp_path, "cross-dataset")
    assert table.title.startswith("from birds") and left == []
    assert table.columns == ("birds", "birds_night", "Average of 1")
    assert table.rows == ("ZeroshotCLIP", "CoOp")


def test_a_tuned_model_of_unknown_origin_is_no_zero_shot(write_result, tmp_path):
    write_result("foreign", subset="all", dataset="Food101")
    assert tables(tmp_path, "zero-shot")[0] == []
    found, left = tables(tmp_path, "cross-dataset")
    assert found == [] and left[0].reason == "it does not say what it was trained on"


def test_zero_shot(write, tmp_path):
    write("ZeroshotCLIP", "Food101", 85.0, source=None)
    write("CoOp", "Food101", 86.0)
    (table,), _ = tables(tmp_path, "zero-shot")
    assert table.rows == ("ZeroshotCLIP",) and table.columns == ("Food101", "Average of 1")


def test_what_fits_no_cell_is_named(write, write_result, tmp_path, capsys):
    write("CoOp", "Food101", 80.0)
    write("CoOp", "Food101", 81.0, folder="again/")
    write("CoOp", "EuroSAT", 40.0, split="val")
    write("CoOp", "DTD", 44.0, weights_sha256="b" * 64)
    base = {"dataset": "ImageNet", "subset": "base"}
    write_result("halves", dataset="UCF101", subset="all", trained_on=base)
    write_result("bad", subset="all", trained_on={"dataset": 3})
    (table,), left = tables(tmp_path, "cross-dataset")
    assert "weights bbbbbbbb" in table.title  # the duplicates leave the other table empty
    reasons = {item.path.split("/")[0]: item.reason for item in left}
    assert "duplicate: the same cell as" in reasons["again"]
    assert "trained on base classes" in reasons["halves"] and "trained_on must" in reasons["bad"]
    assert main(["cross-dataset", str(tmp_path / "runs"), "--strict"]) == 1
    assert "## Left out" in capsys.readouterr().out
    assert main(["few-shot", str(tmp_path / "runs")]) == 2


def test_csv_has_full_precision(write, tmp_path):
    write("CoOp", "Food101", 80.123456789, 80.0)
    found, _ = tables(tmp_path, "cross-dataset")
    rows = list(csv.DictReader(io.StringIO(to_csv(found))))
    assert rows[0]["seeds"] == "1 2"
    assert float(rows[0]["accuracy"]) == pytest.approx(80.0617283945, abs=1e-12)
