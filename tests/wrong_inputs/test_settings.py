"""Wrong settings: one message each, exit code 1, and nothing is written."""

import pytest

import train
from wrong_inputs.of_settings import PAIRS, YAMLS


def refusal(capsys, argv: list[str]) -> str:
    assert train.main(argv) == 1
    printed = capsys.readouterr().err
    assert "Traceback" not in printed and printed.count("error: ") == 1
    return printed


@pytest.mark.parametrize(("key", "value", "message"), PAIRS)
def test_pairs(tiny_argv, tmp_path, capsys, key, value, message):
    assert message in refusal(capsys, [*tiny_argv("CoOp"), key, value])
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "log.txt"]


@pytest.mark.parametrize(("content", "message"), YAMLS)
def test_yamls(tiny_argv, tmp_path, capsys, content, message):
    (tmp_path / "wrong.yaml").write_text(content)
    flags = ("--config-file", str(tmp_path / "wrong.yaml"))
    printed = refusal(capsys, tiny_argv("CoOp", flags=flags))
    assert message in printed and "wrong.yaml" in printed
    assert [path.name for path in tmp_path.iterdir()] == ["wrong.yaml"]
