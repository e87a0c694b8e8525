"""Wrong command lines: the message, the exit code, and nothing is written."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

import train
from wrong_inputs.of_commands import MODULES, SCRIPTS, TRAIN

PROJECT = Path(train.__file__).parent
BROKEN = {
    "broken_syntax": "def (:\n",
    "broken_name": "undefined\n",
    "broken_exit": "raise SystemExit(3)\n",
    "broken_zero": "1 / 0\n",
}


def outcome(main, argv: list[str], capsys) -> tuple[int, str]:
    """Exit code of a command and all that it printed."""
    try:
        code = main(argv)
    except SystemExit as ended:
        code = ended.code
        if isinstance(code, str):
            code, _ = 1, print(code, file=sys.stderr)
    printed = capsys.readouterr()
    assert "Traceback" not in printed.err
    return code, printed.err + printed.out


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """Where commands are called in, with an empty folder and a file that is no yaml."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.yaml").write_text("- no mapping\n")
    for name, text in BROKEN.items():
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return tmp_path


def filled(words: tuple[str, ...], folder: Path) -> list[str]:
    return [word.replace("{file}", f"{folder}/a.yaml").replace("{folder}", str(folder))
            for word in words]  # fmt: skip


@pytest.mark.parametrize(("words", "code", "message"), TRAIN)
def test_train(folder, capsys, words, code, message):
    before = sorted(folder.rglob("*"))
    flags = [] if words[:1] == ("OPTIM.LR",) else ["--output-dir", f"{folder}/run"]
    found, printed = outcome(train.main, [*flags, *filled(words, folder)], capsys)
    assert (found, message in printed) == (code, True), printed
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize(("module", "words", "code", "message"), MODULES)
def test_modules(folder, capsys, module, words, code, message):
    before = sorted(folder.rglob("*"))
    found, printed = outcome(importlib.import_module(module).main, filled(words, folder), capsys)
    assert (found, message in printed) == (code, True), printed
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize(("script", "words", "message"), SCRIPTS)
def test_scripts(tmp_path, script, words, message):
    environment = os.environ | {"DRY_RUN": "1", "OUTPUT": str(tmp_path), "DATA": str(tmp_path)}
    command = ["bash", PROJECT / "scripts" / script, *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 1 and message in done.stderr
    assert not list(tmp_path.iterdir())
