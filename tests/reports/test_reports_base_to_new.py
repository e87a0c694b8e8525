import csv
import io

import pytest

from reports.output.formats import to_csv, to_html, to_latex
from reports.output.formats import to_markdown as render_markdown
from reports.published import papers
from reports.runs.collect import collect_runs
from reports.tables import base_to_new as tables
from reports.tables.base_to_new import FOOTNOTE, HM_KINDS, Options, headings_of
from reports.tables.base_to_new_numbers import base_to_new
from reports.unknown_names import UnknownNameError

PM = "\u00b1"
EXPECTED = [
    ["Trainer", "Shots", "Base", "New", "HM", "Seeds", "Trained parameters"],
    ["ZeroshotCLIP", "", "40.00", "<ins>60.00</ins>", "48.00", "1", "0"],
    ["CoOp", "16", f"**70.00** {PM} 10.00", f"50.00 {PM} 10.00", f"<ins>58.33</ins> {PM} 10.29",
     "2", "2,048"],
    ["E2MIM", "16", f"<ins>65.00</ins> {PM} 5.00", f"**62.00** {PM} 2.00", f"**63.46** {PM} 3.43",
     "2", "2,048"],
]  # fmt: skip


def to_markdown(report, *, title="", **options):
    return render_markdown(tables.document(report, title=title, options=Options(**options)))


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
    assert text.endswith(f"\n\n{FOOTNOTE.format(HM_KINDS['averages'])}\n")


def test_the_other_harmonic_mean_by_hand(report):
    text = to_markdown(report, harmonic="mean")
    # CoOp's seeds: 480 / 7 and 48; E2MIM's: 2 * 70 * 64 / 134 and 60.
    assert [row[4] for row in table_rows(text)[1:]] == [
        "48.00", f"<ins>58.29</ins> {PM} 10.29", f"**63.43** {PM} 3.43"
    ]  # fmt: skip
    assert "HM is the mean of the harmonic means" in text


def test_differences_to_a_row_by_hand(report):
    text = to_markdown(report, baseline="CoOp")
    rows = {row[0]: row[2:5] for row in table_rows(text)}
    assert rows["E2MIM"] == [
        f"<ins>65.00</ins> {PM} 5.00 (\u22125.00)", f"**62.00** {PM} 2.00 (+12.00)",
        f"**63.46** {PM} 3.43 (+5.13)",
    ]  # fmt: skip
    assert rows["CoOp"][0] == f"**70.00** {PM} 10.00"
    assert "In parentheses: the difference to CoOp, in points." in text
    with pytest.raises(UnknownNameError, match="no row 'KgCoOp'. Did you mean 'CoOp'"):
        to_markdown(report, baseline="KgCoOp")


def test_paired_differences_by_hand(report):
    lines = table_rows(to_markdown(report, pair=("E2MIM", "CoOp")))
    found = {row[0]: row[1:] for row in lines[5:]}
    # Seeds 1 and 2: base 70 - 80, 60 - 60; new 64 - 60, 60 - 40.
    assert found["Base"] == ["-5.00", "-10.00 to +0.00", "1", "2"]
    assert found["New"][0] == "+12.00" and found["New"][2:] == ["0.5", "2"]
    with pytest.raises(UnknownNameError, match="--paired: there is no row 'TCP'. There are: Zero"):
        to_markdown(report, pair=("TCP", "CoOp"))


def test_latex_by_hand(report):
    lines = to_latex(tables.document(report, title="T")).splitlines()
    (row,) = [line for line in lines if line.startswith(" E2MIM")]
    assert [cell.strip() for cell in row.removesuffix("\\\\").split("&")] == [
        "E2MIM", "16", r"\underline{65.00} $\pm$ 5.00", r"\textbf{62.00} $\pm$ 2.00",
        r"\textbf{63.46} $\pm$ 3.43", "2", "2,048",
    ]  # fmt: skip
    assert lines.count(r"\begin{table}") == 1 and r"\caption{PocketShapes (Pocket)}" in lines


