"""Own data sets of one name are never mixed; a template is its data set's property."""

import pytest

from reports.__main__ import main
from reports.runs.collect import collect_runs
from reports.tables.base_to_new_numbers import base_to_new

FIRST = {"path": "/data/scans/images", "list": "", "images_sha256": "1" * 64}
SECOND = {"path": "/data/photos/images", "list": "", "images_sha256": "2" * 64}


def report_of(tmp_path):
    return base_to_new(*collect_runs(tmp_path / "runs"))


@pytest.mark.parametrize(
    ("other", "first", "second"),
    [
        (SECOND, "images [scans/images]", "images [photos/images]"),
        (FIRST | {"list": "b.csv"}, "images [no list]", "images [list b.csv]"),
        (FIRST | {"images_sha256": "2" * 64}, "images [11111111]", "images [22222222]"),
        (FIRST | {"images_sha256": None}, "images [11111111]", "images [images not recorded]"),
    ],
)
def test_two_own_sets_of_one_name_stand_in_two_tables(
    tmp_path, write_pair, other, first, second, capsys
):
    for seed, own in ((1, FIRST), (2, other)):
        write_pair(f"c{seed}", 70, 50, seed=seed, dataset="images", own_data=own,
                   trained_on={"dataset": "images", "subset": "base"})  # fmt: skip
    write_pair("d", 60, 50, dataset="Other")
    report = report_of(tmp_path)
    assert {block.dataset: [row.seeds for row in block.rows] for block in report.blocks} == {
        "Other": [(1,)], first: [(1,)], second: [(2,)],  # and no average
    }  # fmt: skip
    assert report.left_out == ()
    assert main(["base2new", "--output", str(tmp_path / "runs")]) == 0
    names = ", ".join(sorted([first, second]))
    note = f"2 data sets are called images: {names}. They differ in folder, list"
    assert note in capsys.readouterr().out


def test_halves_on_different_images_are_no_pair(tmp_path, write_result):
    write_result("base", subset="base", dataset="images", own_data=FIRST)
    write_result("new", subset="new", dataset="images", own_data=SECOND)
    report = report_of(tmp_path)
    assert report.blocks == ()
    assert [item.reason[:60] for item in report.left_out] == [
        "base without new: no new result on images [scans/images] wit",
        "new without base: no base result on images [photos/images] w",
    ]


def test_no_difference_is_taken_between_different_images(tmp_path, write_pair, capsys):
    for seed in (1, 2, 3):
        write_pair(f"c{seed}", 70, 50, seed=seed, dataset="images", own_data=FIRST)
        write_pair(f"k{seed}", 75, 50, seed=seed, dataset="images", own_data=SECOND, trainer="TCP")
    command = ["base2new", "--output", str(tmp_path / "runs"), "--paired", "TCP", "CoOp"]
    assert main([*command, "--baseline", "CoOp"]) == 0
    text = capsys.readouterr().out
    assert "+5.00" not in text and "--paired: TCP and CoOp share fewer than two" in text
    assert "There is no such row in: images [photos/images] (Pocket)." in text


def test_the_same_set_has_its_bare_name_and_one_table(tmp_path, write_pair):
    for seed in (1, 2):
        write_pair(f"c{seed}", 70, 50, seed=seed, dataset="images", own_data=FIRST)
    (block,) = report_of(tmp_path).blocks
    assert (block.dataset, block.rows[0].seeds) == ("images", (1, 2))


def test_results_that_do_not_record_it_have_folder_and_list_in_their_config(tmp_path, write_pair):
    for seed, split in ((1, "a.csv"), (2, "b.csv"), (3, "b.csv")):
        folder = {"PATH": "images", "SPLIT": split, "CLASSNAMES": ""}
        config = {"DATASET": {"NAME": "ImageFolder", "ROOT": "/data", "FOLDER": folder}}
        write_pair(f"c{seed}", 70, 50, seed=seed, dataset="images", config=config)
    blocks = report_of(tmp_path).blocks
    assert [(block.dataset, block.rows[0].seeds) for block in blocks] == [
        ("images [list a.csv]", (1,)), ("images [list b.csv]", (2, 3)),
    ]  # fmt: skip


def test_an_own_set_is_no_benchmark_of_its_name(tmp_path, write_pair):
    write_pair("own", 70, 50, dataset="EuroSAT", own_data=FIRST)
    assert [block.dataset for block in report_of(tmp_path).blocks] == ["EuroSAT [own]"]
    write_pair("benchmark", 70, 50, dataset="EuroSAT")
    assert {block.dataset for block in report_of(tmp_path).blocks} == {"EuroSAT", "EuroSAT [own]"}


def test_a_tuned_model_is_at_home_on_its_own_images_alone(tmp_path, write_result):
    source = {"dataset": "images", "subset": "all", "own_data": FIRST}
    for name, own in (("home", FIRST), ("away", SECOND)):
        write_result(name, subset="all", dataset="images", own_data=own, trained_on=source)
    runs, _ = collect_runs(tmp_path / "runs")
    found = {run.path.split("/")[0]: (run.dataset, run.trained_on[0]) for run in runs}
    assert found == {
        "home": ("images [scans/images]", "images [scans/images]"),
        "away": ("images [photos/images]", "images [scans/images]"),
    }


