"""The page is whole, needs no network, and shows each run; the curves are those of the logs."""

import html
import json
import re
from html.parser import HTMLParser

import pytest

from reports.__main__ import main
from reports.runs.collect import collect_runs
from reports.tables.histories import histories

PER_CLASS = [
    {"label": 0, "name": "red <circle>", "total": 20, "correct": 13},
    {"label": 1, "name": "blue square", "total": 10, "correct": 9},
    {"label": 2, "name": "cyan star", "total": 10, "correct": 10},
]
LOG = """epoch [1/2] mean loss 1.5000 mi 0.2500
epoch [2/2] mean loss 1.0000 mi 0.5000
Finish training
"""


class Outline(HTMLParser):
    """Tags with their attributes; checks that what is opened is closed."""

    VOID = frozenset({"meta", "img", "br"})

    def __init__(self):
        super().__init__()
        self.tags, self.open = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture
def folder(tmp_path, write_pair, write_result):
    write_pair("c", 80, 60, per_class=PER_CLASS, confused=[[0, 1, 5], [0, 2, 2], [1, 2, 1]])
    write_pair("k", 70, 70, trainer="KgCoOp", dataset="<b>")
    write_result("bad", accuracy=float("nan"))
    (tmp_path / "runs/c/base/log.txt").write_text(LOG)
    (tmp_path / "runs/c/base/log.txt-2030-01-01-00-00-00").write_text(
        "epoch [2/2] mean loss 0.9000 mi 0.6000\n<script>alert(1)</script>\n"  # resumed
    )
    points = [{"epoch": 1, "base": 50.0, "new": 40.0}, {"epoch": 2, "base": 80.0, "new": 60.0}]
    (tmp_path / "runs/c/base/curve.json").write_text(json.dumps({"points": points}))
    return tmp_path / "runs"


@pytest.fixture
def page(folder):
    assert main(["html", "--output", str(folder), "--title", "Ours & theirs"]) == 0
    return (folder / "report.html").read_text(encoding="utf-8")


def test_the_page_is_whole_and_needs_no_network(page):
    outline = Outline()
    outline.feed(page)
    assert outline.open == []
    sources = [value for _, found in outline.tags for key, value in found.items()
               if key in ("src", "href")]  # fmt: skip
    assert sources and all(s.startswith(("data:", "#")) for s in sources)
    assert not re.search(r"url\(|@import|fetch\(|XMLHttp|https?://", page)
    targets = {found.get("id") for _, found in outline.tags}
    assert {s[1:] for s in sources if s.startswith("#")} <= targets


def test_what_comes_from_files_is_escaped(page):
    assert "<script>alert" not in page and "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<title>Ours &amp; theirs</title>" in page and "&lt;b&gt; (Pocket)" in page


MARKUP = "<i id='x'>{}</i></script>&{{{{ 7 }}}}{{% raw %}}\""


def text_of(page):
    """Checks that no markup got through; all the text of a page, as a reader sees it."""
    outline = Outline()
    outline.feed(page)
    assert not outline.open and "i" not in {tag for tag, _ in outline.tags}
    return html.unescape(re.sub(r"<[^>]*>", "", page))


def test_whatever_a_user_writes_is_escaped(tmp_path, write_pair, write_result):
    names = ("trainer", "dataset", "recipe", "backbone", "device", "shot_list_sha256",
             "weights_sha256")  # fmt: skip
    fields = {name: MARKUP.format(name) for name in names}
    fields["git"] = {"commit": '<i>&"', "dirty": False}
    fields["own_data"] = {
        name: MARKUP.format(f"own_{name}") for name in ("path", "list", "images_sha256")
    }
    config = {MARKUP.format("key"): MARKUP.format("value")}
    config["DATASET"] = {"FOLDER": {"CLASSNAMES": MARKUP.format("classnames")}}
    counts = [{**entry, "name": MARKUP.format("class")} for entry in PER_CLASS]
    for kind in ("one", "two"):  # rows of one trainer have a key
        config = {**config, "KIND": MARKUP.format(kind)}
        write_pair(kind, 80, 60, **fields, config=config, command=[MARKUP.format("command")],
                   per_class=counts, confused=[[0, 1, 5]])  # fmt: skip
    place = tmp_path / "runs/one/base"
    (place / f"log.txt-{MARKUP.format('file').replace('/', '')}").write_text(MARKUP.format("log"))
    write_result("<i>", trainer=MARKUP.format("alone"), subset="base")
    write_result("bad<i>", trainer="x", subset=MARKUP.format("wrong"))
    title = MARKUP.format("title")
    assert main(["html", "--output", str(tmp_path / "runs"), "--title", title]) == 0
    text = text_of((tmp_path / "runs/report.html").read_text(encoding="utf-8"))
    own = ("own_path", "own_list", "own_images_sha256", "classnames", "key", "value", "class")
    for name in (*names, *own, "one", "two", "command", "log", "alone", "title"):
        assert MARKUP.format(name) in text, name
    assert text.count(MARKUP.format("file").replace("/", "")) == 1
    assert repr(MARKUP.format("wrong")) in text and "bad<i>/result.json" in text


