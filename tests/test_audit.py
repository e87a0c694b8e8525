"""scripts/audit.py: what is clean, what is not, and what nobody knows."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import train

PROJECT = Path(train.__file__).parent
PAGE = (PROJECT / "docs/security.md").read_text()


@pytest.fixture(scope="module")
def audit():
    """The module: scripts/ is no package."""
    spec = importlib.util.spec_from_file_location("audit", PROJECT / "scripts/audit.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def entry(name: str, **more) -> dict:
    return {"name": name, "version": "1.0", "vulns": [], **more}


HOLE = {"id": "CVE-1", "fix_versions": ["1.1"]}
SKIPPED = {"name": "dateutil", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("dependencies", "code", "said"),
    [
        ([entry("torch")], 0, "clean, 1 of 1 packages"),
        ([entry("torch"), {"name": "dassl", "skip_reason": "not found"}], 0, "clean, 1 of 1"),
        ([entry("torch", vulns=[HOLE])], 1, "torch 1.0: CVE-1, mended in 1.1"),
        ([entry("torch", vulns=[HOLE]), SKIPPED], 1, "VULNERABLE, 1 of 2"),
        ([entry("torch"), SKIPPED], 2, "NOT known to be clean, 1 of 2 packages .*; not dateutil"),
        ([], 2, "0 of 0"),
        (None, 2, "no connection to the database, NOTHING is known"),
    ],
)
def test_packages(audit, dependencies, code, said):
    report = None if dependencies is None else {"dependencies": dependencies}
    found = audit.packages(report)
    assert found[0] == code and re.search(said, found[1])


def finding(check: str, file: str) -> dict:
    return {"test_id": check, "filename": file, "line_number": 3, "issue_text": "danger"}


def test_code(audit):
    page = "| B101 | `a.py`, `b/c.py` | why |\n"
    both = [finding("B101", "./a.py"), finding("B101", "b/c.py")]
    assert audit.code({"results": both}, page)[0] == 0
    code, said = audit.code({"results": [*both, finding("B602", "a.py")]}, page)
    assert code == 1 and "a.py:3: B602 danger" in said and "to no finding" not in said
    code, said = audit.code({"results": both[:1]}, page)
    assert code == 1 and "answers in docs/security.md to no finding:\n  b/c.py: B101" in said
    assert audit.code(None, page)[0] == 1
    assert audit.code({"results": both, "errors": ["a.py"]}, page)[0] == 1


def test_the_worse_of_both_is_the_exit_code(audit, tmp_path, capsys):
    code, page = tmp_path / "code.json", tmp_path / "page.md"
    page.write_text("")
    for results, expected in (([], 2), ([finding("B602", "a.py")], 1)):
        code.write_text(json.dumps({"results": results}))
        assert audit.main([str(tmp_path / "none.json"), str(code), str(page)]) == expected
    assert "NOTHING is known" in capsys.readouterr().out


def test_the_page_answers_for_files_that_are_there(audit):
    answered = audit.answers(PAGE)
    assert len(answered) > 10
    assert not [file for _, file in answered if not (PROJECT / file).is_file()]


def test_in_a_fresh_clone_the_tools_that_cannot_be_installed_are_named(tmp_path):
    """The first command of a clone: there is no folder yet that environments go into."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(PROJECT / "scripts/audit.sh", tmp_path / "scripts")
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho no connection >&2\nexit 1\n")
    python.chmod(0o755)
    done = subprocess.run(["bash", tmp_path / "scripts/audit.sh"], capture_output=True, text=True,
                          env=os.environ | {"PYTHON": str(python)})  # fmt: skip
    assert done.returncode == 3
    assert "no connection" in done.stderr and "could not be installed" in done.stderr
    assert not (tmp_path / "output").exists()
