"""Any content of a file: a clear error that names the file, or a right value, never anything else.

HYPOTHESIS_PROFILE=thorough tries 2,000 contents of each kind in place of a few.
"""

import io
import json
import os
import string
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dassl.config import get_cfg_default, merge_opts, merge_tree, read_yaml
from dassl.utils import load_checkpoint
from dassl.utils.state_dicts import state_dict_of
from dassl.utils.torchtools import read_latest_checkpoint
from datasets.entries import SPLIT_NAMES, make_datum
from datasets.image_list import read_classnames, read_list
from datasets.kept_picks import KeptPicks
from datasets.split_file import read_entries
from promptkit.runs import manifest
from run_files.checks import read
from run_files.dotted import flatten, nested
from run_files.result import Plan, Result

# A few, so that the suite stays fast; the thorough profile takes its own number.
few = settings(
    max_examples=max(40, settings().max_examples if settings().max_examples > 100 else 0)
)
leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
words = st.sampled_from(
    ["OPTIM", "LR", "OPTIM.LR", "INPUT", "SIZE", "SEED", "TRAINER", "train", "val", "test",
     "schema", "metrics", "accuracy", "inputs", "files", "trainer", "state_dict", "epoch",
     "a.png", "a"]
)  # fmt: skip
trees = st.recursive(
    leaves | words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words | st.text(max_size=3), inner),
    max_leaves=12,
)
entries = st.lists(
    st.sampled_from(["a.png", "b.png", 0, 1, 2, "a", "b", True, None, ""]), max_size=4
)
splits = st.fixed_dictionaries({name: st.lists(entries, max_size=4) for name in SPLIT_NAMES})
jsons = (trees | splits).map(json.dumps)
rows = st.lists(
    st.lists(st.sampled_from(["image", "class", "split", "a.png", "b", "train", '"', "", "\\"])
             | st.text(max_size=3), max_size=4),
    max_size=5,
)  # fmt: skip
tables = st.tuples(rows, st.sampled_from(",;\t")).map(
    lambda pair: "\n".join(pair[1].join(row) for row in pair[0])
)
yaml_texts = st.text(alphabet=string.ascii_letters[:6] + ": {}[],&*!|>-\n\t'\"?#%@<.0", max_size=60)


def tried(name: str, content: bytes | str, use: Callable[[str], Any]) -> Any:
    """What `use` makes of a file of that content; None where it refuses it and names it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.parent.mkdir(exist_ok=True)
        raw = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
        path.write_bytes(raw)
        try:
            return use(str(path))
        except (ValueError, OSError, KeyError) as error:
            assert path.name in str(error), error
            return None


def merged_from(path: str):
    cfg = get_cfg_default()
    tree = nested(flatten(read_yaml(path), keep_empty=True))
    merge_tree(cfg, tree, path)
    return cfg


@few
@given(st.binary(max_size=60) | yaml_texts | jsons)
def test_yaml_files(content):
    cfg = tried("a.yaml", content, merged_from)
    if cfg is not None:
        assert type(cfg.OPTIM.LR) is float and type(cfg.SEED) is int


@few
@given(st.lists(words | st.text(max_size=6) | jsons, max_size=6))
def test_pairs(pairs):
    cfg = get_cfg_default()
    before = str(cfg)
    try:
        merge_opts(cfg, pairs)
    except (ValueError, KeyError) as error:
        assert len(str(error)) > 20
        assert str(cfg) == before
    assert type(cfg.OPTIM.LR) is float and type(cfg.SEED) is int


@few
@given(st.binary(max_size=60) | st.text(max_size=60) | jsons)
def test_split_files(content):
    found = tried("split.json", content, read_entries)
    for name, part in (found or {}).items():
        assert name in SPLIT_NAMES
        assert all(list(map(type, entry)) == [str, int, str] for entry in part)


@few
@given(st.binary(max_size=60) | tables | jsons)
def test_lists(content):
    found = tried("a.csv", content, read_list)
    for part in (found or ({},))[0].values():
        assert all(image and label >= 0 and name for image, label, name in part)


@few
@given(st.binary(max_size=60) | st.text(alphabet="ab\t\n \r\0", max_size=20))
def test_class_names(content):
    found = tried("names.txt", content, lambda path: read_classnames(path, ["a", "b"]))
    assert found is None or (list(found) == ["a", "b"] and all(found.values()))


@few
@given(st.binary(max_size=60) | jsons, st.sampled_from([".json", ".pkl"]))
def test_picks(content, ending):
    items = [
        make_datum(f"/d/{name}{i}", label, name) for label, name in enumerate("ab") for i in "01"
    ]
    name = f"split_fewshot/shot_1-seed_1{ending}"

    def load(path: str):
        folder = os.path.dirname(os.path.dirname(path))
        kept = KeptPicks(folder=folder, image_dir="/d", num_shots=1, seed=1)
        return kept.load({"train": items, "val": []}, {"train": 1, "val": 1})

    found = tried(name, content, load)
    assert found is None or sorted(item.label for item in found["train"]) == [0, 1]


@few
@given(st.binary(max_size=60) | jsons)
def test_results(content):
    found = tried("result.json", content, lambda path: manifest.read_result(Path(path).parent))
    assert found is None or 0 <= found["metrics"]["accuracy"] <= 100
    tried("run.json", content, lambda path: manifest.trainer_of(os.path.dirname(path)))


@few
@given(trees.map(json.dumps) | st.text(max_size=40))
def test_schemas(text):
    for schema in (Plan, Result):
        try:
            assert isinstance(read(text, schema), schema)
        except ValueError as error:
            assert str(error)


def saved(value: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


WHOLE = saved({"state_dict": {"weight": torch.ones(3)}, "epoch": 1})


@st.composite
def damaged(draw) -> bytes:
    """A whole checkpoint with some bytes changed, or cut short."""
    data = bytearray(WHOLE)
    for place in draw(st.lists(st.integers(0, len(data) - 1), max_size=5)):
        data[place] = draw(st.integers(0, 255))
    return bytes(data[: draw(st.integers(0, len(data)))])


@pytest.mark.filterwarnings("ignore")  # torch's, of what it goes on to refuse
@few
@given(damaged() | trees.map(saved) | st.binary(max_size=80))
def test_checkpoints(content):
    def latest(path: str):
        Path(path).with_name("checkpoint").write_text(os.path.basename(path))
        return read_latest_checkpoint(os.path.dirname(path))[1]

    found = tried("model.pth.tar-1", content, latest)
    assert found is None or (type(found["epoch"]) is int and found["state_dict"])
    weights = tried("w.pt", content, lambda path: state_dict_of(load_checkpoint(path), path))
    assert weights is None or all(isinstance(key, str) for key in weights)
