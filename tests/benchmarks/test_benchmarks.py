"""The benchmarks measure what they say, and refuse ways that disagree."""

import json
from unittest import mock

import pytest
import torch

from benchmarks import kinds, launches, memory, protocol, training_store, waiting
from benchmarks.__main__ import main
from benchmarks.cases import HALF_TOLERANCE
from benchmarks.collect import collect
from benchmarks.loading import BATCH, drafting, loading
from benchmarks.measure import Ratio, compare, median_time, seconds, shares, shares_of
from benchmarks.protocol import base_to_new, row
from benchmarks.subjects import Subject, class_names, make_files
from pocket.datasets import PocketSet
from pocket.weights import weights_path as pocket_weights
from promptkit import compiling
from trainers.coop import CoOp


def test_ways_that_disagree_are_refused():
    right = torch.tensor([1.0, 2.0])
    ratio = compare(lambda: [right], lambda: [right + 1e-6], repeats=2)
    assert ratio.difference == pytest.approx(5e-7, rel=0.3) and ratio.speedup > 0
    with pytest.raises(AssertionError, match=r"differs from the reference by 5.0e-03"):
        compare(lambda: [right], lambda: [right * torch.tensor([1.01, 1.0])], repeats=1)
    with pytest.raises(AssertionError, match="by nan"):
        compare(lambda: [right, right * float("nan")], lambda: [right, right], repeats=1)
    nothing = torch.zeros(2)
    assert compare(lambda: [nothing], lambda: [nothing], repeats=1).difference == 0
    with pytest.raises(AssertionError, match=r"by 1.0e\+00"):
        compare(lambda: [nothing], lambda: [right], repeats=1, tolerance=HALF_TOLERANCE)
    with pytest.raises(ValueError):  # one gives more
        compare(lambda: [right], lambda: [right, right], repeats=1)


def test_speedup_is_the_references_time_over_ours():
    assert Ratio(2.0, 50.0, 0, 0, 0).speedup == 25
    assert median_time(lambda: [], repeats=1).speedup is None


def test_what_a_gpu_still_has_to_do_counts():
    calls = []
    with (
        mock.patch("torch.cuda.is_initialized", return_value=True),
        mock.patch("torch.cuda.synchronize", lambda: calls.append("wait")),
    ):
        assert seconds(lambda: calls.append("way")) > 0
    assert calls == ["wait", "way", "wait"]


def test_shares_are_of_all_time():
    times = {"aten::mm": 5, "aten::addmm": 1, "aten::_flash_attention_forward": 2, "gelu": 2}
    assert shares_of(times) == {"matrix products": 0.6, "attention": 0.2, "other": 0.2}
    x = torch.randn(100, 100)
    found = shares(lambda: [x @ x, x.relu()])
    assert found["matrix products"] > 0 and found["other"] > 0 and found["attention"] == 0
    assert sum(found.values()) == pytest.approx(1)


@pytest.mark.parametrize("count", [3, 100, 10_000])
def test_class_names_are_different_and_of_one_to_three_words(count):
    names = class_names(count)
    assert len(set(names)) == len(names) == count
    assert all(1 <= len(part.split()) <= 3 for name in names for part in name.split(" and "))


@pytest.fixture
def few_images(monkeypatch):
    """Evaluation of few images; memory measured in a fork, which needs no start."""
    monkeypatch.setattr(kinds, "TEST_IMAGES", (16, 16))
    monkeypatch.setattr(memory, "START", "fork")


def test_every_kind_is_equal_to_its_reference_on_pocket(tmp_path, capsys, few_images):
    arguments = ["text", "step", "eval", "keep", "memory"]
    arguments += ["--methods", "CoOp,CoCoOp", "--model", "Pocket"]
    arguments += ["--classes", "3", "--repeats", "1"]
    assert main([*arguments, "--json", str(tmp_path / "x.json")]) == 0
    *rows, peaks = json.loads((tmp_path / "x.json").read_text())["rows"]
    assert len(rows) == 7 and all(row["difference"] < 1e-4 for row in rows)
    fast, reference = peaks["peak_bytes"]
    assert peaks["ratio"] == reference / fast > 1
    table = capsys.readouterr().out.splitlines()
    names = [row["what"] for row in [*rows, peaks]]
    assert [line.split("|")[1].strip() for line in table[2 : len(names) + 2]] == names


