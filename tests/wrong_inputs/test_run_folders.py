"""Run folders that were changed by hand: a run there is refused in words, and nothing is lost."""

import json
import os
import shutil
import time
from pathlib import Path

import pytest

import train
from promptkit.use import predict


@pytest.fixture(scope="module")
def finished(tmp_path_factory, tiny_root, tiny_weights):
    """A finished run, in a folder that is copied for each test."""
    place = tmp_path_factory.mktemp("finished")

    def argv(output: Path, *pairs) -> list[str]:
        return [
            "--root", tiny_root, "--seed", "1", "--trainer", "CoOp", "--output-dir", str(output),
            "DATASET.NAME", "TinyShapes", "DATASET.NUM_SHOTS", "1", "INPUT.SIZE", "(32, 32)",
            "INPUT.TRANSFORMS", "('normalize',)", "MODEL.BACKBONE.NAME", tiny_weights,
            "OPTIM.MAX_EPOCH", "1", "TRAINER.COOP.N_CTX", "2", "DATALOADER.NUM_WORKERS", "0",
            *map(str, pairs),
        ]  # fmt: skip

    assert train.main(argv(place / "run")) == 0
    return place / "run", argv


@pytest.fixture
def run(finished, tmp_path):
    """The folder's copy, and its command with more pairs."""
    shutil.copytree(finished[0], tmp_path / "run")
    return tmp_path / "run", lambda *pairs: finished[1](tmp_path / "run", *pairs)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith("log.txt")
    }


def write(name: str, text: str):
    return lambda folder: (folder / name).write_text(text)


def delete(*names: str):
    def change(folder: Path) -> None:
        for name in names:
            (folder / name).unlink()

    return change


def replace(name: str, make):
    def change(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        make(folder / name)

    return change


def both(*changes):
    return lambda folder: [change(folder) for change in changes]


def edit(**fields):
    def change(folder: Path) -> None:
        path = folder / "result.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | fields))

    return change


OTHER = ("OPTIM.LR", "0.5")
SAME = ()


@pytest.mark.parametrize(
    ("change", "pairs", "message"),
    [
        (delete("run.json"), OTHER, "OPTIM.LR: "),
        (delete("run.json", "result.json"), OTHER, "holds checkpoints and no run.json"),
        (delete("run.json", "result.json"), SAME, "holds checkpoints and no run.json"),
        (both(write("run.json", "["), delete("result.json")), OTHER, "run.json is damaged"),
        (both(write("run.json", '{"config": 5}'), delete("result.json")), SAME, "is damaged"),
        (edit(schema=2), SAME, "its schema is 2, and 1 is known here"),
        (replace("result.json", os.mkfifo), SAME, "is no file, but a pipe"),
        (replace("result.json", os.mkdir), SAME, "is no file, but a pipe, device or folder"),
        (replace("run.json", os.mkdir), OTHER, "is no file, but a pipe, device or folder"),
    ],
)
def test_nothing_of_another_run_is_overwritten(run, capsys, change, pairs, message):
    folder, argv = run
    change(folder)
    before = contents(folder)
    assert train.main(argv(*pairs)) == 1
    printed = capsys.readouterr().err
    assert message in printed and str(folder) in printed and "Traceback" not in printed
    assert contents(folder) == before


def test_a_result_alone_is_recognised(run, capsys):
    folder, argv = run
    (folder / "run.json").unlink()
    assert train.main(argv()) == 0
    assert "Finished before" in capsys.readouterr().out


@pytest.mark.parametrize("make", [lambda path: path.symlink_to("nowhere"), os.mkdir])
def test_a_lock_that_is_no_file_holds_nobody_up_for_ever(run, capsys, make):
    folder, argv = run
    (folder / "result.json").unlink()
    make(folder / "run.lock")
    assert train.main(argv()) == 1
    assert "in use by a run that does not say whose it is" in capsys.readouterr().err
    hour_ago = time.time() - 3600
    os.utime(folder / "run.lock", (hour_ago, hour_ago), follow_symlinks=False)
    code = train.main(argv())
    if (folder / "run.lock").is_dir():
        assert code == 1 and f"{folder}/run.lock: " in capsys.readouterr().err
    else:
        assert code == 0
    assert not list(folder.glob("run.lock.*"))


def test_a_damaged_checkpoint_is_named_before_a_repetition(run, tmp_path, capsys):
    folder, _ = run
    (path,) = folder.glob("prompt_learner/model*.pth.tar*")
    path.write_bytes(path.read_bytes()[:1000])
    again = tmp_path / "again"
    assert train.main(["--repeat", str(folder), "--output-dir", str(again)]) == 1
    assert str(path) in capsys.readouterr().err and not again.exists()


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("TRAINER.COOP.N_CTX", "4", "config.TRAINER.COOP.N_CTX must be of the kind of 16; got '4'"),
        ("MODEL.BACKBONE.NAME", ["a"], "config.MODEL.BACKBONE.NAME must be of the kind of"),
        ("MODEL.BACKBONE", 3, "config.MODEL.BACKBONE must be a section; got 3"),
        ("OPTIM.LR", True, "config.OPTIM.LR must be of the kind of"),
    ],
)
def test_settings_that_were_changed_by_hand(run, tiny_root, capsys, place, value, message):
    folder, _ = run
    config = json.loads((folder / "result.json").read_text())["config"]
    node = config
    *sections, key = place.split(".")
    for section in sections:
        node = node[section]
    node[key] = value
    edit(config=config)(folder)
    image = f"{tiny_root}/tiny/images/star_0.png"
    assert predict.main(["--model-dir", str(folder), image]) == 1
    printed = capsys.readouterr().err
    assert message in printed and "result.json" in printed


def test_a_command_that_was_changed_by_hand(run, tiny_root, capsys):
    folder, _ = run
    edit(inputs={"argv": ["--nonsense"], "files": {}})(folder)
    image = f"{tiny_root}/tiny/images/star_0.png"
    assert predict.main(["--model-dir", str(folder), image]) == 1
    assert "inputs.argv that is none of train.py's" in capsys.readouterr().err
