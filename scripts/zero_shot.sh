#!/usr/bin/env bash
# Zero-shot: CLIP with hand-crafted sentences on all classes; nothing is trained and no seed matters.
#
#   bash scripts/zero_shot.sh <ZeroshotCLIP|ZeroshotCLIP2> [data sets] [recipe] [KEY VALUE ...]

set -euo pipefail
# shellcheck source=scripts/protocol.sh
source "$(dirname "${BASH_SOURCE[0]}")/protocol.sh"
run_protocol zero_shot "$@"
