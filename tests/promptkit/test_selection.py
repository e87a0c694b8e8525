"""Recipes say what their constants were chosen on; strict runs refuse some."""

import json
from pathlib import Path

import pytest
import yaml

import train
from promptkit.runs.selection import CHOSEN_ON

RECIPES = sorted(Path(train.__file__).parent.glob("configs/trainers/*/*.yaml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_recipe_says_it(path):
    node = yaml.safe_load(path.read_text())["PROTOCOL"]
    assert node["CHOSEN_ON"] in CHOSEN_ON and "STRICT" not in node


def test_it_stands_in_the_result(tiny_argv, tmp_path):
    chosen = ("PROTOCOL.CHOSEN_ON", "few-shot validation", "PROTOCOL.STRICT", True)
    assert train.main(tiny_argv("CoOp", *chosen)) == 0
    config = json.loads((tmp_path / "run/result.json").read_text())["config"]["PROTOCOL"]
    assert config == {"CHOSEN_ON": "few-shot validation", "PER_DATA_SET": False, "STRICT": True}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("PER_DATA_SET", True, "STRICT", True), "its constants follow the data set"),
        (("CHOSEN_ON", "test", "STRICT", True), "were chosen on test images"),
        (("CHOSEN_ON", "train"), "PROTOCOL.CHOSEN_ON must be one of unknown, nothing"),
    ],
)
def test_what_is_refused(tiny_argv, capsys, options, message):
    words = [f"PROTOCOL.{word}" if i % 2 == 0 else word for i, word in enumerate(options)]
    assert train.main(tiny_argv("CoOp", *words)) == 1
    assert message in capsys.readouterr().err
