"""Several clones in one environment: each runs on its own engine, or on upstream's."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import train

PROJECT = Path(train.__file__).parent


def python(code: str, other: Path) -> subprocess.CompletedProcess:
    """Runs code with another `dassl` installed in the folder `other`."""
    return subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": str(other)},
    )  # fmt: skip


@pytest.mark.parametrize(("version", "own"), [("0.6.3+promptkit1", True), ("0.6.3", False)])
def test_which_engine_a_clone_imports(tmp_path, version, own):
    """Another clone's engine is installed, or upstream's."""
    (tmp_path / "dassl").mkdir()
    (tmp_path / "dassl/__init__.py").write_text("")
    about = tmp_path / f"dassl-{version}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: dassl\nVersion: {version}\n")
    done = python("import promptkit, dassl; print(dassl.__file__)", tmp_path)
    folder = PROJECT / "engine" if own else tmp_path
    assert done.stdout.strip() == str(folder / "dassl/__init__.py"), done.stderr


@pytest.mark.parametrize("package", ["promptkit", "datasets", "trainers"])
def test_every_package_that_imports_the_engine_sees_to_it_first(package):
    lines = (PROJECT / package / "__init__.py").read_text().splitlines()
    imports = [line.split()[1] for line in lines if line.startswith(("import ", "from "))]
    assert "own_engine" in imports and not any(name.startswith("dassl") for name in imports)


def test_an_engine_that_was_imported_before_is_named(tmp_path):
    (tmp_path / "dassl").mkdir()
    (tmp_path / "dassl/__init__.py").write_text("")
    done = python("import dassl, own_engine", tmp_path)
    assert f"Note: dassl was imported from {tmp_path}" in done.stderr
