import os

import pytest

from reports.runs.collect import LeftOut, collect_runs, read_run


def test_reads_the_fields_of_a_run(tmp_path, write_result):
    write_result("a/b", accuracy=71.23456, seed=3, subset="new")
    (run,), left_out = collect_runs(tmp_path / "runs")
    assert left_out == []
    assert run.path == "a/b/result.json"
    assert (run.trainer, run.recipe, run.dataset) == ("CoOp", "pocket", "PocketShapes")
    assert (run.backbone, run.weights) == ("Pocket", "a" * 64)
    assert (run.shots, run.seed, run.subset, run.split) == (16, 3, "new", "test")
    assert (run.accuracy, run.trained_parameters) == (71.23456, 2048)


def test_order_is_that_of_the_paths(tmp_path, write_result):
    for folder in ("c", "a", "b/x"):
        write_result(folder)
    runs, _ = collect_runs(tmp_path / "runs")
    assert [run.path for run in runs] == [f"{name}/result.json" for name in ("a", "b/x", "c")]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"schema": 2}, "schema must be 1; got 2"),
        ({"schema": None}, "schema is missing"),
        ({"trainer": None}, "trainer is missing"),
        ({"trainer": 7}, "trainer must be text in UTF-8; got 7"),
        ({"seed": "1"}, "seed must be an integer of at most 2**53; got '1'"),
        ({"seed": True}, "seed must be an integer of at most 2**53; got True"),
        ({"subset": "old"}, "subset must be one of base, new, all; got 'old'"),
        ({"metrics": None}, "metrics is missing"),
        ({"metrics": {}}, "metrics.accuracy is missing"),
        ({"accuracy": float("nan")}, "metrics.accuracy must be a number from 0 to 100; got nan"),
        ({"accuracy": float("inf")}, "metrics.accuracy must be a number from 0 to 100; got inf"),
        ({"accuracy": 100.5}, "metrics.accuracy must be a number from 0 to 100; got 100.5"),
        ({"accuracy": True}, "metrics.accuracy must be a number from 0 to 100; got True"),
        ({"weights_sha256": None}, "weights_sha256 is missing"),
        ({"step_sec": float("nan")}, "step_sec must be a number of seconds; got nan"),
        (
            {"step_sec": 10**400},
            f"step_sec must be a number of seconds; got 1{17 * '0'}...{19 * '0'}",
        ),
        (
            {"peak_memory_bytes": 2**53 + 1},
            f"peak_memory_bytes must be an integer from 0 to 2**53; got {2**53 + 1}",
        ),
        (
            {"confused": [[[1], 0, 3]]},
            "confused[0] must be [label, prediction, images], three integers from 0; "
            "got [[1], 0, 3]",
        ),
        (
            {"confused": [[0, 9, 3]]},
            "confused must hold [label, prediction, images] of the labels in per_class; "
            "got [0, 9, 3]",
        ),
        ({"command": 3}, "command must be a list; got 3"),
        ({"command": ["a", 3]}, "command[1] must be text; got 3"),
        (
            {"versions": {"a": 3}},
            "versions must be an object with a text or null a key; got {'a': 3}",
        ),
        ({"trainer": "\ud800"}, "trainer must be text in UTF-8; got '\\ud800'"),
        (
            {"metrics": {"accuracy": 5.0, "macro_f1": "x"}},
            "metrics.macro_f1 must be a number from 0 to 100; got 'x'",
        ),
        ({"step_sec": "fast"}, "step_sec must be a number of seconds; got 'fast'"),
    ],
)
def test_a_wrong_field_is_named(tmp_path, write_result, fields, reason):
    write_result("bad", **fields)
    write_result("good")
    runs, left_out = collect_runs(tmp_path / "runs")
    assert [run.path for run in runs] == ["good/result.json"]
    assert left_out == [LeftOut("bad/result.json", reason)]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not a JSON file"),
        (b'{"schema": 1', "not a JSON file"),
        (b"\xff\xfe\x00", "not a JSON file"),
        ('{"trainer": "\u4e2d"}'.encode("gbk"), "result.json is not text in UTF-8"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid 1\n",
            "result.json is a Git LFS pointer",
        ),
        (
            b"\n<html><body>404</body></html>",
            "result.json is an HTML page saved under another name",
        ),
        (b"[" * 100_000, "not a JSON file"),
        (b"[1, 2]", "must hold a JSON object; got list"),
    ],
)
def test_a_broken_file_is_named(tmp_path, content, reason):
    (tmp_path / "result.json").write_bytes(content)
    runs, (left_out,) = collect_runs(tmp_path)
    assert runs == []
    assert left_out.path == "result.json"
    assert reason in left_out.reason


