import csv
import shutil

import pytest

from reports.layout.grid import Cell
from reports.published.papers import (
    FILES,
    FOLDER,
    choose,
    harmonic_means_of_other_kind,
    place_of,
    read,
    verdict,
)  # fmt: skip
from reports.tables.base_to_new_numbers import harmonic_mean


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