@pytest.mark.large
def test_half_precision_is_compared_more_coarsely(tmp_path):
    path = tmp_path / "x.json"
    arguments = ["text", "step", "--methods", "CoOp,MaPLe", "--model", "Pocket", "--classes", "6"]
    arguments += ["--repeats", "1", "--precision", "bf16", "--json", str(path)]
    assert main(arguments) == 0
    found = json.loads(path.read_text())
    assert (found["precision"], found["device"]) == ("bf16", "cpu")
    assert len(found["rows"]) == 4 and all(1e-5 < row["difference"] < 0.1 for row in found["rows"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--device", "cuda"], "torch finds no CUDA device"),
        (["--precision", "fp16"], "needs --device cuda"),
        (["texts"], "KIND must be one of text, compile"),
    ],
)
def test_what_cannot_be_measured_is_said(monkeypatch, capsys, arguments, message):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(SystemExit):
        main(arguments)
    assert message in capsys.readouterr().err


@pytest.mark.large
def test_the_reference_may_be_left_out(tmp_path, few_images):
    path = tmp_path / "x.json"
    arguments = ["text", "step", "eval", "--methods", "CoOp", "--model", "Pocket", "--classes", "6"]
    assert main([*arguments, "--repeats", "1", "--reference-to", "5", "--json", str(path)]) == 0
    rows = json.loads(path.read_text())["rows"]
    assert len(rows) == 4 and all(row["fast_ms"] > 0 for row in rows)
    assert {row["reference_ms"] for row in rows} == {row["ratio"] for row in rows} == {None}


def test_a_compiled_step_is_compared_with_the_plain_one(monkeypatch, tmp_path):
    monkeypatch.setattr(compiling, "COMPILER", "eager")
    path = tmp_path / "x.json"
    arguments = ["compile", "--methods", "KgCoOp", "--model", "Pocket", "--classes", "3"]
    assert main([*arguments, "--repeats", "1", "--json", str(path)]) == 0
    (row,) = json.loads(path.read_text())["rows"]
    assert row["difference"] < 1e-5 and "compiling" in row["note"] and "pays" in row["note"]


def test_kernels_are_what_computes():
    x, weight = torch.randn(4, 3), torch.randn(2, 3, requires_grad=True)

    def way():
        (x @ weight.t()).relu().view(8).sum().backward()

    found = launches.counted(way)
    # mm, relu, sum; ones_like, its backward's threshold, mm: views are none.
    assert found.kernels == 6 and found.operations == 2 * 2 * 4 * 3 * 2
    assert found.model_sec == pytest.approx(6 * launches.LAUNCH_SEC)


def test_the_fast_path_asks_a_gpu_for_no_more_pieces(tmp_path):
    path = tmp_path / "x.json"
    arguments = ["launches", "--model", "Pocket", "--classes", "30", "--repeats", "1"]
    assert main([*arguments, "--methods", "KgCoOp", "--json", str(path)]) == 0
    (row,) = json.loads(path.read_text())["rows"]
    fast, reference = row["counted"]
    assert fast["kernels"] <= reference["kernels"] and fast["bytes"] < reference["bytes"] / 5
    assert fast["operations"] < reference["operations"] / 5


def test_methods_alone_and_unknown_ones(tmp_path, capsys):
    arguments = ["step", "--model", "Pocket", "--classes", "3", "--repeats", "1", "--methods"]
    assert main([*arguments, "MaPLe", "--json", str(tmp_path / "x.json")]) == 0
    (row,) = json.loads((tmp_path / "x.json").read_text())["rows"]
    assert row["what"] == "MaPLe step, batch 4"
    with pytest.raises(SystemExit):
        main([*arguments, "MaPel"])
    assert "there is no 'MaPel'" in capsys.readouterr().err