def test_settings_beyond_those_that_a_key_holds_still_part_rows(tmp_path, write_pair):
    for seed, last in ((1, 1), (2, 2)):
        config = {"OPTIM": dict.fromkeys("ABCDEFGH", seed) | {"I": 0, "J": last}}
        write_pair(f"a{seed}", 70, 50, config=config)
        write_pair(f"b{seed}", 70, 50, seed=seed, config=config | {"F": {"A": 1}})
    report = base_to_new(*collect_runs(tmp_path / "runs"))
    text = to_markdown(report)
    assert [row[0] for row in table_rows(text)[1:]] == [f"CoOp {letter}" for letter in "abcd"]
    keys = [line for line in text.splitlines() if line.startswith("- CoOp ")]
    assert len({key[9:] for key in keys}) == 4
    assert all(key[8:].startswith(": F.A ") and ", 2 more: " in key for key in keys)


def test_costs_of_several_devices_are_not_averaged(tmp_path, write_pair):
    write_pair("a", 70, 50, seed=1, device="A")
    write_pair("b", 70, 50, seed=2, device="B")
    text = to_markdown(base_to_new(*collect_runs(tmp_path / "runs")), cost=True)
    assert table_rows(text)[1][-3:] == ["2,048", "", ""]
    assert "of several devices (A; B)" in text


def test_halves_of_another_training_are_left_out(tmp_path, write_result):
    write_result("a", subset="base", trained_on={"dataset": "PocketShapes", "subset": "all"})
    write_result("b", subset="new", trained_on={"dataset": "PocketMarks", "subset": "base"})
    report = base_to_new(*collect_runs(tmp_path / "runs"))
    assert [item.reason.split(",")[0] for item in report.left_out] == [
        "trained on PocketShapes", "trained on PocketMarks"
    ]  # fmt: skip


def test_signs_of_latex_and_html_are_escaped(tmp_path, write_pair):
    write_pair("a", 70, 50, dataset="50%_<x>", trainer="a\\b^~")
    document = tables.document(base_to_new(*collect_runs(tmp_path / "runs")), title="A & B")
    assert r"\caption{50\%\_<x> (Pocket)}" in to_latex(document)
    assert r"a\textbackslash{}b\textasciicircum{}\textasciitilde{}" in to_latex(document)
    assert "<h3>50%_&lt;x&gt; (Pocket)</h3>" in to_html(document)
    assert "<h2>A &amp; B</h2>" in to_html(document)


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
    write_pair("e", 70, 50, trainer="TCP", shots=16)
    write_pair("f", 70, 50, trainer="VPT", config={"OPTIM": {"LR": 0.1}, "SEED": 1})
    write_pair("g", 70, 50, trainer="VPT", config={"OPTIM": {"LR": 0.2}, "SEED": 2})
    text = to_markdown(base_to_new(*collect_runs(tmp_path / "runs")), title="")
    names = [row[0] for row in table_rows(text)[1:]]
    assert names == [
        "CoOp (ctx16)", "CoOp (ctx4)", "KgCoOp", "TCP (4 shots)", "TCP (16 shots)",
        "VPT (OPTIM.LR 0.1)", "VPT (OPTIM.LR 0.2)",
    ]  # fmt: skip


