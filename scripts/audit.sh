#!/usr/bin/env bash
# Bill of materials, known vulnerabilities of the packages, and bandit on the code.
#
#   bash scripts/audit.sh        # of the python on the PATH; PYTHON=... names another
#
# Writes output/audit/: bill.json (CycloneDX), packages.json (pip-audit), code.json (bandit). Exit
# code 0: clean. 1: a vulnerable package, or a finding that docs/security.md does not answer. 2: not
# known, since the database of vulnerabilities cannot be reached or lacks packages. 3: the tools
# could not be installed; they live in .venvs/audit, nothing else needs them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=$(command -v "${PYTHON:-python}" || command -v python3)
output=${OUTPUT:-output}/audit
tools=.venvs/audit/bin

if [[ ! -x $tools/pip-audit || ! -x $tools/bandit || ! -x $tools/cyclonedx-py ]]; then
  mkdir -p .venvs
  echo "Installing pip-audit, bandit and cyclonedx-bom into .venvs/audit ..."
  if ! { "$python" -m venv .venvs/audit &&
    "$tools/python" -m pip install --quiet pip-audit bandit cyclonedx-bom; } 2>.venvs/audit.log; then
    tail -n 3 .venvs/audit.log >&2
    echo "error: pip-audit, bandit and cyclonedx-bom could not be installed; is there a connection?" >&2
    exit 3
  fi
fi

mkdir -p "$output"
rm -f "$output"/{bill,packages,code}.json
"$tools/cyclonedx-py" environment "$python" --output-format JSON --output-file "$output/bill.json"
echo "bill of materials: $output/bill.json"

# Both end with 1 for findings as for failures: their reports are judged.
folder=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
"$tools/pip-audit" --path "$folder" --format json --output "$output/packages.json" \
  >"$output/packages.log" 2>&1 || true
git ls-files -z -- '*.py' ':!tests' |
  xargs -0 "$tools/bandit" --quiet --format json --output "$output/code.json" 2>/dev/null || true
exec "$tools/python" scripts/audit.py "$output/packages.json" "$output/code.json" docs/security.md
