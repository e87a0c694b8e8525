"""The folder datasets/ and Hugging Face's package of that name, asked for in one process."""

import subprocess
import sys
from importlib import metadata

import pytest

from tests.test_architecture import PROJECT

WITH_ALL = """
import datasets
import open_clip, timm, transformers
from datasets import Dataset
import datasets.distributed
import timm.data.readers.reader_hfds, timm.data.readers.reader_hfids
from transformers import modelcard
from dassl.data.datasets import DATASET_REGISTRY

rows = Dataset.from_dict({"number": [1, 2, 3]})
doubled = rows.map(lambda row: {"twice": 2 * row["number"]})
print(list(doubled["twice"]), isinstance(rows, datasets.Dataset), modelcard.is_hf_dataset(rows))
print("PocketShapes" in DATASET_REGISTRY.registered_names(), hasattr(datasets, "nothing"))
"""


def run(code: str) -> str:
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, timeout=300
    )
    assert found.returncode == 0, found.stderr
    return found.stdout


def test_both_are_found_where_all_are_installed():
    for name in ("datasets", "open_clip_torch", "timm", "transformers"):
        try:
            metadata.distribution(name)
        except metadata.PackageNotFoundError:
            pytest.skip(f"{name} is not installed")
    assert run(WITH_ALL) == "[2, 4, 6] True True\nTrue False\n"


def test_what_one_does_not_use_is_not_imported():
    code = "import train, trainers, datasets, sys, promptkit.trainer, promptkit.use.predict\n"
    code += "print({'open_clip', 'timm', 'transformers', 'pyarrow'} & set(sys.modules))"
    assert run(code) == "set()\n"
