"""Cells on a real Ray cluster of several nodes on this machine, one of which is killed."""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from protocols.cell import Plan
from protocols.places import PROJECT
from protocols.planner import Planner
from protocols.screen import Screen
from protocols.state import State, state_of
from tests.protocols.made_up import cell, journal, on_ray


def test_without_the_flag_nothing_of_ray_is_imported():
    code = (
        "import sys; from protocols.main import main; main(['base2new', 'CoOp', 'woven_dtd']); "
        "import protocols.planner, protocols.local_pool, protocols.status; "
        "found = {'ray', 'torch'} & set(sys.modules); sys.exit(str(found) if found else 0)"
    )
    environment = os.environ | {"DRY_RUN": "1", "SEEDS": "1"}
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, env=environment,
                          capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("--output-dir") == 2


def test_without_ray_it_is_said_what_to_install(tmp_path):
    code = "import sys; sys.modules['ray'] = None; from protocols.main import main; " \
           "sys.exit(main(['base2new', '--ray', 'auto', 'CoOp', 'woven_dtd']))"  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True,
                          env=os.environ | {"OUTPUT": str(tmp_path), "SEEDS": "1"})  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.endswith("not installed: pip install -r requirements-cluster.txt\n")


@pytest.fixture(scope="module")
def cluster():
    """A head that takes no tasks, and two nodes of two CPUs."""
    pytest.importorskip("ray", reason="requirements-cluster.txt is not installed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        from ray.cluster_utils import Cluster

        head = {"num_cpus": 0, "include_dashboard": False}
        made = Cluster(initialize_head=True, head_node_args=head)
        made.nodes_of_work = [made.add_node(num_cpus=2) for _ in range(2)]
        made.wait_for_nodes()
        yield made
        made.shutdown()


@pytest.mark.cluster
@pytest.mark.filterwarnings("ignore")
def test_results_are_those_of_this_machine(cluster, tmp_path):
    words = ["base2new", "CoOp", "pocket_sizes", "pocket", "OPTIM.MAX_EPOCH", "1"]
    environment = os.environ | {"DATA": str(tmp_path / "data"), "SEEDS": "1", "SHOTS": "1"}

    def run(name: str, *options: str) -> dict[str, dict]:
        folder = tmp_path / name
        command = [sys.executable, "-m", "protocols", words[0], *options, *words[1:]]
        done = subprocess.run(command, cwd=PROJECT, env=environment | {"OUTPUT": str(folder)},
                              capture_output=True, text=True)  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return {str(path.relative_to(folder)): json.loads(path.read_text())
                for path in Path(folder).rglob("result.json")}  # fmt: skip

    here, there = run("here"), run("there", "--ray", cluster.address)
    assert list(here) == list(there) and len(here) == 2
    for name, result in here.items():
        for key in ("metrics", "confused", "per_class", "logits_sha256", "shot_list_sha256"):
            assert result[key] == there[name][key], key


@pytest.mark.cluster
@pytest.mark.filterwarnings("ignore")
def test_a_node_is_killed_and_every_cell_ends_done_once(cluster, tmp_path, monkeypatch):
    from protocols import ray_pool

    monkeypatch.setattr(ray_pool, "task", on_ray)
    monkeypatch.setattr("protocols.planner.POLL_SEC", 0.2)  # looks in while all tasks are on
    cells = [cell(tmp_path, f"c{i}", "4", needs=("c0",) if i == 1 else ()) for i in range(9)]
    pool = ray_pool.RayPool(cluster.address, None, None)
    assert pool.size == 4
    taken = pool.events
    killed = []

    def events(timeout_sec: float):
        yield from taken(timeout_sec)
        number = Counter(line[1] for line in journal(tmp_path))
        if not killed and number["begun"] - number["ended"] == pool.size < number["begun"]:
            killed.append(time.monotonic())
            cluster.remove_node(cluster.nodes_of_work[0], allow_graceful=False)

    pool.events = events
    planner = Planner(Plan(cells), pool, Screen())
    planner.run()
    assert killed and set(planner.states.values()) == {State.DONE}, planner.failures
    assert {state_of(one) for one in cells} == {State.DONE}
    what = Counter(line[:2] for line in journal(tmp_path))
    assert all(what[one.name, "ended"] == 1 for one in cells)
    assert not [name for name, kind in what if kind == "two at once"]
    assert sum(what[one.name, "begun"] for one in cells) > len(cells)  # of the node that was lost
    left = [path for path in tmp_path.rglob("*") if path.suffix in (".lock", ".partial")]
    assert not left
