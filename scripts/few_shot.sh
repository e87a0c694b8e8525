#!/usr/bin/env bash
# Few-shot: train and test on all classes, with 1, 2, 4, 8 and 16 images a class (SHOTS names others).
#
#   bash scripts/few_shot.sh <Trainer> [data sets] [recipe] [KEY VALUE ...]

set -euo pipefail
# shellcheck source=scripts/protocol.sh
source "$(dirname "${BASH_SOURCE[0]}")/protocol.sh"
run_protocol few_shot "$@"
