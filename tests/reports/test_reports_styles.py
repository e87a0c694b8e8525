"""Every method has its own colour and marker, whatever else is in the figure."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from reports.figures import styles
from reports.figures.styles import BEST, FILLS, FURTHER, SHIPPED, look, looks_of

# Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB: protan, deutan; and none.
SIGHTS = (
    np.eye(3),
    np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
              [-0.003882, -0.048116, 1.051998]]),
    np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
              [-0.011820, 0.042940, 0.968881]]),
)  # fmt: skip
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def lab(colour: str, sight: np.ndarray) -> np.ndarray:
    """CIELAB of a colour as it is seen."""
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = TO_XYZ @ np.clip(sight @ linear, 0, 1) / np.array([0.9505, 1.0, 1.089])
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def distance(first: str, second: str) -> float:
    """Of two colours, for the reader who tells them apart least."""
    return min(float(np.linalg.norm(lab(first, s) - lab(second, s))) for s in SIGHTS)


def test_all_trainers_that_ship_have_a_colour_and_a_marker_of_their_own():
    folder = Path(styles.__file__).parents[2] / "configs/trainers"
    assert {path.name for path in folder.iterdir()} >= set(SHIPPED)  # users may add theirs
    colours, markers = zip(*SHIPPED.values(), strict=True)
    assert len(set(colours)) == len(set(markers)) == len(SHIPPED) == 13


def test_pairs_with_one_marker_have_colours_that_colour_blind_readers_tell_apart():
    pairs = [*SHIPPED.values(), *FURTHER[:BEST]]
    assert len(set(pairs)) == len(pairs) == 39
    for (colour, marker), (other, its) in itertools.combinations(pairs, 2):
        assert marker != its or distance(colour, other) > 20, (colour, other)


def test_a_method_looks_the_same_whatever_else_is_there():
    alone = looks_of(["E2MIM", "Mine"])
    among = looks_of(["Mine", *SHIPPED, "Yours"])
    assert {name: among[name] for name in alone} == alone
    assert alone["E2MIM"] == SHIPPED["E2MIM"] and alone["Mine"] in FURTHER[:BEST]
    assert looks_of(["CLIP \u2020", "MaPLe (log)"]) == {
        name: SHIPPED[name] for name in ("ZeroshotCLIP", "MaPLe")
    }


def test_many_unknown_names_share_no_pair():
    names = [f"Method {number}" for number in range(100)]
    found = looks_of(names)
    assert len(set(found.values())) == 100 and not set(found.values()) & set(SHIPPED.values())
    # Two that chose the same pair keep what they have among all results, also when one is alone.
    assert all(looks_of([name], among=names)[name] == found[name] for name in names)


def test_rows_of_one_trainer_differ_in_their_fill():
    pairs = looks_of(["CoOp"])
    looks = [look("CoOp", variant, pairs) for variant in range(3 * len(FILLS))]
    assert len(set(looks)) == len(looks) and {x.marker for x in looks} == {"s"}
    assert [x.fill for x in looks[:2]] == ["full", "none"]
    assert look("CoOp (log)", 0, pairs) != look("CoOp", 0, pairs)


@pytest.mark.parametrize(("variant", "face"), [(0, "#0072B2"), (1, "white")])
def test_what_matplotlib_takes(variant, face):
    point = look("CoOp", variant, looks_of(["CoOp"])).point(6)
    assert (point["color"], point["markerfacecolor"]) == ("#0072B2", face)
