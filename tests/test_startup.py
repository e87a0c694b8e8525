"""Before torch and dassl are imported: a clone's own engine, and threads that sleep."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import startup
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


@pytest.mark.parametrize("package", ["promptkit", "datasets", "trainers", "benchmarks", "pocket"])
def test_every_package_that_is_imported_first_sees_to_it(package):
    lines = (PROJECT / package / "__init__.py").read_text().splitlines()
    imports = [line.split()[1] for line in lines if line.startswith(("import ", "from "))]
    assert {"startup", "promptkit", "promptkit.clone"} & set(imports)
    assert not any(name.split(".")[0] in ("dassl", "torch") for name in imports)


def test_a_startup_of_the_users_own_is_left_alone(tmp_path):
    (tmp_path / "startup.py").write_text("raise SystemExit('theirs')")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import promptkit; print('imported')"
    assert python(code, tmp_path).stdout == "imported\n"


def test_an_engine_that_was_imported_before_is_named(tmp_path):
    (tmp_path / "dassl").mkdir()
    (tmp_path / "dassl/__init__.py").write_text("")
    done = python("import dassl, startup", tmp_path)
    assert f"Note: dassl was imported from {tmp_path}" in done.stderr


def test_a_command_says_that_it_starts_before_it_imports_anything_large(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["-m", "--gb", "5"])
    monkeypatch.setattr(sys, "orig_argv", ["python", "-m", "promptkit.feature_store", "--gb", "5"])
    startup.say_that_it_starts()
    assert capsys.readouterr().err == "promptkit.feature_store starts ...\n"
    for argv in (["train.py"], ["-c"], [""]):
        monkeypatch.setattr(sys, "argv", argv)
        startup.say_that_it_starts()
    assert capsys.readouterr() == ("", "")
    lines = (PROJECT / "startup.py").read_text().splitlines()
    calls = [line for line in lines if line.endswith("()") and line[0] not in " #"]
    assert calls == ["say_that_it_starts()", "use_own_engine()", "wait_passively()"]


@pytest.mark.parametrize("given", [{}, {"OMP_WAIT_POLICY": "ACTIVE"}, {"GOMP_SPINCOUNT": "7"}])
def test_threads_soon_sleep_unless_the_user_says_otherwise(monkeypatch, given):
    monkeypatch.setattr(os, "environ", given)
    default = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "1000"}
    expected = dict(given) or default
    startup.wait_passively()
    assert given == expected
