#!/usr/bin/env bash
# Base-to-new: train on the first half of the classes, test on it and on the second half.
#
#   bash scripts/base2new.sh <Trainer> [data sets] [recipe] [KEY VALUE ...]

set -euo pipefail
# shellcheck source=scripts/protocol.sh
source "$(dirname "${BASH_SOURCE[0]}")/protocol.sh"
run_protocol base2new "$@"
