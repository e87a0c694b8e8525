"""plan.yaml: what it expands to, and what is refused."""

import re

import pytest

from protocols.expanding import needed_data, plan_of
from protocols.places import TRAINERS, names_in
from protocols.plan_file import read_plan

PLAN = """
output: out
data: images
protocols: [base2new, few_shot, cross_dataset, domain_generalization]
methods: [ZeroshotCLIP, CoOp, GDA]
datasets: {base2new: [woven_dtd], few_shot: woven_dtd, cross_dataset: "woven_dtd,woven_eurosat",
           domain_generalization: woven}
shots: [1, 16]
seeds: [1, 2]
grids: {OPTIM.LR: [0.002, 2e-2]}
overrides: {CoOp: {TRAINER.COOP.N_CTX: [4, 16], OPTIM.MAX_EPOCH: 3}}
recipes: {GDA: pocket}
"""


@pytest.fixture
def read(tmp_path):
    """Reads a plan of this text."""

    def read_text(text: str, **environment: str):
        path = tmp_path / "plan.yaml"
        path.write_text(text)
        return read_plan(str(path), environment)

    return read_text


def test_a_plan_becomes_the_cells_of_all_combinations(read):
    asked = read(PLAN, DATA="elsewhere", SEEDS="9", STRICT="")
    cells = plan_of(asked.requests).cells
    assert asked.output == "out" and asked.notes == [
        "SEEDS=9 has no effect on a plan: say seeds in it",
        "ZeroshotCLIP has no shots, so it takes no part in few_shot",
    ]
    count = {"ZeroshotCLIP": 2, "CoOp": 4, "GDA": 2}  # settings
    seeds = shots = 2
    pairs = seeds * shots
    # What a transfer trains on is shared by both protocols that test it.
    expected = {
        "CoOp": count["CoOp"] * pairs * (2 + 1 + 1 + 2 + 4),
        "GDA": count["GDA"] * pairs * (2 + 1 + 1 + 2 + 4),
        "ZeroshotCLIP": count["ZeroshotCLIP"] * pairs * (2 + 2 + 4),
    }
    found = {name: [cell for cell in cells if cell.trainer == name] for name in expected}
    assert {name: len(each) for name, each in found.items()} == expected
    assert len({cell.folder for cell in cells}) == len({cell.name for cell in cells}) == len(cells)
    assert all(cell.folder == f"out/{cell.name}" for cell in cells)
    for cell in found["CoOp"]:
        lr, tokens = re.match(r"OPTIM.LR=(.*),TRAINER.COOP.N_CTX=(.*?)/", cell.name).groups()
        assert ("OPTIM.LR", lr, "TRAINER.COOP.N_CTX", tokens, "OPTIM.MAX_EPOCH", "3") == (
            cell.argv[cell.argv.index("OPTIM.LR") :][:6]
        )
        assert "--root images --seed" in " ".join(cell.argv)
    known = {cell.name for cell in cells}
    assert all(set(cell.needs) <= known for cell in cells)
    assert sum(bool(cell.needs) for cell in cells) == (4 + 2) * pairs * (1 + 2 + 4)
    assert all("GDA/pocket.yaml" in " ".join(cell.argv) for cell in found["GDA"])
    assert set(needed_data(asked.requests)) >= {"woven_dtd", "woven_eurosat", "woven_imagenet"}


def test_groups_and_the_environment_where_the_plan_does_not_say(read):
    text = "protocols: zero_shot\nmethods: all\ndatasets: pocket\n"
    asked = read(text, DATA="/d", OUTPUT="/o")
    cells = plan_of(asked.requests).cells
    assert {cell.trainer for cell in cells} == {"ZeroshotCLIP", "ZeroshotCLIP2"}
    assert all(cell.folder.startswith("/o/") and "/d" in cell.argv for cell in cells)
    trained = [name for name in names_in(TRAINERS) if not name.startswith("Zeroshot")]
    assert len(asked.notes) >= len(trained) - 5 and len(cells) == 20


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- 1\n", "must hold KEY: VALUE pairs; got list"),
        ("seeds: 1\nseeds: 2\n", "seeds is there more than once"),
        ("method: CoOp\n", "unknown key 'method'. Did you mean 'methods'?"),
        ("methods: CoOp\n", "must say datasets, protocols"),
        ("protocols: base3new\nmethods: CoOp\ndatasets: dtd\n", "protocols must be of base2new"),
        ("protocols: base2new\nmethods: Coop\ndatasets: dtd\n", "no recipes in configs/"),
        ("protocols: base2new\nmethods: CoOp\ndatasets: dtdd\n", "no configs/datasets/dtdd.yaml"),
        ("protocols: [base2new, few_shot]\nmethods: CoOp\ndatasets: {few_shot: dtd}\n",
         "those of base2new"),
        ("protocols: base2new\nmethods: CoOp\ndatasets: dtd\nseeds: 01\n", "SEEDS must be numbers"),
        ("protocols: base2new\nmethods: CoOp\ndatasets: dtd\ngrids: {SEED: [1]}\n", "say SEEDS"),
        ("protocols: base2new\nmethods: CoOp\ndatasets: dtd\ngrids: {A.B: []}\n", "A.B must have"),
        ("protocols: base2new\nmethods: CoOp\ndatasets: dtd\noverrides: {GDA: {A.B: 1}}\n",
         "overrides of GDA, which is none of the methods"),
        ("protocols: base2new\nmethods: CoOp\ndatasets: dtd\nrecipes: {CoOp: x}\n", "no recipe x"),
        ("protocols: base2new\nmethods: [CoOp, CoOp]\ndatasets: dtd\n", "CoOp is there more"),
        ("protocols: base2new\nmethods: CoOp\ndatasets: {base2new: dtd, few_shot: dtd}\n",
         "datasets of few_shot, which the plan has not"),
        ("protocols: base2new\nmethods: CoOp\ndatasets: dtd\nstrict: [1]\n", "must be text; got"),
        ("protocols: base2new\nmethods: CoOp\ndatasets: dtd\nstrict: 0\n",
         "strict must be one of true, yes, false, no; got '0'"),
        ("? [a]\n: 1\n", "unhashable key"),
        ("a: [\n", "expected the node content"),
    ],
)  # fmt: skip
def test_what_has_no_meaning_is_refused_with_the_name_of_the_file(read, text, message):
    with pytest.raises(ValueError) as error:
        read(text)
    assert "plan.yaml: " in str(error.value) and message in str(error.value)


def test_a_plan_that_is_not_there(tmp_path):
    with pytest.raises(ValueError, match="plan.yaml: No such file"):
        read_plan(str(tmp_path / "plan.yaml"), {})
