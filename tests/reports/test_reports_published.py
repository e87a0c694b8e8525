import csv
import io
import shutil

import pytest

from reports.__main__ import main
from reports.layout.grid import Cell
from reports.output.formats import to_csv, to_markdown
from reports.published import papers
from reports.published.papers import (
    FILES,
    FOLDER,
    choose,
    harmonic_means_of_other_kind,
    marks_of,
    place_of,
    read,
    read_marks,
    verdict,
)  # fmt: skip
from reports.runs.collect import collect_runs
from reports.tables import base_to_new as tables
from reports.tables.all_classes import document
from reports.tables.base_to_new_numbers import base_to_new
from reports.tables.comparisons import PAPERS_NAMES
from reports.tables.harmonic_mean import harmonic_mean


def test_names_of_data_sets_and_folders_meet():
    pairs = {"OxfordPets": "oxford_pets", "DescribableTextures": "dtd", "SUN397": "sun397",
             "FGVCAircraft": "fgvc_aircraft", "ImageNetSketch": "imagenet_sketch"}  # fmt: skip
    assert all(place_of(title) == place_of(folder) for title, folder in pairs.items())


def test_harmonic_means_recompute_unless_marked():
    for row in read("base2new"):
        values = row.values
        if {"base", "new", "hm"} <= values.keys() and row.place != "average":
            recomputed = harmonic_mean(values["base"], values["new"])
            limit = 0.11 if "one decimal" in row.source else 0.021
            assert (abs(recomputed - values["hm"]) < limit) == ("hm" not in row.wrong), row


def test_every_marked_cell_is_found():
    with (FOLDER / "inconsistencies.csv").open() as file:
        count = len(list(csv.DictReader(file)))
    marked = [row for name in FILES if name != "cost" for row in read(name) if row.wrong]
    assert sum(len(row.wrong) for row in marked) == count


@pytest.mark.parametrize("protocol", ["base2new", "cross-dataset", "few-shot"])
def test_there_is_no_row_of_e2mim(protocol):
    with pytest.raises(ValueError, match=f"there is no published {protocol} result of 'E2MIM'"):
        choose(protocol, "CoOp,E2MIM")
    assert all("E2MIM" not in row.method for row in choose(protocol, "all"))


def test_a_name_nearly_right_is_offered():
    with pytest.raises(ValueError, match="Did you mean 'PromptSRC'"):
        choose("base2new", "PromptSCR")
    with pytest.raises(ValueError, match="There are: none"):
        choose("zero-shot", "all")


def test_averages_of_the_other_kind_are_known():
    rows = choose("base2new", "RPO,MaPLe")
    assert harmonic_means_of_other_kind(rows, "hm-of-averages") == ["RPO"]
    assert harmonic_means_of_other_kind(rows, "mean-of-hms") == ["MaPLe"]


def test_a_published_spread_is_the_tolerance(tmp_path):
    shutil.copytree(FOLDER, tmp_path / "published")
    path = tmp_path / "published/base_to_new.csv"
    header = "method,dataset,base,new,hm,source,base_std\n"
    path.write_text(header + "Made up,dtd,80.0,60.0,68.57,nowhere,0.5\n")
    (row,) = choose("base2new", "Made up", tmp_path / "published")
    assert row.entry("base").std == 0.5 and row.entry("new").std is None
    words = [verdict(Cell(value), row.entry("base")) for value in (79.4, 79.5, 80.5, 80.6)]
    assert words == ["below", "within", "within", "above"]
    assert verdict(Cell(60.0), row.entry("new")) == "spread not published"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"method,dataset,base,source\nA,dtd,8O.0,nowhere\n", "base_to_new.csv, line 2: "),
        (b"method,base,source\nA,80.0,nowhere\n", "base_to_new.csv, line 2: .*KeyError: 'target'"),
        (
            b"name,dataset,base\nA,dtd,80.0\n",
            r"base_to_new.csv lacks the column\(s\) method, source",
        ),
        (
            "method,dataset,base,source\n\u4e2d,dtd,80,x\n".encode("gbk"),
            "new.csv is not text in UTF",
        ),
        (b"version https://git-lfs.github.com/spec/v1\n", "base_to_new.csv is a Git LFS pointer"),
    ],
)
def test_a_file_that_cannot_be_read_says_its_name(tmp_path, content, reason):
    shutil.copytree(FOLDER, tmp_path / "published")
    (tmp_path / "published/base_to_new.csv").write_bytes(content)
    with pytest.raises(ValueError, match=reason):
        choose("base2new", "all", tmp_path / "published")


def test_marks_are_those_of_all_parts_in_any_edition():
    marks = {"A": ("teacher",), "B": ("transductive", "teacher"), "C++": ("extra text",)}
    assert marks_of("A", marks) == ("teacher",)
    assert marks_of("A+B", marks) == ("teacher", "transductive")
    assert marks_of("B (re-run by A)", marks) == ("transductive", "teacher")
    assert marks_of("C++", marks) == ("extra text",) and marks_of("D+A", marks) == ("teacher",)
    assert marks_of("E2MIM", marks) == ()


