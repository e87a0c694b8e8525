"""Tables on all classes, against numbers worked out by hand."""

import csv
import io

import pytest

from reports.__main__ import main
from reports.layout.grid import Cell
from reports.output.formats import to_csv
from reports.published import papers
from reports.runs.collect import collect_runs
from reports.tables.all_classes import document


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


def tables(tmp_path, protocol, **options):
    made = document(protocol, *collect_runs(tmp_path / "runs"), title="", **options)
    return made.grids, list(made.left_out)


def rows(table):
    return tuple(row.label for row in table.rows)


def values(table):
    return {
        (row.label, column): (cell.value, cell.std)
        for row in table.rows
        for column, cell in zip(table.columns, row.entries, strict=True)
        if isinstance(cell, Cell)
    }


def test_cross_dataset(write, tmp_path):
    write("CoOp", "ImageNet", 71.0, 73.0)
    write("CoOp", "Food101", 80.0, 90.0)
    write("CoOp", "EuroSAT", 40.0, 60.0)
    write("ZeroshotCLIP", "Food101", 85.0, source=None)
    write("ZeroshotCLIP", "EuroSAT", 45.0, source=None)
    write("ZeroshotCLIP", "ImageNet", 65.0, source=None)
    write("CoOp", "ImageNetA", 50.0, 50.0)  # domain generalisation's
    write("ProGrad", "ImageNet", 70.0)  # few-shot's: it was tested on nothing else
    write("CoOp", "Food101", 99.0, source="Food101")
    (table,), left = tables(tmp_path, "cross-dataset")
    assert left == []
    assert table.columns == ("ImageNet", "EuroSAT", "Food101", "Average of 2", "Seeds")
    assert rows(table) == ("ZeroshotCLIP", "CoOp")
    assert values(table) == {
        ("CoOp", "ImageNet"): (72.0, 1.0),
        ("CoOp", "Food101"): (85.0, 5.0),
        ("CoOp", "EuroSAT"): (50.0, 10.0),
        ("CoOp", "Average of 2"): (67.5, 7.5),  # seeds: 60 and 75
        ("ZeroshotCLIP", "ImageNet"): (65.0, 0.0),
        ("ZeroshotCLIP", "Food101"): (85.0, 0.0),
        ("ZeroshotCLIP", "EuroSAT"): (45.0, 0.0),
        ("ZeroshotCLIP", "Average of 2"): (65.0, 0.0),
    }


def test_an_average_needs_every_target_and_the_same_seeds(write, tmp_path):
    write("CoOp", "Food101", 80.0, 90.0)
    write("CoOp", "EuroSAT", 40.0)
    write("MaPLe", "Food101", 88.0)
    (table,), _ = tables(tmp_path, "cross-dataset")
    average = table.cell("CoOp", "Average of 2")
    assert (average.value, average.seeds) == (60.0, (1,))
    assert table.cell("MaPLe", "Average of 2") == ""
    assert [table.cell(name, "Seeds") for name in ("CoOp", "MaPLe")] == ["see cells", "1"]
    written = main(["cross-dataset", "--output", str(tmp_path / "runs")])
    text = (tmp_path / "runs/cross-dataset.md").read_text()
    assert written == 0 and "85.00</ins> \u00b1 5.00 (n=2)" in text and "40.00** (n=1)" in text


def test_domain_generalization(write, tmp_path):
    for dataset, accuracy in (("ImageNet", 71.0), ("ImageNetV2", 64.0), ("ImageNetA", 50.0)):
        write("CoOp", dataset, accuracy)
    write("CoOp", "Food101", 80.0)
    (table,), _ = tables(tmp_path, "domain-generalization")
    assert table.columns == ("ImageNet", "ImageNetA", "ImageNetV2", "Average of 2", "Seeds")
    assert table.cell("CoOp", "Average of 2").value == 57.0


def test_few_shot_follows_the_shots_whatever_the_recipe(write, tmp_path):
    for shots, recipe, accuracy in ((1, "rn50_ep50", 30.0), (2, "rn50_ep100", 40.0)):
        write("CoOp", "Food101", accuracy, source="Food101", shots=shots, recipe=recipe)
    write("CoOp", "EuroSAT", 20.0, source="Food101")
    (table,), left = tables(tmp_path, "few-shot")
    assert table.title.startswith("Food101") and table.columns == ("1 shot", "2 shots", "Seeds")
    assert [table.cell("CoOp", c).value for c in table.columns[:2]] == [30.0, 40.0]
    assert left == []


