"""Sweeps: their points, their clones, their table."""

import hashlib
import json
import shutil

import pytest
import torch

from woven import cards, sweeps
from woven.seeing import load_weights
from woven.weights import SHA256


def test_points_have_folders_of_their_own(tmp_path):
    every = list(sweeps.points(tmp_path))
    assert len(every) == 1 + 4 + 3 + 2 + 6 + 2 * 4 + 3 * 3
    keys = {(sweeps.output_of(point, tmp_path), point.trainer) for point in every}
    assert len(keys) == len(every)
    assert all(len(point.options) % 2 == 0 for point in every)
    assert all(" " not in folder.name for folder, _ in keys)


def test_a_clone_has_all_but_the_pictures_places(tmp_path):
    sweeps.copy_project(tmp_path)
    assert (tmp_path / "woven/woven_clip.pt").is_file() and (
        tmp_path / "scripts/setup.sh"
    ).is_file()
    assert not (tmp_path / "woven/centres.npz").exists() and not (tmp_path / ".git").exists()


def test_worlds_are_made_once(tmp_path, monkeypatch):
    asked = []

    def run(command, project=cards.PROJECT, **settings):
        asked.append((*command[2:], project.name))
        if "woven.make" in command:
            (tmp_path / "tower_64x4_500.made/woven_clip.pt").write_bytes(b"other weights")

    def copy_project(folder):
        (folder / "woven").mkdir(parents=True)
        shutil.copy2(cards.PROJECT / "woven/weights.py", folder / "woven")

    monkeypatch.setattr(sweeps, "NORMS", (0.2,))
    monkeypatch.setattr(sweeps, "RATIOS", (3.0,))
    monkeypatch.setattr(sweeps, "TOWERS", ((64, 4),))
    monkeypatch.setattr(sweeps, "MADE", tmp_path / "nothing")
    monkeypatch.setattr(sweeps, "copy_project", copy_project)
    monkeypatch.setattr(sweeps, "run", run)
    for _ in range(2):
        sweeps.prepare(tmp_path)
    ratio, made = sweeps.shipped_ratio(), tmp_path / "tower_64x4_500.made"
    assert asked == [
        ("woven.calibrate", "--ratio=3.0", "ratio_3.0"),
        ("woven.make", "--text-width=64", "--text-layers=4", "--word-steps=500", f"--work={made}",
         f"--out={made}/woven_clip.pt", cards.PROJECT.name),
        ("woven.calibrate", f"--ratio={ratio}", "tower_64x4_500"),
    ]  # fmt: skip
    checksum = hashlib.sha256(b"other weights").hexdigest()
    assert checksum in (tmp_path / "tower_64x4_500/woven/weights.py").read_text()
    assert SHA256 in (tmp_path / "ratio_3.0/woven/weights.py").read_text()
    weights = torch.load(tmp_path / "norm_0.2.pt", weights_only=True)
    norm = weights["token_embedding.weight"].float().norm(dim=1).mean().item()
    assert norm == pytest.approx(0.2, rel=1e-2)
    ours = load_weights().state_dict()
    assert torch.equal(weights["visual.proj"].float(), ours["visual.proj"])


def test_the_table_has_means_over_sets_and_seeds(tmp_path):
    point = sweeps.Point("epochs", "10", "CoOp")
    for d, real in enumerate(sweeps.FOLDERS.values()):
        for seed in (1, 2):
            for subset, more in (("base", 0), ("new", 50)):
                folder = sweeps.output_of(point, tmp_path) / f"{real}{seed}{subset}"
                folder.mkdir(parents=True)
                result = {"dataset": f"Woven{real}", "trainer": "CoOp", "subset": subset,
                          "seed": seed, "weights_sha256": "a",
                          "metrics": {"accuracy": d + seed / 2 + more}}  # fmt: skip
                (folder / "result.json").write_text(json.dumps(result))
    assert "| epochs    | 10   | CoOp     | 1.8 / 51.8   |" in sweeps.table([point], tmp_path)


def test_other_clones_run_their_own_code(tmp_path, capsys):
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts/base2new.sh").write_text('echo "$PWD $1 $2 $3 $OUTPUT $SEEDS"')
    cards.run_script(
        "base2new", "CoOp", "woven_dtd", "woven", root=tmp_path, output=tmp_path / "o",
        seeds=(1, 2), project=tmp_path,
    )  # fmt: skip
    assert capsys.readouterr().out == f"{tmp_path} CoOp woven_dtd woven {tmp_path}/o 1 2\n"
