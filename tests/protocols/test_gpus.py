"""Which GPUs workers are given, and what is said where one is not there."""

import re

import pytest

from protocols import gpus
from protocols.pools import places


@pytest.fixture
def environment(tmp_path):
    """One with a driver that lists two GPUs."""
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'GPU 0: A (UUID: x)'\necho '  MIG 1'\necho 'GPU 1: B'\n")
    program.chmod(0o755)
    return {"PATH": f"{tmp_path}:/usr/bin:/bin"}


def test_a_gpu_that_is_not_there_is_said(environment, monkeypatch):
    monkeypatch.setenv("PATH", environment["PATH"])
    for gpu in ("0", "1", "GPU-af3b"):
        chosen = environment | {"GPU": gpu}
        gpus.choose(chosen, is_dry=False)
        assert chosen["CUDA_VISIBLE_DEVICES"] == gpu
    for gpu, there_are in (("2", ", and there are 2"), ("3", ", and there are 2"), ("cuda:0", "")):
        words = f"counted from 0{there_are}; got GPU='{gpu}'"
        with pytest.raises(ValueError, match=re.escape(words)):
            gpus.choose(environment | {"GPU": gpu}, is_dry=False)
    gpus.choose(environment | {"GPU": "7"}, is_dry=True)  # what is only printed


def test_workers_get_gpus_in_turn(environment, monkeypatch):
    monkeypatch.setenv("PATH", environment["PATH"])

    def seen(jobs, per_gpu, **more) -> str:
        found = places(jobs, per_gpu, environment | more)
        return "".join(place.get("CUDA_VISIBLE_DEVICES", "-") for place in reversed(found))

    assert (seen(None, None), seen(1, None), seen(2, None)) == ("-", "-", "01")
    assert (seen(None, 2), seen(3, 2)) == ("0101", "010")
    assert seen(2, None, CUDA_VISIBLE_DEVICES="5,7") == "57"
    assert gpus.visible({"CUDA_VISIBLE_DEVICES": "-1"}) == []
    assert gpus.visible({"CUDA_VISIBLE_DEVICES": "5,-1,7"}) == ["5"]
    with pytest.raises(ValueError, match=r"--jobs must be at most 2 with 2 GPU\(s\)"):
        places(3, None, environment)


def test_without_a_gpu_workers_share_the_cores(capsys, monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(6)))  # a container's
    environment = {"CUDA_VISIBLE_DEVICES": ""}
    assert places(2, None, environment | {"OMP_NUM_THREADS": "1"}) == [{}, {}]
    assert not capsys.readouterr().out
    (first, second) = places(2, None, environment)
    assert first == second and int(first["OMP_NUM_THREADS"]) == 3
    assert "2 workers with" in capsys.readouterr().out
    with pytest.raises(ValueError, match="--per-gpu 2: there is no GPU here"):
        places(None, 2, environment)
