#!/usr/bin/env bash
# The whole check: style of Python and shell, and the tests. Offline, on the CPU.
#
#   bash scripts/test.sh [pytest arguments]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/setup.sh
source scripts/setup.sh
setup_environment

ruff format --check --quiet .
ruff check --quiet .
shellcheck --external-sources scripts/*.sh .ci/run
export CUDA_VISIBLE_DEVICES="" OMP_NUM_THREADS=1
exec python -m pytest --numprocesses 2 --dist worksteal "$@"