def test_each_run_has_its_details(page):
    assert page.count('<details id="run') == 4
    assert "CoOp on PocketShapes, base classes, seed 1: 80.00 %" in page
    assert "SEED: 1" in page and "metrics.accuracy must be a number" in page


def test_a_command_that_is_no_text_does_not_cost_the_page(tmp_path, write_result):
    write_result("a", command=["train.py", "--root", "data\udcff"])
    assert main(["html", "--output", str(tmp_path / "runs")]) == 0
    text = (tmp_path / "runs/report.html").read_text(encoding="utf-8")
    assert "<dd>train.py --root data\\udcff</dd>" in text


def test_confusions_by_hand(page):
    matrix = json.loads(html.unescape(re.search(r'data-matrix="([^"]+)"', page)[1]))
    assert matrix["names"][0] == "red <circle>" and matrix["totals"] == [20, 10, 10]
    cells = [[0, 0, 13], [0, 1, 5], [0, 2, 2], [1, 1, 9], [1, 2, 1], [2, 2, 10]]
    assert sorted(matrix["cells"]) == cells
    table = page.split("Most confused")[1]
    entry = r"<td>(.*?) *</td>"
    rows = re.findall(f"<tr>{4 * entry}", table)
    assert rows[:3] == [
        ("red &lt;circle&gt;", "blue square", "5", "25.0"),
        ("red &lt;circle&gt;", "cyan star", "2", "10.0"),
        ("blue square", "cyan star", "1", "10.0"),
    ]


def test_curves_are_those_of_logs_and_tests(folder):
    ((found,), left) = histories(folder, collect_runs(folder)[0])
    assert found.label.text == "CoOp"
    assert found.group == "PocketShapes, base classes, 16 shots (Pocket)"
    assert left == []
    assert found.figures == {
        "loss": [(1, 1.5), (2, 0.9)],
        "mi": [(1, 0.25), (2, 0.6)],
        "test accuracy, base classes (%)": [(1, 50.0), (2, 80.0)],
        "test accuracy, new classes (%)": [(1, 40.0), (2, 60.0)],
    }


@pytest.mark.parametrize(
    ("curve", "reason"),
    [
        (b'{"points": [1]}', "points[0] must be an object with epoch; got 1"),
        (b'{"points": [{"base": 5}]}', "points[0].epoch is missing"),
        (b'{"points": [{"epoch": 1, "new": NaN}]}', "points[0].new must be a number from 0 to 100"),
        (b"[]", "must hold a JSON object; got list"),
        (b"{", "not a JSON file (Expecting property name"),
        (b"\xff", "not text in UTF-8 (invalid start byte, byte 0)"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer, not the file"),
        (b"<!DOCTYPE html><p>Sign in", "is an HTML page saved under another name"),
    ],
)
def test_a_curve_that_is_none_is_named(folder, curve, reason):
    (folder / "c/base/curve.json").write_bytes(curve)
    ((found,), (left,)) = histories(folder, collect_runs(folder)[0])
    assert list(found.figures) == ["loss", "mi"]
    assert left.path == "c/base/curve.json" and reason in left.reason


def test_training_draws_every_figure(folder, capsys):
    assert main(["training", "--output", str(folder)]) == 0
    written = capsys.readouterr().out.split()
    assert [name.rsplit("/", 1)[1] for name in written] == [
        "training-PocketShapes-base-16-shots-Pocket.png"
    ]
    assert (
        (folder / "training-PocketShapes-base-16-shots-Pocket.svg").read_text().startswith("<?xml")
    )


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"per_class": 3}, "per_class must be a list; got 3"),
        ({"per_class": [{"name": "x"}]}, "per_class[0].label is missing"),
        ({"confused": [[0, 9, 1]]}, "confused must hold"),
        ({"seconds": {"train": "x"}}, "seconds.train must be a number of seconds; got 'x'"),
        ({"git": 3}, "git must be an object; got 3"),
    ],
)
def test_details_that_are_wrong_are_named(tmp_path, write_result, fields, reason):
    write_result("bad", **fields)
    runs, (left,) = collect_runs(tmp_path / "runs")
    assert runs == [] and left.reason.startswith(reason)
