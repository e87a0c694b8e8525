#!/usr/bin/env bash
# shellcheck disable=SC2154  # set by protocol.sh, which is sourced before
# Sourced: train on all classes of one data set, test on others (cross-dataset, domain generalisation).
# Both protocols write into the same folders and so share what was trained.

# transfer: from $source_dataset to each of $datasets.
transfer() {
  local seed trained dataset model=()
  require_transfer_data
  choose_recipe "$source_dataset" "$shots" || return 0
  for seed in $seeds; do
    if ! is_zero_shot; then
      trained=$output/$source_dataset/$trainer/${chosen}_${shots}shots/seed$seed
      arguments "$source_dataset" "$chosen" "$seed"
      attempt "${common[@]}" --output-dir "$trained" \
        DATASET.NUM_SHOTS "$shots" ${opts[@]+"${opts[@]}"} || continue
      model=(--model-dir "$trained" --load-epoch final)
    fi
    for dataset in "${datasets[@]}"; do
      arguments "$dataset" "$chosen" "$seed"
      attempt "${common[@]}" --eval-only ${model[@]+"${model[@]}"} \
        --output-dir "$output/evaluation/$trainer/${chosen}_${shots}shots/$dataset/seed$seed" \
        DATASET.NUM_SHOTS "$shots" ${opts[@]+"${opts[@]}"} || true
    done
  done
}

# require_transfer_data: the source's only where it has yet to be trained on.
require_transfer_data() {
  local seed runs needed=("${datasets[@]}")
  runs=$output/$source_dataset/$trainer/$(recipe_for "$source_dataset" "$shots" 2>/dev/null || true)
  for seed in $seeds; do
    is_zero_shot || [[ -f ${runs}_${shots}shots/seed$seed/result.json ]] ||
      needed=("$source_dataset" "${datasets[@]}")
  done
  require_data "${needed[@]}"
}

# choose_source: drawn data sets are the targets of a drawn source; SOURCE names another.
choose_source() {
  case ${datasets[0]} in
  woven_*) source_dataset=woven_imagenet ;;
  pocket_*) source_dataset=pocket_shapes ;;
  *) source_dataset=imagenet ;;
  esac
  source_dataset=${SOURCE:-$source_dataset}
  refuse_paths SOURCE "$source_dataset"
  if [[ ! -f configs/datasets/$source_dataset.yaml ]]; then
    echo "error: SOURCE: there is no configs/datasets/$source_dataset.yaml" >&2
    exit 1
  fi
}
