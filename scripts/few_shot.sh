#!/usr/bin/env bash
# Few-shot: train and test on all classes, with 1, 2, 4, 8 and 16 images a class (SHOTS names others).
#
#   bash scripts/few_shot.sh <Trainer> [data sets] [recipe] [KEY VALUE ...]

set -euo pipefail
# shellcheck source=scripts/protocol.sh
source "$(dirname "${BASH_SOURCE[0]}")/protocol.sh"
start_protocol few_shot "$@"
choose_datasets "${ELEVEN[@]}" -- "${WOVEN[@]}" -- "${POCKET[@]}"
require_data "${datasets[@]}"

# option KEY DEFAULT: its value in the KEY VALUE pairs, else in the recipe.
option() {
  local value index
  value=$(sed -nE "s/^ *$1: *\"?([^\" #]*).*/\1/p" "configs/trainers/$trainer/$chosen.yaml")
  for ((index = 0; index + 1 < ${#opts[@]}; index += 2)); do
    [[ ${opts[index]} != *".$1" ]] || value=${opts[index + 1]}
  done
  echo "${value:-$2}"
}

for dataset in "${datasets[@]}"; do
  together=()
  for number in ${SHOTS:-1 2 4 8 16}; do
    choose_recipe "$dataset" "$number" || continue
    context=
    if [[ $trainer == CoOp || $trainer == ProGrad ]]; then # their scripts name the folder by it
      context=/nctx$(option N_CTX 16)_csc$(option CSC False)_ctp$(option CLASS_TOKEN_POSITION end)
    fi
    for seed in $seeds; do
      arguments "$dataset" "$chosen" "$seed"
      run=("${common[@]}"
        --output-dir "$output/$dataset/$trainer/${chosen}_${number}shots$context/seed$seed"
        DATASET.NUM_SHOTS "$number" ${opts[@]+"${opts[@]}"})
      if is_on_features; then
        together+=(${together[@]+--then} "${run[@]}")
      else
        attempt "${run[@]}" || true
      fi
    done
  done
  ((${#together[@]} == 0)) || attempt_together "${together[@]}"
done
finish_protocol
