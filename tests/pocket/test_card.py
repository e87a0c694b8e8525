"""The model card says what the results say."""

import json
import subprocess

import pytest

from pocket import card
from pocket.datasets import SETS
from woven import cards

RECORD = {
    "arguments": {"seed": 1},
    "machine": {"processors": 2, "device": "cpu", "torch": "2.x"},
    "attributes": {
        "seen": {"mask_loss": 0.1, "shape": 0.925, "color": 0.99},
        "held_out": {"mask_loss": 0.1, "shape": 0.9, "color": 0.98},
    },
    "images": [
        {"step": 50 * i, "time": t, "shape": i / 10, "color": 0.9}
        for i, t in enumerate((600, 1200, 90_000, 90_600), start=1)  # stopped for a day
    ],
    "words": [{"step": s, "time": s, "loss": 5 - s / 50} for s in (50, 100)],
}


def write(folder, dataset: str, trainer: str, subset: str, seed: int, accuracy: float) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    result = {"dataset": dataset, "trainer": trainer, "subset": subset, "seed": seed}
    (folder / "result.json").write_text(json.dumps(result | {"metrics": {"accuracy": accuracy}}))


@pytest.fixture
def output(tmp_path):
    """Results of all sets: a tuned method gains 10 on base and loses 5 on new."""
    for number, item in enumerate(SETS.values()):
        name, zero = item.name, 50.0 + number
        if name == "PocketMarks":
            zero = 5.0
        for kind, more in (("own", 0), ("styled", 2)):
            folder = tmp_path / "zero_shot" / kind / item.folder
            write(folder, name, "ZeroshotCLIP", "all", 1, zero + more)
        for seed in (1, 2, 3):
            write(tmp_path / f"probe/{name}{seed}", name, "LinearProbe", "all", seed, 86 + seed)
            for trainer, gain in (("CoOp", 10), ("KgCoOp", 2), ("E2MIM", 9)):
                for subset, sign in (("base", 1), ("new", -0.5)):
                    folder = tmp_path / f"tuned/{subset}/{trainer}{name}{seed}"
                    if name == "PocketMarks":  # held methods are behind on both
                        write(folder, name, trainer, subset, seed, zero + 5 * gain)
                    else:
                        write(folder, name, trainer, subset, seed, zero + sign * gain + seed)
        for subset in ("base", "new"):
            write(tmp_path / f"tuned/{subset}/z{name}", name, "ZeroshotCLIP", subset, 1, zero)
    return tmp_path


def test_tables_hold_means_and_deviations_of_the_results(output):
    text = card.tables(card.read_figures(output))
    rows = [[c.strip() for c in line.split("|")[1:-1]] for line in text.splitlines() if "|" in line]
    whole = {row[0]: row[1:] for row in rows if len(row) == 6}
    split = {row[0]: row[1:] for row in rows if len(row) == 9}
    template = "`a pixelated photo of a {}.`"
    assert whole["PocketSizes"] == ["36", "51.0", "53.0", template, "88.0 ± 0.8"]
    assert split["PocketSizes"][:4] == ["51.0", "63.0 ± 0.8", "55.0 ± 0.8", "62.0 ± 0.8"]
    assert split["PocketSizes"][4:6] == ["51.0", "48.0 ± 0.8"]
    assert (
        set(whole)
        == set(split)
        == {"data set", *SETS}
        | ({"---"} & set(whole))
        | {key for key in whole if key.startswith("-")}
    )


def test_findings_name_the_sets_that_show_them(output):
    source, probe, room, danger, misread = card.findings(card.read_figures(output)).splitlines()
    assert "50.0 %" in source and "88.0 %" in probe
    assert "PocketSizes (probe +37.0, CoOp +12.0)" in room
    assert "PocketSizes, KgCoOp (CoOp -4.0)" in danger and "PocketMarks" not in danger
    assert misread.endswith("PocketMarks, KgCoOp (-40.0 base, -40.0 new); "
                            "PocketMarks, E2MIM (-5.0 base, -5.0 new).")  # fmt: skip


def test_training_figures_and_curves(tmp_path):
    text = card.training(RECORD)
    assert "0.7 h for the images" in text and "shape 92.5 / 90.0; color 99.0 / 98.0" in text
    card.draw_curves(RECORD, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_every_job_names_files_that_exist_and_failures_show_their_end(tmp_path):
    found = card.jobs(tmp_path / "data", tmp_path / "runs")
    assert len(found) == len(SETS) * (2 + 3 + 2) + 2 * 6
    for job in found:
        for part in job.command:
            if part.startswith(("configs/", "scripts/")):
                assert (cards.PROJECT / part).is_file(), part
    command = ["bash", "-c", "echo first; echo the reason; exit 3"]
    with pytest.raises(RuntimeError, match=r"failed \(3\):\nfirst\nthe reason"):
        cards.run(command)
    dry = subprocess.run(
        found[-1].command, cwd=cards.PROJECT, capture_output=True, text=True,
        env={"PATH": "/usr/bin:/bin", "DRY_RUN": "1"},
    )  # fmt: skip
    assert dry.returncode == 0 and "CoOp" in dry.stdout and str(tmp_path) in dry.stdout


def test_the_card_holds_figures_of_every_set():
    text = card.CARD.read_text()
    _, _, figures = text.partition(card.MARKS[0])
    for name in SETS:
        rows = [line for line in figures.splitlines() if line.startswith(f"| {name} ")]
        assert len(rows) == 2 and all("±" in row for row in rows)