def test_headings_name_the_weights_where_they_differ(tmp_path, write_pair):
    write_pair("a", 70, 50, dataset="A")
    write_pair("b", 70, 50, dataset="A", weights_sha256="b" * 64)
    write_pair("c", 70, 50, dataset="A", backbone="RN50")
    report = base_to_new(*collect_runs(tmp_path / "runs"))
    assert headings_of(report.blocks) == [
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
    lines = list(csv.DictReader(io.StringIO(to_csv(tables.document(report, title="T")))))
    rows = {(line["trainer"], line["column"]): line for line in lines}
    harmonic, row = report.blocks[0].rows[1].harmonic, rows["CoOp", "HM"]
    assert (float(row["value"]), float(row["std"])) == (harmonic.value, harmonic.std)
    assert (row["seeds"], row["shots"], row["recipe"]) == ("1 2", "16", "pocket")
    assert (row["dataset"], row["weights_sha256"]) == ("PocketShapes", "a" * 64)
    assert rows["E2MIM", "Trained parameters"]["value"] == "2,048"


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


ELEVEN = (
    "ImageNet", "Caltech101", "OxfordPets", "StanfordCars", "OxfordFlowers", "Food101",
    "FGVCAircraft", "SUN397", "DescribableTextures", "EuroSAT", "UCF101",
)  # fmt: skip


def test_published_rows_stand_beside_ours(tmp_path, write_pair):
    for dataset in ELEVEN:
        write_pair(f"m/{dataset}", 82, 75, trainer="MaPLe", dataset=dataset, backbone="ViT-B/16")
    write_pair("p", 80, 70, trainer="MaPLe")
    beside = papers.choose("base2new", "MaPLe,MMA")
    report = base_to_new(*collect_runs(tmp_path / "runs"))
    document = tables.document(report, title="", options=Options(published=beside))
    grids = {
        grid.title.split(" (")[0]: grid for grid in document.grids if "against" not in grid.title
    }
    average = grids["Average over 11 data sets"]
    values = [average.cell("MaPLe \u2020", name).value for name in ("Base", "New", "HM")]
    assert values == [82.28, 75.14, 78.55]  # MaPLe's paper
    assert average.cell("MaPLe", "Base").seeds == (1,)
    dtd = grids["DescribableTextures"].cell("MaPLe \u2020", "Base")
    assert (dtd.value, dtd.mark, dtd.std, dtd.seeds) == (80.36, "\u2020", None, ())
    assert grids["UCF101"].cell("MMA \u2020", "HM").mark == "\u2020\u2021"  # 82.20, not 83.01
    assert [row.label for row in grids["PocketShapes"].rows] == ["MaPLe"]
    (against,) = [
        grid
        for grid in document.grids
        if grid.title.startswith("UCF101") and "against" in grid.title
    ]
    assert against.cell("MaPLe, Base", "Difference") == "-1.00"
    assert against.cell("MaPLe, Base", "By the published spread") == "spread not published"


def test_an_average_over_other_data_sets_has_no_published_row(tmp_path, write_pair):
    for dataset in ELEVEN[:10]:
        write_pair(dataset, 82, 75, trainer="MaPLe", dataset=dataset, backbone="ViT-B/16")
    options = Options(published=papers.choose("base2new", "MaPLe"))
    report = base_to_new(*collect_runs(tmp_path / "runs"))
    document = tables.document(report, title="", options=options)
    (average,) = [grid for grid in document.grids if grid.title.startswith("Average")]
    assert [row.label for row in average.rows] == ["MaPLe"]


def test_a_key_stands_once_below_all_tables_and_in_each_of_latex(tmp_path, write_pair):
    for dataset in "AB":
        for alpha in (1, 2):
            config = {"TRAINER": {"A_LONG_SETTING": alpha}}
            write_pair(f"{dataset}{alpha}", 70, 50, dataset=dataset, config=config)
    write_pair("C", 70, 50, dataset="C", config={"TRAINER": {"A_LONG_SETTING": 2}})
    report = base_to_new(*collect_runs(tmp_path / "runs"))
    document = tables.document(report, title="T")
    text, latex = render_markdown(document), to_latex(document)
    lines = ("CoOp a: A_LONG_SETTING 1", "CoOp b: A_LONG_SETTING 2", "CoOp: A_LONG_SETTING 2")
    end = "".join(f"- {line}\n" for line in lines) + "\nAccuracy in percent"
    assert end in text and text.count("- CoOp a") == 1
    # Alone in C's table and the average's it has its bare name; the key says which it is.
    assert [row[0] for row in table_rows(text)] == [
        *("Trainer", "CoOp a", "CoOp b"), *("Trainer", "CoOp a", "CoOp b"), *("Trainer", "CoOp"),
        *("Trainer", "CoOp"), *("Row", "CoOp a", "CoOp b"),  # without C
    ]  # fmt: skip
    assert latex.count(r"{\footnotesize CoOp a: A\_LONG\_SETTING 1}") == 3
    assert '<ul class="key">\n<li>CoOp a: A_LONG_SETTING 1</li>' in to_html(document)
    lines = list(csv.DictReader(io.StringIO(to_csv(document))))
    assert {(line["row"], line["details"]) for line in lines} == {
        ("CoOp a", "A_LONG_SETTING 1"), ("CoOp b", "A_LONG_SETTING 2"), ("CoOp", "A_LONG_SETTING 2")
    }  # fmt: skip