def test_two_recipes_for_the_same_shots_are_two_rows(write, tmp_path):
    for recipe, accuracy in (("rn50", 30.0), ("mine", 40.0)):
        write("CoOp", "Food101", accuracy, source="Food101", recipe=recipe, folder=f"{recipe}/")
    (table,), left = tables(tmp_path, "few-shot")
    assert rows(table) == ("CoOp (mine)", "CoOp (rn50)") and left == []


def test_protocols_may_share_a_folder(write, tmp_path):
    """Few-shot and cross-dataset both train on the source, zero-shot is run by two scripts."""
    for folder in ("few_shot/", "cross/"):
        write("CoOp", "PocketShapes", 90.0, source="PocketShapes", folder=folder)
        shots = 16 if folder == "cross/" else -1
        write("ZeroshotCLIP", "PocketSizes", 85.0, source=None, folder=folder, shots=shots)
    write("CoOp", "PocketSizes", 80.0, source="PocketShapes")
    (table,), left = tables(tmp_path, "cross-dataset")
    assert left == [] and rows(table) == ("ZeroshotCLIP", "CoOp")
    assert table.cell("CoOp", "PocketShapes").value == 90.0
    (table,), left = tables(tmp_path, "few-shot")
    assert left == [] and table.cell("CoOp", "16 shots").value == 90.0


def test_sources_and_targets_of_ones_own(write, tmp_path):
    write("CoOp", "birds_night", 50.0, source="birds")
    write("CoOp", "birds", 70.0, source="birds")
    write("ZeroshotCLIP", "birds_night", 40.0, source=None)
    (table,), left = tables(tmp_path, "cross-dataset")
    assert table.title.startswith("from birds") and left == []
    assert table.columns == ("birds", "birds_night", "Seeds")  # no average of one
    assert rows(table) == ("ZeroshotCLIP", "CoOp")


def test_a_tuned_model_of_unknown_origin_is_no_zero_shot(write_result, tmp_path):
    write_result("foreign", subset="all", dataset="Food101")
    assert tables(tmp_path, "zero-shot")[0] == ()
    found, left = tables(tmp_path, "cross-dataset")
    assert found == () and left[0].reason == "it does not say what it was trained on"


def test_zero_shot(write, tmp_path):
    write("ZeroshotCLIP", "Food101", 85.0, source=None)
    write("CoOp", "Food101", 86.0)
    (table,), _ = tables(tmp_path, "zero-shot")
    assert rows(table) == ("ZeroshotCLIP",)
    assert table.columns == ("Food101", "Seeds")


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
    assert "trained on base classes" in reasons["halves"]
    assert reasons["bad"] == "trained_on.dataset must be text in UTF-8; got 3"
    assert main(["cross-dataset", "--output", str(tmp_path / "runs"), "--strict"]) == 1
    assert "## Left out" in capsys.readouterr().out
    assert main(["few-shot", "--output", str(tmp_path / "runs")]) == 2


def test_csv_has_full_precision(write, tmp_path):
    write("CoOp", "Food101", 80.123456789, 80.0)
    made = document("cross-dataset", *collect_runs(tmp_path / "runs"), title="")
    first = next(csv.DictReader(io.StringIO(to_csv(made))))
    assert (first["row"], first["column"], first["seeds"]) == ("CoOp", "Food101", "1 2")
    assert float(first["value"]) == pytest.approx(80.0617283945, abs=1e-12)


def test_few_shot_averages_the_data_sets_that_have_all(write, tmp_path):
    for dataset, low, high in (("Food101", 30.0, 50.0), ("EuroSAT", 60.0, 70.0)):
        write("CoOp", dataset, low, high, source=dataset, shots=1)
    write("CoOp", "Food101", 90.0, source="Food101", shots=2)
    found, _ = tables(tmp_path, "few-shot")
    assert [table.title.split(" (")[0] for table in found] == [
        "EuroSAT", "Food101", "Average over 2 data sets"
    ]  # fmt: skip
    assert values(found[-1]) == {("CoOp", "1 shot"): (52.5, 7.5)}  # seeds: 45 and 60


