"""The page's tables from results that were made up."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from ablation.__main__ import PAGE, PARTS, TABLES, marks
from ablation.candidates import CHOICES, OVER_TCP, STRESSED, VARIED
from ablation.plan import STRESSED_SETS, TEST_SETS, Plan
from ablation.tables import Tables


@pytest.fixture(scope="module")
def plan(tmp_path_factory) -> Plan:
    """With a result for every cell; E2MIM's last choice is best, KgCoOp's accuracies are 50."""
    work = tmp_path_factory.mktemp("work")
    plan, rng = Plan(work / "data", work), np.random.default_rng(0)
    for part in PARTS:
        for cell in getattr(plan, part)():
            best = cell.candidate == CHOICES["E2MIM"][-1]
            accuracy = 50.0 if cell.candidate.method == "KgCoOp" else 40 + rng.random()
            half = {"accuracy": 52.0 if best else accuracy, "ece": 3.0, "over": -1.0,
                    "cosine": rng.random(), "centred": rng.random(), "common": 0.5,
                    "nats": rng.random(), "at_most": 2.0}  # fmt: skip
            cell.path.parent.mkdir(parents=True, exist_ok=True)
            cell.path.write_text(json.dumps({"base": half, "new": half, "trust": 0.25}))
    return plan


def rows_of(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]


def test_what_was_chosen_is_tested_and_compared_pair_by_pair(plan):
    heads, _, *rows = rows_of(Tables(plan).contest())
    ours = next(row for row in rows if row[0].startswith("**"))
    assert ours[0] == f"**{CHOICES['E2MIM'][-1].name}**" and ours[3] == "52.00 \u00b1 0.00"
    kgcoop = [row for row in rows if row[0].startswith("KgCoOp")]
    assert [row[4] for row in kgcoop] == ["+2.00"] * len(kgcoop) and kgcoop[1][0] == "KgCoOp W 8"
    assert all(row[5:] == ["[+2.00, +2.00]"] * 2 + ["+2.00 [+2.00, +2.00]"] for row in kgcoop)
    assert len({len(row) for row in (heads, *rows)}) == 1


def test_every_table_has_its_rows(plan):
    tables = Tables(plan)
    counts = {
        "choices": 32, "each_set": len(TEST_SETS), "varied": 1 + len(VARIED),
        "stressed": len(STRESSED), "over_tcp": len(OVER_TCP),
        "contest": len(plan.contestants()),
        "views": len(plan.contestants()),
    }  # fmt: skip
    assert set(counts) | {"estimate_and_accuracy"} == set(TABLES)
    for name, count in counts.items():
        assert len(rows_of(getattr(tables, name)())) == 2 + count, name
    assert rows_of(tables.each_set())[2][-1].startswith("+2.0 (KgCoOp W")
    assert tables.choices().count("**") == 2 * 4 * len(CHOICES)
    assert len(rows_of(tables.stressed())[0]) == 1 + len(STRESSED_SETS) + 1
    assert re.search(r"estimate [-+]\d.\d\d, ", tables.estimate_and_accuracy())


def test_the_page_has_a_place_for_every_table():
    text = Path(PAGE).read_text()
    assert [text.count(mark) for table in TABLES for mark in marks(table)] == [1] * 2 * len(TABLES)