def test_a_folder_in_place_of_a_file_is_left_out(tmp_path):
    (tmp_path / "result.json").mkdir()
    _, (left_out,) = collect_runs(tmp_path)
    assert "is no file, but a pipe, device or folder" in left_out.reason


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ({"label": 0, "name": "a", "total": 1, "correct": 2}, "correct must be at most total"),
        ({"label": 7, "name": "a", "total": 1, "correct": 1}, "each label once"),
    ],
)
def test_counts_that_contradict_themselves_are_left_out(tmp_path, write_result, field, message):
    write_result("a", per_class=[field, {"label": 7, "name": "b", "total": 3, "correct": 1}])
    _, (left_out,) = collect_runs(tmp_path / "runs")
    assert message in left_out.reason


def test_nothing_to_read_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="No result.json in"):
        collect_runs(tmp_path)
    with pytest.raises(FileNotFoundError, match="No folder .*elsewhere"):
        collect_runs(tmp_path / "elsewhere")


def test_a_single_file_is_called_by_its_path(write_result):
    path = write_result("a")
    assert read_run(path).path == str(path)


def test_linked_folders_are_searched_once(tmp_path, write_result):
    write_result("a")
    other = tmp_path / "other"
    (tmp_path / "runs/a").rename(other)
    (tmp_path / "runs/link").symlink_to(other)
    (other / "back").symlink_to(tmp_path / "runs")
    runs, left_out = collect_runs(tmp_path / "runs")
    assert [run.path for run in runs] == ["link/result.json"] and left_out == []


def test_a_path_that_is_no_text_is_named(tmp_path, write_result):
    path = write_result("a")
    os.rename(os.fsencode(path.parent), os.fsencode(tmp_path / "runs") + b"/b\xff")
    _, (left,) = collect_runs(tmp_path / "runs")
    assert left == LeftOut("b\\udcff/result.json", "its path is not valid UTF-8; rename it")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_other_encodings_are_read_where_a_mark_tells_them(tmp_path, write_result, encoding):
    path = write_result("a", trainer="M\u00e9thode")
    mark = "" if encoding in ("utf-8-sig", "utf-16") else "\ufeff"
    path.write_bytes((mark + path.read_text(encoding="utf-8")).encode(encoding))
    ((run,), left_out) = collect_runs(tmp_path / "runs")
    assert (run.trainer, left_out) == ("M\u00e9thode", [])


@pytest.mark.parametrize(
    ("backbone", "name"),
    [
        ("ViT-B/16", "ViT-B/16"),
        ("ViT-L/14@336px", "ViT-L/14@336px"),
        ("/home/me/ViT-B-16.pt", "ViT-B-16.pt"),
        ("~/weights/clip", "clip"),
        ("weights/model.safetensors", "model.safetensors"),
        ("D:\\weights\\b16.PT", "b16.PT"),
    ],
)
def test_weights_by_path_are_called_by_their_file(tmp_path, write_result, backbone, name):
    write_result("a", backbone=backbone)
    assert collect_runs(tmp_path / "runs")[0][0].backbone == name
