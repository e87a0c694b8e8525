#!/usr/bin/env bash
# Base-to-new: train on the first half of the classes, test on it and on the second half.
#
#   bash scripts/base2new.sh <Trainer> <dataset> [recipe]
#
# <dataset> is a name in configs/datasets/, <recipe> one in configs/trainers/<Trainer>/; without it
# "pocket" for pocket data sets, else the published base-to-new recipe on ViT-B/16. Environment:
#   DATA    folder of the data sets (default: data)      OUTPUT   results (default: output)
#   SEEDS   (default: "1 2 3")                           SHOTS    (default: 16)
#   DRY_RUN=1 prints the commands. Further KEY VALUE pairs for the config may follow the recipe.
set -euo pipefail
project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
if [[ $PWD != "$project" ]]; then # relative folders are the caller's
  [[ -z ${DATA:-} || $DATA == /* ]] || DATA=$PWD/$DATA
  [[ -z ${OUTPUT:-} || $OUTPUT == /* ]] || OUTPUT=$PWD/$OUTPUT
  cd "$project"
fi
# shellcheck source=scripts/setup.sh
source scripts/setup.sh

if (($# < 2)); then
  sed -n '2,11s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
trainer=$1 dataset=$2 recipe=${3:-}
shift $(($# < 3 ? $# : 3))
data=${DATA:-data} output=${OUTPUT:-output} shots=${SHOTS:-16}

# A recipe says in its header what it is the default for: "# Default for: base2new", or, before
# that one, "# Default for: base2new imagenet sun397" for these data sets.
choose_recipe() {
  local folder=configs/trainers/$trainer line="# Default for: base2new" found
  if [[ ! -d $folder ]]; then
    echo "error: no recipes in $folder/; there are some for:" \
      "$(basename -a configs/trainers/* | xargs)" >&2
    return 1
  fi
  if [[ $dataset == pocket_* && -f $folder/pocket.yaml ]]; then
    echo pocket
    return
  fi
  found=$(grep -lE "^$line( .*)? $dataset( |\$)" "$folder"/*.yaml || grep -lx "$line" "$folder"/*.yaml || true)
  if [[ -z $found ]]; then
    echo "error: name a recipe of $trainer: $(basename -as .yaml "$folder"/*.yaml | xargs)" >&2
    return 1
  fi
  basename -s .yaml "$found"
}
[[ -n $recipe ]] || recipe=$(choose_recipe)

if [[ -z ${DRY_RUN:-} ]]; then
  setup_environment
fi

run() {
  if [[ -n ${DRY_RUN:-} ]]; then
    echo "python train.py $*"
  else
    python train.py "$@"
  fi
}

for seed in ${SEEDS:-1 2 3}; do
  tail=$dataset/shots_$shots/$trainer/$recipe/seed$seed
  common=(--root "$data" --seed "$seed" --trainer "$trainer"
    --dataset-config-file "configs/datasets/$dataset.yaml"
    --config-file "configs/trainers/$trainer/$recipe.yaml")
  opts=(DATASET.NUM_SHOTS "$shots" "$@")
  new=(--output-dir "$output/base2new/test_new/$tail" "${opts[@]}" DATASET.SUBSAMPLE_CLASSES new)
  if [[ $trainer == Zeroshot* ]]; then # nothing to train, so two evaluations
    run "${common[@]}" --eval-only --output-dir "$output/base2new/test_base/$tail" \
      "${opts[@]}" DATASET.SUBSAMPLE_CLASSES base --then "${common[@]}" --eval-only "${new[@]}"
  else
    trained=$output/base2new/train_base/$tail
    run "${common[@]}" --output-dir "$trained" "${opts[@]}" DATASET.SUBSAMPLE_CLASSES base \
      --then "${common[@]}" --eval-only --model-dir "$trained" --load-epoch final "${new[@]}"
  fi
done