@pytest.mark.large
def test_both_ways_of_a_protocol_give_the_same_accuracies(tmp_path, monkeypatch):
    monkeypatch.setattr(protocol, "DATASET", "pocket_sizes")  # fewer classes
    monkeypatch.setattr(PocketSet, "per_class", {"train": 2, "val": 1, "test": 12})
    encoded, plain = [], CoOp.class_features

    def counted(trainer):
        encoded.append(trainer.options.text_encoder)
        return plain(trainer)

    with mock.patch.object(CoOp, "class_features", counted):
        run = base_to_new(
            "CoOp", 1, tmp_path, opts=("OPTIM.MAX_EPOCH", "1", "DATASET.NUM_SHOTS", "2")
        )
    assert run["difference"] == 0
    assert len(run["fast_sec"]) == len(run["reference_sec"]) == 1
    # Once a test, against once for each of the two batches of both.
    assert encoded == ["fast"] * 2 + ["reference"] * 4


def test_a_thousand_result_files_are_read(tmp_path):
    assert collect(tmp_path, repeats=1).fast_sec > 0  # it counts what is in the table


@pytest.mark.large
@pytest.mark.filterwarnings("ignore:This DataLoader will create 2 worker")  # on one core
def test_a_step_waits_for_its_batches(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.loading.BATCHES", 3)
    make_files(tmp_path, classes=3 * BATCH, tests=1, size=48)
    found = loading(Subject("Pocket", tmp_path))
    assert found.decode_sec > 0 and found.image_sec > 0
    assert set(found.waits) == {0, 2} and all(0 < x < 1 for x in found.waits.values())


def test_a_draft_differs_less_than_another_interpolation(tmp_path):
    make_files(tmp_path, classes=1, tests=1, size=48)
    found = drafting(Subject("Pocket", tmp_path), repeats=1)
    assert 0 < found.levels < found.bilinear_levels / 2
    assert found.ratio.fast_sec > 0 and found.ratio.reference_sec > 0


def test_a_protocols_row_is_of_sums():
    one = {"fast_sec": [1.0, 2.0, 3.0], "reference_sec": [5.0, 6.0, 7.0], "difference": 0.0}
    two = {"fast_sec": [1.0, 1.0, 1.0], "reference_sec": [9.0, 9.0, 9.0], "difference": 0.1}
    both = row("all", [one, two])
    assert (both["fast_ms"], both["reference_ms"], both["ratio"]) == (9000, 45000, 5)
    assert both["fast_spread"] == pytest.approx((4 - 2) / 3) and both["difference"] == 0.1


def test_ways_of_waiting_alone_and_beside_a_busy_process(monkeypatch, capsys):
    """Each way runs as often alone as beside; the median counts."""
    asked = []

    def seconds(settings, data):
        asked.append(settings)
        return float(len(asked))

    monkeypatch.setattr(waiting, "seconds", seconds)
    assert waiting.main(["--repeats", "3"]) == 0
    ways = list(waiting.WAYS.values())
    assert asked == [{}, *ways * 3, *ways * 3]  # the first draws the images
    first = capsys.readouterr().out.splitlines()[3]
    # Of calls 2, 6, 10 and 14, 18, 22.
    cells = [cell.strip() for cell in first.split("|")]
    assert cells[2:4] == ["6.0 (2.0 to 10.0)", "18.0 (14.0 to 22.0)"]


def test_runs_that_read_the_store_learn_what_cold_ones_learn(tmp_path, monkeypatch):
    monkeypatch.setattr(training_store, "GRID", ((1.0, 0.0),))
    monkeypatch.setattr(training_store, "CLASSES", 3)
    make_files(tmp_path, classes=3, tests=1, size=48)
    rows = list(training_store.measured(Subject("Pocket", tmp_path), repeats=1))
    assert len(rows) == 3 and all(ratio.difference == 0 for _, ratio, _ in rows)
    width = torch.load(pocket_weights(), weights_only=True)["visual.proj"].shape[0]
    kilobytes = float(rows[0][2].split()[0])
    assert 4 * width / 1e3 < kilobytes < 4 * width / 1e3 + 2  # and what a file has besides


def test_a_warm_run_that_learned_something_else_is_no_ratio():
    one, other = (1.0, [torch.zeros(2)]), (2.0, [torch.ones(2)])
    with pytest.raises(AssertionError, match="a warm run learned something else"):
        training_store._ratio([one], [other])
