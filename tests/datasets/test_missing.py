"""What the scripts ask before they start: which data sets are not there, without PyTorch."""

import subprocess
import sys
from pathlib import Path

import pytest

import train
from dassl.data.datasets import DATASET_REGISTRY
from datasets import missing
from datasets.coop import CoOpDataset
from datasets.sources import SOURCES

PROJECT = Path(train.__file__).parent


def test_folders_are_those_of_the_classes(tmp_path):
    """Read from the sources, and asked of the data sets themselves."""
    found = missing.image_folders()
    assert {source.registered for source in SOURCES.values()} == set(found)
    for name, folder in found.items():
        dataset = object.__new__(DATASET_REGISTRY.get(name))
        assert isinstance(dataset, CoOpDataset)
        dataset.locate(str(tmp_path))
        assert dataset.image_dir == str(tmp_path / folder)


@pytest.fixture
def configs(tmp_path, monkeypatch):
    """Yamls of own sets: an absolute path, one below the root, and lists."""
    monkeypatch.setattr(missing, "CONFIGS", tmp_path)
    own = "DATASET:\n  NAME: ImageFolder\n"
    for name, keys in {
        "absolute": f"PATH: {tmp_path / 'nowhere'}",
        "below": "PATH: birds",
        "root": "PATH: ''",
        "listed": "PATH: birds\n    SPLIT: list.csv",
        "named": "PATH: birds\n    CLASSNAMES: names.txt",
    }.items():
        (tmp_path / f"{name}.yaml").write_text(f"{own}  FOLDER:\n    {keys}\n")
    (tmp_path / "broken.yaml").write_text("DATASET: [")
    (tmp_path / "other.yaml").write_text("DATASET:\n  NAME: OfAnotherModule\n")
    (tmp_path / "data/birds").mkdir(parents=True)
    return tmp_path


def test_own_sets(configs, capsys):
    names = "absolute below root listed named broken other"
    assert missing.main([str(configs / "data"), names]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "error: nothing was started, 3 of 7 data sets are missing:",
        f"  absolute: no folder {configs}/nowhere (DATASET.FOLDER.PATH in "
        "configs/datasets/absolute.yaml, below DATA)",
        f"  listed: no file {configs}/data/birds/list.csv (DATASET.FOLDER.SPLIT in "
        "configs/datasets/listed.yaml)",
        f"  named: no file {configs}/data/birds/names.txt (DATASET.FOLDER.CLASSNAMES in "
        "configs/datasets/named.yaml)",
        "Or name those that are there: below,root,broken,other",
    ]
    pairs = ["OPTIM.LR", "1", "DATASET.FOLDER.PATH", str(configs / "data/birds")]
    assert missing.main([str(configs), "absolute below", *pairs]) == 0
    assert missing.main([str(configs / "none"), "root"]) == 1


def test_it_imports_neither_torch_nor_the_package(tmp_path):
    code = (
        "import runpy, sys; sys.argv = ['missing.py', sys.argv[1], 'dtd']\n"
        "try: runpy.run_path('datasets/missing.py', run_name='__main__')\n"
        "except SystemExit as e: print(e.code, {'torch', 'dassl', 'datasets'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "my data")]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    assert done.stdout == "1 set()\n"
    assert f"python -m datasets.fetch dtd --root '{tmp_path}/my data'\n" in done.stderr