def test_every_mark_is_of_a_method_with_numbers_or_of_a_part_of_one():
    rows = [row for name in FILES if name != "cost" for row in read(name)]
    marks = read_marks()
    used = {name for row in rows for name in marks if set(marks_of(row.method, {name: ("x",)}))}
    assert set(marks) == used
    kinds = {mark for own in marks.values() for mark in own}
    assert kinds == {"transductive", "teacher", "extra text", "task oracle",
                     "constants per data set", "chosen on test"}  # fmt: skip
    assert {row.method for row in rows if "transductive" in row.marks} >= {
        "PromptKD", "PromptSRC+CasPL", "TextRefiner+PromptKD", "PromptKD+DPC"
    }  # fmt: skip
    assert not any(row.marks for row in rows if row.method in ("CoOp", "KgCoOp", "PromptSRC"))


def test_rows_of_another_backbone_stand_beside_runs_of_it_alone(tmp_path, write_result):
    for number, backbone in enumerate(("RN50", "ViT-B/16", "Pocket")):
        trained = {"dataset": "Caltech101", "subset": "all"}
        write_result(f"{number}", backbone=backbone, dataset="Caltech101", subset="all", shots=1,
                     weights_sha256=f"{number}" * 64, trained_on=trained)  # fmt: skip
    runs, left = collect_runs(tmp_path / "runs")
    beside = choose("few-shot", "Tip-Adapter,PLOT++")
    grids = document("few-shot", runs, left, title="", beside=beside).grids
    found = {grid.facts["backbone"]: {row.label for row in grid.rows if row.published}
             for grid in grids if "backbone" in grid.facts}  # fmt: skip
    assert found == {"RN50": {"Tip-Adapter \u2020"}, "ViT-B/16": {"PLOT++ \u2020"}, "Pocket": set()}


def test_marks_stand_below_a_table_and_in_the_csv(tmp_path, write_pair):
    write_pair("a", 80, 70, dataset="EuroSAT", backbone="ViT-B/16")
    report = base_to_new(*collect_runs(tmp_path / "runs"))
    rows = choose("base2new", "MaPLe,PromptKD,MaPLe+DPC")
    made = tables.document(report, title="", options=tables.Options(published=rows))
    text = to_markdown(made)
    assert "- PromptKD \u2020: transductive; teacher\n" in text
    assert "- MaPLe+DPC \u2020: task oracle\n" in text and "- MaPLe \u2020" not in text
    lines = csv.DictReader(io.StringIO(to_csv(made)))
    assert {line["marks"] for line in lines if line["row"].startswith("PromptKD")} == {
        "transductive; teacher"
    }


def test_of_every_whole_method_it_is_known_how_its_average_is_formed():
    with (FOLDER / "average_hm_kind.csv").open() as file:
        known = {line["method"] for line in csv.DictReader(file)}
    places: dict[str, set] = {}
    for row in read("base2new"):
        if row.shots == 16 and "hm" in row.values:
            places.setdefault(row.method, set()).add(row.place)
    assert {method for method, found in places.items() if len(found) == 12} <= known


def test_no_cost_stands_twice():
    with (FOLDER / "cost.csv").open() as file:
        lines = [
            (line["method"], line["train_time"], line["memory"],
             line["source"].partition("repo ")[2].rstrip(")"))
            for line in csv.DictReader(file)
            if line["train_time"]
        ]  # fmt: skip
    assert len(set(lines)) == len(lines)


def test_ours_is_set_against_the_range_of_all_publications(write_pair, tmp_path, capsys):
    """CoOp on the average of eleven: its own and four re-runs, 71.66 to 75.18."""
    rows = [row for row in papers.choose("base2new", "CoOp") if row.place == papers.AVERAGE]
    found = papers.publications(rows, "base2new")
    values = sorted(found["CoOp", 16, "hm"])
    assert (values[0], values[-1], len(values)) == (71.66, 75.18, 5)
    write_pair("a", 82.0, 70.0, dataset="ImageNet", backbone="ViT-B/16")
    report = ["base2new", "--output", str(tmp_path / "runs"), "--published", "CoOp"]
    assert main(report) == 0
    text = capsys.readouterr().out
    line = next(x for x in text.splitlines() if x.startswith("| CoOp, New"))
    numbers = sorted(
        row.values["new"]
        for row in papers.read("base2new")
        if row.method.split(" (")[0] == "CoOp" and row.place == "imagenet" and row.shots == 16
    )
    assert f"{numbers[0]:.2f} to {numbers[-1]:.2f} (n={len(numbers)}): " in line
    where = (
        "inside" if numbers[0] <= 70 <= numbers[-1] else "above" if 70 > numbers[-1] else "below"
    )
    assert where in line


def test_the_papers_names_of_our_trainers_are_in_the_files():
    methods = {row.method for name in FILES if name != "cost" for row in read(name)}
    assert set(PAPERS_NAMES.values()) <= methods
