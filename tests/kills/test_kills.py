"""Killed anywhere and started again, a command ends as if nothing had happened, to the last bit."""

import random
import time
from itertools import pairwise

import pytest

from tests.kills.killing import KILLED, count_write_points, fork, killed_at_a_moment, wait
from tests.kills.scenarios import NAMES, command, fresh
from tests.kills.traces import first_difference, traces

# In the default suite; the marked run has all.
USUAL = {
    "context": 2, "two best models": 2, "best average": 2, "fit": 2, "stored views": 2, "curve": 2,
    "drawing": 2,
}  # fmt: skip
# Several processes share the work, in another way each time: the last writes may not come.
SHARED = ("drawing",)
MOMENTS, TWICE = 6, 6  # of each scenario in the marked run


class Victim:
    """A scenario, what it leaves when nothing kills it, and how many kills it took."""

    def __init__(self, name, tiny_argv, tiny_root, tmp_path) -> None:
        self.place, self.log, self.root = tmp_path / "place", tmp_path / "log", tiny_root
        self.command = command(name, self.place, tiny_argv)
        self.kills = 0
        fresh(self.place, self.root)
        start = time.monotonic()
        self.write_points = count_write_points(self.command, self.log)
        self.seconds = time.monotonic() - start
        self.unkilled = traces(self.place)

    def check(self, *kills) -> None:
        """Starts anew, kills by each of `kills` in turn, and starts again."""
        fresh(self.place, self.root)
        for kill in kills:
            if isinstance(kill, int):
                code = wait(fork(self.command, self.log, deadly=kill), self.log)
            else:
                code = killed_at_a_moment(self.command, self.log, kill)
            assert code in (0, KILLED), f"killed at {kill}:\n{self.log.read_text()[-3000:]}"
            self.kills += code == KILLED
        code = wait(fork(self.command, self.log), self.log)
        assert code == 0, f"stuck after {kills}:\n{self.log.read_text()[-3000:]}"
        difference = first_difference(self.unkilled, traces(self.place))
        assert not difference, f"after {kills}: {difference}"


@pytest.fixture
def victim(tiny_argv, tiny_root, tmp_path):
    return lambda name: Victim(name, tiny_argv, tiny_root, tmp_path)


def test_there_are_fourteen():
    assert sum(USUAL.values()) == 14 and set(USUAL) < set(NAMES)


@pytest.mark.parametrize("name", USUAL)
def test_a_few_kills(victim, name):
    """One in each stretch of the run, and the last kill at a moment."""
    killed, rng, number = victim(name), random.Random(name), USUAL[name] - 1
    ends = [index * killed.write_points // number for index in range(number + 1)]
    for stretch in pairwise(ends):
        killed.check(rng.randrange(*stretch))
    killed.check(rng.uniform(0.1, 0.6) * killed.seconds)
    assert number - (name in SHARED) <= killed.kills <= number + 1


@pytest.mark.kills
@pytest.mark.parametrize("name", NAMES)
def test_every_kill(victim, name):
    """At each write point, at seeded moments, and the restarted one once more."""
    killed, rng = victim(name), random.Random(f"all of {name}")
    for point in range(killed.write_points):
        killed.check(point)
    few = killed.write_points // 5 if name in SHARED else 0
    assert killed.write_points - few <= killed.kills
    for _ in range(MOMENTS):
        killed.check(rng.uniform(0, 0.95) * killed.seconds)
    for _ in range(TWICE):
        killed.check(*(rng.randrange(killed.write_points) for _ in range(2)))
    print(f"{name}: {killed.kills} kills, {killed.write_points} write points")
