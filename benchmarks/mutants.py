"""Which small faults in the code do the tests not notice?

python -m benchmarks.mutants [--number 100] [--seed 1] [--part 1/2] [--log output/mutants.jsonl]

Faults are drawn by seed and put, one after the other, into a clone of the last commit, where the
tests of the faulty file run: those named after it or that import it, then those of its package. A
fault is killed when a test fails with it that passes without it; it may also take too long. What
has been tried stands in the log and is not tried again; parts of a run may share a log.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from benchmarks.mutations import Mutation, drawn

PROJECT = Path(__file__).resolve().parents[1]
FOLDERS = ["promptkit", "trainers", "reports"]
# What is run of a package where the nearest tests notice nothing.
WIDER = {
    "promptkit": ["tests/trainers/test_all_trainers.py", "tests/test_train.py"],
    "trainers": ["tests/trainers/test_all_trainers.py", "tests/test_train.py"],
    "reports": ["tests/reports/test_reports_cli.py", "tests/reports/test_reports_page.py",
                "tests/reports/test_reports_figures.py", "tests/reports/test_reports_collect.py"],
}  # fmt: skip
SIDES = ("+++", "---")  # how the lines of a difference begin that name the files
NO_TESTS_RAN = 5  # exit codes of pytest
TOO_LONG = "too long"
PYTEST = [sys.executable, "-m", "pytest", "-x", "-q", "-n0", "-p", "no:cacheprovider"]


class Clone:
    """The last commit in a folder of its own, with room for one fault."""

    def __init__(self, folder: Path, time_limit_sec: float) -> None:
        self.folder, self.time_limit_sec = folder, time_limit_sec
        self.passing: set[str] = set()  # tests that are known to pass without any fault
        self._git("clone", "--quiet", "--shared", str(PROJECT), str(folder), cwd=PROJECT)

    def try_out(self, mutation: Mutation) -> dict:
        """What becomes of one fault: outcome, the test that killed it, and the difference."""
        path = self.folder / mutation.file
        before = path.read_text()
        after = mutation.applied(before)
        changes = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
        start, outcome = time.monotonic(), {"outcome": "survived", "by": ""}
        for files in self._rings(mutation.file):
            path.write_text(after)
            self._git("commit", "--quiet", "--all", "--message", "a fault")  # a clean work tree
            try:
                found = self._run(files)
            finally:
                self._git("reset", "--quiet", "--hard", "HEAD~1")
            if found == TOO_LONG:
                outcome = {"outcome": "too long", "by": ", ".join(files)}
                break
            if found is not None and self._passes(found):
                outcome = {"outcome": "killed", "by": found}
                break
        changed = [line for line in changes if line[:1] in "+-" and line[:3] not in SIDES]
        seconds = round(time.monotonic() - start, 1)
        return {"mutation": mutation.name, **outcome, "seconds": seconds, "diff": changed}

    def _rings(self, file: str) -> list[list[str]]:
        near = nearest(self.folder, file)
        wide = [test for test in WIDER[file.split("/")[0]] if test not in near]
        return [files for files in (near, wide) if files]

    def _passes(self, test: str) -> bool:
        """Whether a test that failed passes without the fault."""
        if test not in self.passing:
            if self._run([test]) is not None and self._run([test.partition("::")[0]]) is not None:
                print(f"note: {test} fails without any fault", file=sys.stderr)
                return False
            self.passing.add(test)
        return True

    def _run(self, tests: list[str]) -> str | None:
        """The first test that fails; None where all pass."""
        environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "",
                                    "PYTHONDONTWRITEBYTECODE": "1"}  # fmt: skip
        run = subprocess.Popen([*PYTEST, *tests], cwd=self.folder, env=environment, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               start_new_session=True)  # fmt: skip
        try:
            output, _ = run.communicate(timeout=self.time_limit_sec)
        except subprocess.TimeoutExpired:
            return TOO_LONG
        finally:
            if run.poll() is None:
                os.killpg(run.pid, signal.SIGKILL)
                run.communicate()
        if run.returncode in (0, NO_TESTS_RAN):
            return None
        failed = re.search(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", output, re.M)
        return failed[1] if failed else tests[0]  # pytest itself could not start

    def _git(self, *arguments: str, cwd: Path | None = None) -> None:
        author = ["-c", "user.name=mutants", "-c", "user.email=mutants@localhost"]
        subprocess.run(["git", *author, *arguments], cwd=cwd or self.folder, check=True)


def nearest(project: Path, file: str) -> list[str]:
    """The test files that are called like a file or import it, else its importers' tests."""
    module = file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    stem = module.rpartition(".")[2]
    imported = {
        path.relative_to(project).as_posix(): _imported(path)
        for folder in ("tests", *FOLDERS)
        for path in sorted((project / folder).rglob("*.py"))
    }
    named = [name for name in imported if re.search(rf"/test_(reports_)?{stem}\.py$", name)]
    wanted, seen = {module}, set()
    while wanted - seen:
        tests = [
            name
            for name, modules in imported.items()
            if name.startswith("tests/") and "/test_" in name and modules & wanted
        ]
        if named or tests:
            return list(dict.fromkeys(named + tests))
        seen |= wanted
        wanted = wanted | {
            name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            for name, modules in imported.items()
            if modules & wanted and not name.startswith("tests/")
        }
    return []


