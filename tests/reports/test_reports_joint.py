"""All class names at once: numbers by hand, brute force, tables from kept logits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.runs.collect import collect_runs
from reports.tables.joint import document
from reports.tables.joint_numbers import Joint, auroc, openworld_auc
from run_files.logits import Logits, content_hash, from_bytes, to_bytes

BASE, NEW = ("a", "b"), ("c",)


def logits(values, labels, names, others, other_names):
    one, two = (np.asarray(x, np.float32) for x in (values, others))
    return Logits(one, np.array(labels), names, (), two, other_names)


# Three base images: right everywhere; right among base, c among all; wrong.
OF_BASE = logits([[4, 0], [2, 0], [0, 1]], [0, 0, 0], BASE, [[0], [3], [0]], NEW)
# Two new images: right everywhere; a among all. Each is right among new: it is alone there.
OF_NEW = logits([[3], [1]], [0, 0], NEW, [[0, 0], [2, 0]], BASE)


def test_by_hand():
    found = Joint.of(OF_BASE, OF_NEW)
    assert found.base == pytest.approx(100 / 3) and found.new == 50
    assert found.harmonic == pytest.approx(2 * (100 / 3) * 50 / (100 / 3 + 50))
    assert (found.told_base, found.told_new) == (pytest.approx(200 / 3), 100)
    # Over base classes: 4 - 0, 2 - 0, 1 - 0 against 0 - 0, 2 - 0: larger, larger; larger, a tie;
    # larger, smaller.
    assert found.auroc == pytest.approx(100 * (1 + 1 + 1 + 0.5 + 1 + 0) / 6)
    e = np.exp
    r_base = [e(4) / (e(4) + 2), e(2) / (e(2) + 1 + e(3)), e(1) / (e(1) + 2)]
    r_new = [1 / (2 + e(3)), e(2) / (e(2) + 1 + e(1))]
    pairs = [[r_base[i] > r_new[j] for j in range(2)] for i in range(2)]  # the third is wrong
    assert pairs == [[True, True], [True, False]]
    assert found.openworld == pytest.approx(100 * 3 / 6)


def test_logits_by_one_rule_take_the_place_of_those_that_were_told():
    told = Logits(OF_BASE.logits * 5, OF_BASE.labels, BASE, (), OF_BASE.others, NEW, OF_BASE.logits)
    assert Joint.of(told, OF_NEW) == Joint.of(OF_BASE, OF_NEW)


@given(st.integers(0, 1000), st.integers(1, 6), st.integers(1, 6))
def test_pairs_are_counted_as_one_by_one(seed, count, others):
    rng = np.random.default_rng(seed)
    base, new = (rng.integers(0, 4, n) / 3 for n in (count, others))  # with ties
    base_right, new_right = (rng.random(n) < 0.6 for n in (count, others))
    ranks, both = 0.0, 0
    for b, right in zip(base, base_right, strict=True):
        for n, other_right in zip(new, new_right, strict=True):
            ranks += (b > n) + (b == n) / 2
            both += right and b > n and other_right
    assert auroc(base, new) == pytest.approx(ranks / count / others)
    assert openworld_auc(base, new, base_right, new_right) == pytest.approx(both / count / others)


def test_one_who_tells_all_apart_has_all_and_one_who_mixes_the_halves_up_has_nothing():
    sure = logits([[9, 0], [0, 9]], [0, 1], BASE, [[-9], [-9]], NEW)
    apart = logits([[9]], [0], NEW, [[0, 0]], BASE)
    assert Joint.of(sure, apart) == Joint(100, 100, 100, 100, 100, 100, 100)
    mixed = logits([[-9]], [0], NEW, [[30, 0]], BASE)  # right among new, and surely a
    found = Joint.of(sure, mixed)
    assert (found.told_new, found.new, found.openworld, found.auroc) == (100, 0, 0, 0)


def test_logits_of_one_half_alone_are_refused():
    alone = Logits(OF_NEW.logits, OF_NEW.labels, NEW)
    with pytest.raises(ValueError, match="not kept"):
        Joint.of(OF_BASE, alone)


@pytest.fixture
def write(write_result):
    """Writes the two results of a model with their logits."""

    def write_pair(folder, *, base=OF_BASE, new=OF_NEW, **fields):
        trained_on = {"dataset": fields.get("dataset", "PocketShapes"), "subset": "base"}
        for subset, kept in (("base", base), ("new", new)):
            said = content_hash(from_bytes(to_bytes(kept)[0]))
            path = write_result(f"{folder}/{subset}", subset=subset, logits_sha256=said,
                                trained_on=trained_on, **fields)  # fmt: skip
            path.with_name("logits.npz").write_bytes(to_bytes(kept)[0])

    return write_pair


def made(tmp_path):
    runs, left = collect_runs(tmp_path / "runs")
    return document(tmp_path / "runs", runs, left, title="T")


def test_tables_are_by_data_set_with_their_average(tmp_path, write):
    for seed in (1, 2):
        for dataset in ("D", "E"):
            write(f"{dataset}{seed}", dataset=dataset, seed=seed)
    report = made(tmp_path)
    assert [grid.title for grid in report.grids] == [
        "D, base and new classes (Pocket)", "E, base and new classes (Pocket)",
        "Average of 2, base and new classes (Pocket)",
    ]  # fmt: skip
    cell = report.grids[2].cell("CoOp", "OpenworldAUC")
    assert cell.value == pytest.approx(50) and cell.seeds == (1, 2) and not report.left_out


def test_what_has_not_kept_the_others_is_counted(tmp_path, write, write_pair):
    write("whole", seed=1)
    write("alone", seed=2, new=Logits(OF_NEW.logits, OF_NEW.labels, NEW))
    write_pair("none", 50.0, 60.0, seed=3)
    write("damaged", seed=4)
    (tmp_path / "runs/damaged/new/logits.npz").write_bytes(b"")
    report = made(tmp_path)
    (grid,) = report.grids
    assert grid.cell("CoOp", "Base").seeds == (1,)
    assert any(
        note.startswith("2 pair(s) of base and new results are in no") for note in report.notes
    )
    assert [item.path for item in report.left_out] == ["damaged/new/logits.npz"]
