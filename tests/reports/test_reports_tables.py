import csv
import io

import pytest

from reports.collect import collect_runs
from reports.statistics import base_to_new
from reports.tables import FOOTNOTE, headings, to_csv, to_markdown

PM = "\u00b1"
EXPECTED = [
    ["Trainer", "Shots", "Base", "New", "HM", "Seeds", "Trained parameters"],
    ["ZeroshotCLIP", "0", "40.00", "60.00", "48.00", "1", "0"],
    ["CoOp", "16", f"**70.00** {PM} 10.00", f"50.00 {PM} 10.00", f"58.33 {PM} 10.29", "2", "2,048"],
    [
        "E2MIM",
        "16",
        f"65.00 {PM} 5.00",
        f"**62.00** {PM} 2.00",
        f"**63.46** {PM} 3.43",
        "2",
        "2,048",
    ],
]


@pytest.fixture
def report(tmp_path, write_pair):
    write_pair("e1", 70, 64, trainer="E2MIM", seed=1)
    write_pair("e2", 60, 60, trainer="E2MIM", seed=2)
    write_pair("c1", 80, 60, seed=1)
    write_pair("c2", 60, 40, seed=2)
    write_pair("z", 40, 60, trainer="ZeroshotCLIP", shots=0, trained_parameters=0)
    return base_to_new(*collect_runs(tmp_path / "runs"))


def table_rows(text):
    """The cells of all table rows but the rulers, without their padding."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_markdown_by_hand(report):
    text = to_markdown(report, title="Ours")
    assert table_rows(text) == EXPECTED
    assert text.startswith("# Ours\n\n## PocketShapes (Pocket)\n\n| Trainer")
    assert text.endswith(f"\n\n{FOOTNOTE}\n")


def test_footnote_says_which_harmonic_mean():
    assert "harmonic mean 2BN / (B + N) of the seed-averaged base (B) and new (N)" in FOOTNOTE
    assert "population standard deviation" in FOOTNOTE


def test_equal_as_written_is_equally_bold(tmp_path, write_pair):
    write_pair("a", 70.001, 50, trainer="A")
    write_pair("b", 70.002, 40, trainer="B")
    text = to_markdown(base_to_new(*collect_runs(tmp_path / "runs")), title="")
    assert text.count("**70.00**") == 2


def test_recipe_and_shots_are_named_only_where_they_differ(tmp_path, write_pair):
    write_pair("a", 70, 50, recipe="ctx4")
    write_pair("b", 70, 50, recipe="ctx16")
    write_pair("c", 70, 50, trainer="KgCoOp")
    write_pair("d", 70, 50, trainer="TCP", shots=4)
    write_pair("e", 70, 50, trainer="TCP", shots=8)
    text = to_markdown(base_to_new(*collect_runs(tmp_path / "runs")), title="")
    names = [row[0] for row in table_rows(text)[1:]]
    assert names == ["CoOp (ctx16)", "CoOp (ctx4)", "KgCoOp", "TCP (4 shots)", "TCP (8 shots)"]


def test_headings_name_the_weights_where_they_differ(tmp_path, write_pair):
    write_pair("a", 70, 50, dataset="A")
    write_pair("b", 70, 50, dataset="A", weights_sha256="b" * 64)
    write_pair("c", 70, 50, dataset="A", backbone="RN50")
    report = base_to_new(*collect_runs(tmp_path / "runs"))
    assert headings(report.blocks) == [
        "A (Pocket, weights aaaaaaaa)",
        "A (Pocket, weights bbbbbbbb)",
        "A (RN50)",
    ]


def test_several_parameter_counts_are_a_range(tmp_path, write_pair):
    write_pair("a", 70, 50, seed=1, trained_parameters=1000)
    write_pair("b", 70, 50, seed=2, trained_parameters=2000)
    assert "1,000 to 2,000" in to_markdown(base_to_new(*collect_runs(tmp_path / "runs")), title="")


def test_left_out_is_listed(tmp_path, write_result, write_pair):
    write_pair("a", 70, 50)
    write_result("b", seed=2)
    text = to_markdown(base_to_new(*collect_runs(tmp_path / "runs")), title="")
    assert "## Left out\n\n- `b/result.json`: base without new" in text


def test_csv_keeps_full_precision(report):
    rows = list(csv.DictReader(io.StringIO(to_csv(report))))
    assert [row["trainer"] for row in rows] == ["ZeroshotCLIP", "CoOp", "E2MIM"]
    harmonic = report.blocks[0].rows[1].harmonic
    assert float(rows[1]["hm"]) == harmonic.value
    assert float(rows[1]["hm_std"]) == harmonic.std
    assert (rows[1]["base"], rows[1]["seeds"], rows[1]["shots"]) == ("70.0", "2", "16")
    assert rows[1]["weights_sha256"] == "a" * 64
    assert rows[1]["trained_parameters_min"] == rows[1]["trained_parameters_max"] == "2048"


def test_costs_by_hand(tmp_path, write_pair):
    write_pair("a", 70, 50, seed=1, step_sec=0.2, peak_memory_bytes=1_000_000_000)
    write_pair("b", 70, 50, seed=2, step_sec=0.4, peak_memory_bytes=2_000_000_000)
    write_pair("z", 40, 60, trainer="ZeroshotCLIP", trained_parameters=0, step_sec=None)
    report = base_to_new(*collect_runs(tmp_path / "runs"))
    rows = table_rows(to_markdown(report, title="", cost=True))
    assert [row[-2:] for row in rows] == [
        ["Seconds a step", "Peak memory (MB)"],
        ["", "600"],
        ["0.300", "2,000"],
    ]
    assert "Seconds" not in to_markdown(report, title="")