def test_rows_of_two_commits_are_not_joined(write, tmp_path, capsys):
    for seed, commit in ((1, "a" * 40), (2, "b" * 40)):
        git = {"commit": commit, "dirty": seed == 2}
        write("CoOp", "Food101", 80.0 + seed, folder=f"{seed}/", git=git)
    command = ["cross-dataset", "--output", str(tmp_path / "runs")]
    # Both have seed 1, which is one cell only if the commits may be joined.
    assert main(command) == 0
    text = capsys.readouterr().out
    assert "| CoOp a " in text and "| CoOp b " in text
    assert "- CoOp a: commit aaaaaaaaaa\n- CoOp b: commit bbbbbbbbbb+\n" in text
    assert "CoOp: results of 2 commits (aaaaaaaaaa, bbbbbbbbbb+)" in text
    assert main([*command, "--any-commit"]) == 2
    assert "duplicate: the same cell as" in capsys.readouterr().out


def test_published_targets_stand_beside_ours(write, tmp_path):
    write("MaPLe", "Food101", 86.0, backbone="ViT-B/16")
    write("MaPLe", "ImageNet", 70.0, backbone="ViT-B/16")
    beside = papers.choose("cross-dataset", "MaPLe,CoOp")
    (table, against), _ = tables(tmp_path, "cross-dataset", beside=beside)
    assert rows(table) == ("MaPLe", "CoOp \u2020", "MaPLe \u2020")
    found = {key: value for key, (value, _) in values(table).items()}
    assert found["MaPLe \u2020", "Food101"] == 86.20 and found["CoOp \u2020", "ImageNet"] == 71.51
    assert table.columns == ("ImageNet", "Food101", "Seeds")  # theirs is of ten
    assert against.cell("MaPLe, Food101", "Difference") == "-0.20"


def test_paired_rows_leave_out_the_source(write, tmp_path):
    for trainer, shift in (("CoOp", 0.0), ("MaPLe", 2.0)):
        write(trainer, "ImageNet", 70.0 + 9 * shift, 71.0)
        write(trainer, "Food101", 80.0 + shift, 82.0 + shift)
        write(trainer, "EuroSAT", 40.0 + 2 * shift, 42.0)
    (_, paired), _ = tables(tmp_path, "cross-dataset", pair=("MaPLe", "CoOp"))
    # 2, 2, 4 and 0.
    assert paired.cell("Accuracy", "Mean difference") == "+2.00"
    assert paired.cell("Accuracy", "Pairs") == "4"


def test_the_source_is_no_target_even_if_only_zero_shot_has_it(write, tmp_path):
    write("ZeroshotCLIP", "ImageNet", 100.0, source=None)
    write("ZeroshotCLIP", "Food101", 50.0, source=None)
    write("ZeroshotCLIP", "DTD", 1.0, source=None)  # no tuned run is tested on it
    (alone,), _ = tables(tmp_path, "cross-dataset")
    assert alone.cell("ZeroshotCLIP", "Average of 2").value == 25.5
    write("CoOp", "Food101", 60.0)
    write("CoOp", "EuroSAT", 20.0)
    write("ZeroshotCLIP", "EuroSAT", 10.0, source=None)
    (table,), _ = tables(tmp_path, "cross-dataset")
    assert table.columns == ("ImageNet", "EuroSAT", "Food101", "Average of 2", "Seeds")
    assert [table.cell(row, "Average of 2").value for row in rows(table)] == [30.0, 40.0]


def test_a_published_average_is_of_just_its_targets(write, tmp_path):
    names = ("Caltech101", "OxfordPets", "StanfordCars", "OxfordFlowers", "Food101",
             "FGVCAircraft", "SUN397", "DescribableTextures", "EuroSAT", "UCF101")  # fmt: skip
    for dataset in names:
        write("CoOp", dataset, 60.0, backbone="ViT-B/16")
    beside = papers.choose("cross-dataset", "CoOp")
    (table, _), _ = tables(tmp_path, "cross-dataset", beside=beside)
    assert table.cell("CoOp \u2020", "Average of 10").value == 63.88
    write("CoOp", "Birds", 60.0, backbone="ViT-B/16")
    (table, _), _ = tables(tmp_path, "cross-dataset", beside=beside)
    assert table.cell("CoOp \u2020", "Average of 11") == ""


