#!/usr/bin/env bash
# What E2MIM is worth: chooses by validation, tests, and writes docs/e2mim.md's tables and pictures.
#
#   bash scripts/ablation.sh [--parts choosing tested varied over_tcp stressed]
#
# One process on one core, hours; a second call does what is missing. Environment:
#   DATA    folder of the data sets (default: output/data)
#   OUTPUT  results (default: output/ablation)
set -euo pipefail
# shellcheck source=scripts/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
enter_project
setup_environment

python -m ablation --root "${DATA:-output/data}" --output "${OUTPUT:-output/ablation}" "$@"
