"""Several processes at once: the same data drawn, the same picks, the same folder."""

import pytest

from tests.kills.killing import fork, wait
from tests.kills.scenarios import command, fresh
from tests.kills.traces import first_difference, traces


def at_once(commands, tmp_path) -> list[tuple[int, str]]:
    """Exit code and output of each command, all started together."""
    logs = [tmp_path / f"log{number}" for number in range(len(commands))]
    children = [fork(*pair) for pair in zip(commands, logs, strict=True)]
    codes = [wait(*pair) for pair in zip(children, logs, strict=True)]
    return [(code, log.read_text()) for code, log in zip(codes, logs, strict=True)]


@pytest.fixture
def place(tiny_root, tmp_path):
    fresh(tmp_path / "place", tiny_root)
    return tmp_path / "place"


def test_four_that_draw_at_once_draw_one_data_set(place, tiny_argv, tiny_root, tmp_path):
    draw = command("drawing", place, tiny_argv)
    assert [code for code, _ in at_once([draw], tmp_path)] == [0]
    alone = traces(place)
    assert len(alone) > 8
    fresh(place, tiny_root)
    assert [code for code, _ in at_once([draw] * 4, tmp_path)] == [0] * 4
    assert not first_difference(alone, traces(place))


def test_three_runs_that_pick_at_once_have_the_same_picks(place, tiny_argv, tmp_path):
    runs = [command("context", place, tiny_argv, output=f"run{number}") for number in range(3)]
    done = at_once(runs, tmp_path)
    assert [code for code, _ in done] == [0] * 3, done[0][1][-2000:]
    found = traces(place)
    assert not [name for name in found if "partial" in name or "lock" in name]
    weights = [found[f"run{number}/prompt_learner/model.pth.tar-2"] for number in range(3)]
    assert not first_difference(weights[0]["state_dict"], weights[1]["state_dict"])
    assert not first_difference(weights[0]["state_dict"], weights[2]["state_dict"])
    sums = [found[f"run{number}/result.json"]["shot_list_sha256"] for number in range(3)]
    assert sums[0] == sums[1] == sums[2]


def test_of_three_runs_in_one_folder_one_works(place, tiny_argv, tmp_path):
    run = command("two models", place, tiny_argv)
    done = at_once([run] * 3, tmp_path)
    worked = [text for code, text in done if code == 0 and "Finish training" in text]
    refused = [text for code, text in done if code == 1 and "is in use by the run of" in text]
    late = [text for code, text in done if code == 0 and "Finished before" in text]
    assert len(worked) == 1 and len(refused) + len(late) == 2
    assert not any("Traceback" in text for text in refused)
    assert not [name for name in traces(place) if "partial" in name or "lock" in name]
