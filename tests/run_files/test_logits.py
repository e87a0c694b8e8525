"""`logits.npz`: what is read is what was written, in half precision where no order changes."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from run_files.logits import Logits, content_hash, from_bytes, to_bytes

NAMES = ("a", "b\n", "\udce9")
EXACT = np.array([[25.0, 24.5, 3.0], [1.0, 1.0, 2.0]], np.float32)  # in halves, too


def of(values, **changes) -> Logits:
    values = np.asarray(values, np.float32)
    names = tuple(f"class {i}" for i in range(values.shape[1]))
    return Logits(**{"logits": values, "labels": np.zeros(len(values), int), "classnames": names}
                  | changes)  # fmt: skip


@given(arrays(np.float32, (5, 3), elements=st.floats(-100, 100, width=32)))
def test_the_order_of_the_classes_is_kept_with_its_ties(values):
    content, precision = to_bytes(of(values))
    found = from_bytes(content).logits
    for column in range(3):
        for other in range(3):
            assert np.array_equal(
                values[:, column] < values[:, other], found[:, column] < found[:, other]
            )
    if precision == "single":
        assert np.array_equal(found, values)
    else:
        np.testing.assert_allclose(found, values, rtol=0, atol=200 / 2048)


def test_halves_where_they_suffice_and_single_where_two_would_be_one():
    assert to_bytes(of(EXACT))[1] == "half"
    assert np.array_equal(from_bytes(to_bytes(of(EXACT))[0]).logits, EXACT)
    near = EXACT + np.array([0, 0, 1e-4], np.float32)  # no tie yet: 3.0 and 24.5 are far apart
    assert to_bytes(of(near))[1] == "half"
    tie = np.array([[25.0, 5.0, 5.001]], np.float32)
    content, precision = to_bytes(of(tie))
    assert precision == "single" and np.array_equal(from_bytes(content).logits, tie)
    assert to_bytes(of([[1e5, 0.0, 1.0]]))[1] == "single"  # beyond the range of halves
    # Halves near 25 are 0.016 apart, those of what is below the largest are not.
    assert to_bytes(of([[25.0, 24.999]]))[1] == "half"


def test_names_paths_and_labels_come_back_and_the_same_is_the_same_bytes():
    logits = of(EXACT, labels=np.array([2, 0]), classnames=NAMES, images=("x/\udcff.png", "y,z"))
    content, _ = to_bytes(logits)
    found = from_bytes(content)
    assert (found.classnames, found.images) == (NAMES, ("x/\udcff.png", "y,z"))
    assert found.labels.tolist() == [2, 0] and found.predictions.tolist() == [0, 2]
    assert to_bytes(found)[0] == content and content_hash(found) == content_hash(logits)


def test_logits_by_one_rule_come_back_and_stand_beside_those_of_other_classes():
    others, one_rule = np.array([[7.0], [9.0]], np.float32), EXACT[::-1].copy()
    alone = of(EXACT, one_rule=one_rule)
    both = of(EXACT, others=others, other_classnames=("z",), one_rule=one_rule)
    for logits in (alone, both):
        found = from_bytes(to_bytes(logits)[0])
        for name in ("logits", "others", "one_rule", "joint"):
            np.testing.assert_array_equal(getattr(found, name), getattr(logits, name))
        assert content_hash(found) == content_hash(logits)
    np.testing.assert_array_equal(both.joint, np.concatenate([one_rule, others], axis=1))
    assert both.predictions.tolist() == EXACT.argmax(axis=1).tolist()
    with pytest.raises(ValueError, match="by one rule there are logits"):
        of(EXACT, one_rule=one_rule[:1])


@pytest.mark.parametrize(
    "change",
    [
        {"logits": EXACT + np.float32(0.5)},
        {"labels": np.array([0, 1])},
        {"classnames": ("a", "b", "c")},
        {"images": ("a", "b")},
    ],
)
def test_the_hash_is_of_all_of_it(change):
    assert content_hash(of(EXACT, **change)) != content_hash(of(EXACT))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"logits": EXACT[0]}, "logits .N, C. and labels .N. needed"),
        ({"logits": EXACT[:0], "labels": np.zeros(0, int)}, "needed"),
        ({"labels": np.zeros(3, int)}, "3 labels"),
        ({"labels": np.array([0, 3])}, "labels must be columns, 0 to 2"),
        ({"labels": np.array([0, -1])}, "labels must be columns"),
        ({"classnames": ("a",)}, "1 class names for 3 columns"),
        ({"images": ("a",)}, "1 image paths for 2 images"),
        ({"logits": EXACT * np.float32("nan")}, "logits must be finite"),
        ({"logits": EXACT * np.float32("inf")}, "logits must be finite"),
    ],
)
def test_parts_that_do_not_fit(change, message):
    with pytest.raises(ValueError, match=message):
        of(EXACT, **change)


def npz(**changes) -> bytes:
    content = {name: value for name, value in np.load(io.BytesIO(to_bytes(of(EXACT))[0])).items()}
    content = {k: v for k, v in (content | changes).items() if v is not None}
    file = io.BytesIO()
    np.savez(file, **content)
    return file.getvalue()


def names(own: str, others: str = "[]") -> str:
    return f'{{"format": 2, "classnames": {own}, "other_classnames": {others}, "images": []}}'


def about(text: str) -> np.ndarray:
    return np.frombuffer(text.encode(), np.uint8)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "can be read"),
        (b"PK\x03\x04 and no more", "can be read"),
        (to_bytes(of(EXACT))[0][:-40], "can be read"),
        (npz(labels=None), "labels"),
        (npz(about=about("{")), "can be read"),
        (npz(about=about("[]")), "can be read"),
        (npz(about=about('{"format": 4}')), "format must be 1, 2 or 3; got 4"),
        (npz(about=about(names('"abc"'))), "list of texts"),
        (npz(about=about(names("[1, 2, 3]"))), "list of texts"),
        (npz(about=about(names('["a", "b", "c"]', '["d"]'))), "columns 3 \\+ 1 \\+ 0 in"),
        (npz(below=np.array([["x"] * 3] * 2)), "can be read"),
        (npz(below=np.array([[None] * 3] * 2)), "can be read"),  # a pickle
        (npz(top=EXACT.astype(np.float64)), "got float64"),
        (npz(high=np.zeros((2, 2, 3), np.uint8)), "low"),
        (npz(high=EXACT, low=EXACT), "can be read"),
        (npz(labels=np.array(["0", "x"])), "can be read"),
    ],
)
def test_damaged_and_foreign_files_are_named_so(content, message):
    with pytest.raises(ValueError, match=message):
        from_bytes(content)


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_flipped_byte_is_found_or_changes_nothing(place, change):
    logits = of(EXACT)
    content = bytearray(to_bytes(logits)[0])
    content[place % len(content)] ^= change
    try:
        found = from_bytes(bytes(content))
    except ValueError:
        return
    assert content_hash(found) == content_hash(logits)


def test_logits_of_other_classes_come_back_and_older_files_have_none():
    beside = {"others": np.array([[1.0], [2.0]], np.float32), "other_classnames": ("d",)}
    logits = of(EXACT, **beside)
    found = from_bytes(to_bytes(logits)[0])
    assert np.array_equal(found.others, beside["others"]) and found.other_classnames == ("d",)
    assert found.joint.shape == (2, 4) and content_hash(found) == content_hash(logits)
    assert content_hash(logits) != content_hash(of(EXACT))
    older = from_bytes(
        npz(about=about(names('["class 0", "class 1", "class 2"]').replace("2,", "1,", 1)))
    )
    assert older.other_classnames == () and content_hash(older) == content_hash(of(EXACT))
    with pytest.raises(ValueError, match="1 names of other classes and 2 images"):
        of(EXACT, others=np.zeros((3, 1), np.float32), other_classnames=("d",))
