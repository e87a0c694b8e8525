#!/usr/bin/env bash
# Domain generalisation: train on all classes of ImageNet, test on its four variants.
#
#   bash scripts/domain_generalization.sh <Trainer> [data sets] [recipe] [KEY VALUE ...]
#
# SOURCE names another data set to train on (default: imagenet; woven_imagenet or pocket_shapes for those that are drawn).

set -euo pipefail
# shellcheck source=scripts/protocol.sh
source "$(dirname "${BASH_SOURCE[0]}")/protocol.sh"
run_protocol domain_generalization "$@"