def test_published_few_shot_numbers_by_shots_and_their_average(write, tmp_path):
    for shots in (1, 16):
        write("CoOp", "Caltech101", 90.0, source="Caltech101", shots=shots, backbone="ViT-B/16")
    beside = papers.choose("few-shot", "CoOp,PLOT++")
    (table, against), _ = tables(tmp_path, "few-shot", beside=beside)
    theirs = [x for x in beside if (x.method, x.place) == ("PLOT++", "caltech101")]
    found = {x.shots: x.values["accuracy"] for x in theirs}
    assert table.cell("PLOT++ \u2020", "1 shot").value == found[1] == 94.34
    assert table.cell("PLOT++ \u2020", "16 shots").value == found[16]
    assert any(row.label.startswith("CoOp, 1") for row in against.rows)


def test_a_source_of_other_settings_is_named(write, tmp_path):
    write("CoOp", "ImageNet", 70.0, recipe="other")
    write("CoOp", "Food101", 60.0)
    (table,), left = tables(tmp_path, "cross-dataset")
    assert table.columns == ("Food101", "Seeds")
    assert left[0].reason.startswith("no test on another data set has its recipe")


def test_tuned_on_another_source_it_is_no_domain_generalisation(write, tmp_path):
    write("CoOp", "ImageNet", 60.0, source="Caltech101")
    write("CoOp", "Caltech101", 90.0, source="Caltech101")
    assert tables(tmp_path, "domain-generalization") == ((), [])


def test_paired_rows_use_what_the_table_shows(write, tmp_path):
    for trainer, shift in (("CoOp", 0.0), ("MaPLe", 1.0)):
        write(trainer, "Food101", 80.0 + shift, 82.0 + shift)
        write(trainer, "EuroSAT", 50.0 + shift, 52.0 + shift)
    write("MaPLe", "Food101", 5.0, folder="again/")
    (_, paired), left = tables(tmp_path, "cross-dataset", pair=("MaPLe", "CoOp"))
    assert len(left) == 2
    assert paired.cell("Accuracy", "Mean difference") == "+1.00"
    assert paired.cell("Accuracy", "Pairs") == "3 (1 unpaired)"


def test_the_same_result_counts_once_only_if_its_images_are_the_same(write, tmp_path):
    for folder, images in (("a/", "x"), ("b/", "x"), ("c/", "y")):
        write("CoOp", "Food101", 80.0, folder=folder, shot_list_sha256=images)
        if folder == "b/":
            assert tables(tmp_path, "cross-dataset")[1] == []
    assert len(tables(tmp_path, "cross-dataset")[1]) == 3


def test_few_shot_recipes_and_missing_averages_are_noted(write, tmp_path):
    write("CoOp", "Food101", 30.0, source="Food101", shots=1, recipe="short")
    write("CoOp", "Food101", 40.0, source="Food101", shots=2, recipe="long")
    write("CoOp", "EuroSAT", 40.0, source="EuroSAT", shots=2, recipe="long")
    made = document("few-shot", *collect_runs(tmp_path / "runs"), title="")
    assert "CoOp: 1 shot: recipe short; 2 shots: recipe long." in made.notes
    missing = "Average over 2 data sets: without CoOp with 1 shot (no result on EuroSAT)."
    assert missing in made.notes
    lines = csv.DictReader(io.StringIO(to_csv(made)))
    assert {line["recipe"] for line in lines if line["block"] == "Food101"} == {""}


def test_all_images_are_a_column_without_a_place_on_the_curve(write, tmp_path):
    write("CoOp", "Food101", 30.0, source="Food101", shots=-1)
    assert main(["few-shot", "--output", str(tmp_path / "runs")]) == 0
    assert "| all images |" in " ".join((tmp_path / "runs/few-shot.md").read_text().split())