def test_no_column_of_an_average_has_a_namesake(tmp_path, write_result):
    source = {"dataset": "ImageNet", "subset": "all"}
    sets = (("A", None), ("B", None), ("images", FIRST), ("images", SECOND))
    for number, (name, own) in enumerate(sets):
        write_result(f"{number}", accuracy=10.0 * number, subset="all", dataset=name, own_data=own,
                     trained_on=source)  # fmt: skip
    assert main(["cross-dataset", "--output", str(tmp_path / "runs")]) == 0
    text = (tmp_path / "runs/cross-dataset.md").read_text()
    assert "| Average of 2 |" in " ".join(text.split())
    assert text.split("| CoOp ")[1].split("|")[5].strip() == "5.00"  # of 0 and 10


@pytest.mark.parametrize(
    ("own", "reason"),
    [
        (3, "own_data must be an object with path; got 3"),
        ({"list": ""}, "own_data.path is missing"),
        ({"path": 3}, "own_data.path must be text in UTF-8; got 3"),
    ],
)
def test_own_data_that_is_none_is_named(tmp_path, write_result, own, reason):
    write_result("bad", own_data=own)
    _, (left,) = collect_runs(tmp_path / "runs")
    assert left.reason == reason


def with_template(text, *, chosen=False):
    """Fields of a result; the command gives the template if it is chosen."""
    argv = ["--seed", "1", *(["DATASET.TEMPLATE", text] if chosen else [])]
    # The process went on with another run behind --then.
    command = ["train.py", *argv, "--then", "DATASET.TEMPLATE", text]
    config = {"DATASET": {"TEMPLATE": text}}
    return {"config": config, "command": command, "inputs": {"argv": argv}}


def test_templates_of_data_sets_do_not_part_their_rows(tmp_path, write_pair):
    for dataset, text in (("A", "a scan of {}."), ("B", "a photo of {}."), ("C", "")):
        write_pair(dataset, 70, 50, dataset=dataset, **with_template(text))
    report = report_of(tmp_path)
    assert report.blocks[-1].dataset == "Average over 3 data sets"
    assert all(len(block.rows) == 1 for block in report.blocks) and report.notes == ()


def test_two_templates_on_one_data_set_are_two_rows(tmp_path, write_pair, capsys):
    for dataset, text in (("A", "a scan of {}."), ("B", "a photo of {}.")):
        write_pair(f"{dataset}/own", 70, 50, dataset=dataset, **with_template(text))
        mine = with_template("{} texture.", chosen=True)
        write_pair(f"{dataset}/mine", 80, 60, dataset=dataset, **mine)
    # The data set's own, given again by the command, is the data set's.
    again = with_template("a scan of {}.", chosen=True)
    write_pair("A/again", 72, 50, dataset="A", seed=2, **again)
    assert main(["base2new", "--output", str(tmp_path / "runs")]) == 0
    text = capsys.readouterr().out
    assert (
        "- CoOp a: DATASET.TEMPLATE the data set's\n- CoOp b: DATASET.TEMPLATE {} texture." in text
    )
    blocks = {block.dataset: block.rows for block in report_of(tmp_path).blocks}
    assert [row.seeds for row in blocks["A"]] == [(1, 2), (1,)]
    assert [row.base.value for row in blocks["Average over 2 data sets"]] == [70, 80]


def test_a_template_that_was_edited_between_seeds_parts_them(tmp_path, write_pair):
    for seed, text in ((1, "a {}."), (2, "the {}.")):
        write_pair(f"{seed}", 70, 50, seed=seed, **with_template(text))
    (block,) = report_of(tmp_path).blocks
    assert [row.seeds for row in block.rows] == [(1,), (2,)]


def test_halves_with_different_templates_are_no_pair(tmp_path, write_result):
    write_result("base", subset="base", **with_template("a {}."))
    write_result("new", subset="new", **with_template("the {}."))
    assert report_of(tmp_path).blocks == ()


def test_two_files_of_descriptions_on_one_data_set_are_two_rows(tmp_path, write_result):
    write_result("a", dataset="D", seed=1, descriptions_sha256="1" * 64)
    write_result("b", dataset="D", seed=2, descriptions_sha256="1" * 64)
    write_result("c", dataset="E", seed=1, descriptions_sha256="2" * 64)
    runs, _ = collect_runs(tmp_path / "runs")
    assert len({run.method for run in runs}) == 1  # each data set has a file of its own
    write_result("d", dataset="D", seed=3, descriptions_sha256="3" * 64)
    runs, _ = collect_runs(tmp_path / "runs")
    assert [dict(run.method.settings).get("DATASET.DESCRIPTIONS") for run in runs] == [
        "1" * 8, "1" * 8, None, "3" * 8,
    ]  # fmt: skip
