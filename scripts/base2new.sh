#!/usr/bin/env bash
# Base-to-new: train on the first half of the classes, test on it and on the second half.
#
#   bash scripts/base2new.sh <Trainer> [data sets] [recipe] [KEY VALUE ...]

set -euo pipefail
# shellcheck source=scripts/protocol.sh
source "$(dirname "${BASH_SOURCE[0]}")/protocol.sh"
start_protocol base2new "$@"
choose_datasets "${ELEVEN[@]}" -- "${WOVEN[@]}" -- "${POCKET[@]}"
require_data "${datasets[@]}"

for dataset in "${datasets[@]}"; do
  choose_recipe "$dataset" "$shots" || continue
  for seed in $seeds; do
    tail=$dataset/shots_$shots/$trainer/$chosen/seed$seed
    arguments "$dataset" "$chosen" "$seed"
    base=(DATASET.NUM_SHOTS "$shots" ${opts[@]+"${opts[@]}"} DATASET.SUBSAMPLE_CLASSES base)
    new=(--output-dir "$output/base2new/test_new/$tail"
      DATASET.NUM_SHOTS "$shots" ${opts[@]+"${opts[@]}"} DATASET.SUBSAMPLE_CLASSES new)
    if is_zero_shot; then # nothing to train, so two evaluations
      attempt "${common[@]}" --eval-only --output-dir "$output/base2new/test_base/$tail" "${base[@]}" \
        --then "${common[@]}" --eval-only "${new[@]}" || true
    else
      trained=$output/base2new/train_base/$tail
      attempt "${common[@]}" --output-dir "$trained" "${base[@]}" --then "${common[@]}" \
        --eval-only --model-dir "$trained" --load-epoch final "${new[@]}" || true
    fi
  done
done
finish_protocol
