"""Judges what pip-audit and bandit have written, see audit.sh. Standard library only.

python scripts/audit.py PIP_AUDIT_JSON BANDIT_JSON docs/security.md
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

CLEAN, BAD, UNKNOWN = 0, 1, 2  # exit codes
OURS = {"dassl", "promptkit"}  # of this project: in no database


def read(path: str) -> Any:
    """What a json file holds; None where a tool wrote none."""
    try:
        return json.loads(Path(path).read_text())
    except (OSError, ValueError):
        return None


def packages(report: dict[str, Any] | None) -> tuple[int, str]:
    """Exit code and words on the report of pip-audit.

    It calls an environment clean, too, whose packages its database did not know or could not be
    asked about: those are counted here.
    """
    if report is None:
        return UNKNOWN, "packages: no connection to the database, NOTHING is known of them"
    listed = [entry for entry in report["dependencies"] if entry["name"] not in OURS]
    skipped = [entry["name"] for entry in listed if "skip_reason" in entry]
    found = [
        f"  {entry['name']} {entry['version']}: {fault['id']}, mended in "
        f"{', '.join(fault.get('fix_versions', [])) or 'no version yet'}"
        for entry in listed
        for fault in entry.get("vulns", [])
    ]
    asked = len(listed) - len(skipped)
    said = f"{asked} of {len(listed)} packages were found in the database"
    if found:
        return BAD, "\n".join([f"packages: VULNERABLE, {said}", *found])
    if skipped or not listed:
        names = ", ".join(skipped[:5]) + (" ..." if len(skipped) > 5 else "")
        return UNKNOWN, f"packages: NOT known to be clean, {said}; not {names}"
    return CLEAN, f"packages: clean, {said}"


def answers(page: str) -> set[tuple[str, str]]:
    """(check, file) of each line of a table whose first column is a check of bandit's."""
    rows = re.findall(r"^\| (B\d{3}) \| ([^|]+) \|", page, re.M)
    return {(check, file) for check, files in rows for file in re.findall(r"`([^`]+)`", files)}


def code(report: dict[str, Any] | None, page: str) -> tuple[int, str]:
    """Exit code and words on the report of bandit; answered findings are in order."""
    if report is None or report.get("errors"):
        return BAD, "code: bandit could not read all of it"
    known = answers(page)
    places = {
        (entry["test_id"], entry["filename"].removeprefix("./")) for entry in report["results"]
    }
    open_ones = [
        f"  {entry['filename'].removeprefix('./')}:{entry['line_number']}: {entry['test_id']} "
        f"{entry['issue_text']}"
        for entry in report["results"]
        if (entry["test_id"], entry["filename"].removeprefix("./")) not in known
    ]
    gone = sorted(f"  {file}: {check}" for check, file in known - places)
    if open_ones or gone:
        lines = ["code: findings that docs/security.md does not answer:", *open_ones] * bool(
            open_ones
        )
        lines += ["code: answers in docs/security.md to no finding:", *gone] * bool(gone)
        return BAD, "\n".join(lines)
    return CLEAN, f"code: all {len(report['results'])} findings are answered in docs/security.md"


def main(arguments: list[str]) -> int:
    """Prints both judgements; bad news go before unknown ones."""
    audited, scanned, page = arguments
    judged = [packages(read(audited)), code(read(scanned), Path(page).read_text())]
    for _, words in judged:
        print(words)
    codes = {number for number, _ in judged}
    return BAD if BAD in codes else max(codes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