def _imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def recorded(log: Path) -> dict[str, dict]:
    """What the log says, by mutation; a line that a kill cut short is left out."""
    entries = {}
    for line in log.read_text().splitlines() if log.exists() else []:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        entries[entry["mutation"]] = entry
    return entries


def summary(entries: list[dict]) -> str:
    """Counts, and the survivors with their differences."""
    counts = Counter(entry["outcome"] for entry in entries)
    numbers = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
    lines = [f"{len(entries)} tried: {numbers}"]
    for entry in entries:
        if entry["outcome"] != "killed":
            lines += [entry["mutation"], *(f"    {line}" for line in entry["diff"])]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Tries the faults that the log lacks; 1 where any of all survived."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutants", description=__doc__)
    parser.add_argument("--number", type=int, default=100, help="of faults (default: 100)")
    parser.add_argument("--seed", type=int, default=1, help="they are drawn by it (default: 1)")
    parser.add_argument("--part", default="1/1", help="I/N: every N-th fault from the I-th on")
    parser.add_argument("--log", type=Path, default=Path("output/mutants.jsonl"))
    parser.add_argument("--again", action="store_true", help="try those that survived once more")
    parser.add_argument("--time-limit", type=float, default=300, help="seconds of a test run (300)")
    options = parser.parse_args(arguments)
    try:
        part, parts = map(int, options.part.split("/"))
    except ValueError:
        parser.error(f"--part must be I/N, as in 1/2; got {options.part!r}")
    options.log.parent.mkdir(parents=True, exist_ok=True)
    before = recorded(options.log)
    skipped = {name for name, entry in before.items()
               if not options.again or entry["outcome"] == "killed"}  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        clone = Clone(Path(folder, "clone"), options.time_limit)
        chosen = drawn(clone.folder, FOLDERS, number=options.number, seed=options.seed)
        for mutation in chosen[part - 1 :: parts]:
            if mutation.name in skipped:
                continue
            entry = clone.try_out(mutation)
            with open(options.log, "a") as log:
                log.write(json.dumps(entry) + "\n")
            print(f"{entry['outcome']} {entry['seconds']} s {mutation.name} {entry['by']}")
    entries = recorded(options.log)
    tried = [entries[mutation.name] for mutation in chosen if mutation.name in entries]
    print(summary(tried))
    return 1 if any(entry["outcome"] != "killed" for entry in tried) else 0


if __name__ == "__main__":
    sys.exit(main())
