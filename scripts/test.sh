#!/usr/bin/env bash
# The whole check: style, shell scripts if shellcheck is there, and the tests. Offline, on the CPU.
#
#   bash scripts/test.sh [pytest arguments]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/setup.sh
source scripts/setup.sh
setup_environment

ruff format --check --quiet .
ruff check --quiet .
if command -v shellcheck >/dev/null; then
  shellcheck scripts/*.sh .ci/run
fi
export CUDA_VISIBLE_DEVICES="" OMP_NUM_THREADS=1
python -m pytest --numprocesses 2 "$@"
