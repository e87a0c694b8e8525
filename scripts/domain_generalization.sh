#!/usr/bin/env bash
# Domain generalisation: train on all classes of ImageNet, test on its four variants.
#
#   bash scripts/domain_generalization.sh <Trainer> [data sets] [recipe] [KEY VALUE ...]
#
# SOURCE names another data set to train on (default: imagenet; woven_imagenet or pocket_shapes for those that are drawn).

set -euo pipefail
# shellcheck source=scripts/protocol.sh
source "$(dirname "${BASH_SOURCE[0]}")/protocol.sh"
# shellcheck source=scripts/transfer.sh
source "$(dirname "${BASH_SOURCE[0]}")/transfer.sh"
start_protocol domain_generalization "$@"
choose_datasets "${VARIANTS[@]}" -- "${WOVEN_VARIANTS[@]}" -- "${POCKET_VARIANTS[@]}"
choose_source
transfer
finish_protocol
