#!/usr/bin/env bash
# Cross-dataset: train on all classes of ImageNet, test on ten other data sets.
#
#   bash scripts/cross_dataset.sh <Trainer> [data sets] [recipe] [KEY VALUE ...]
#
# SOURCE names another data set to train on (default: imagenet; woven_imagenet or pocket_shapes for those that are drawn).

set -euo pipefail
# shellcheck source=scripts/protocol.sh
source "$(dirname "${BASH_SOURCE[0]}")/protocol.sh"
run_protocol cross_dataset "$@"
