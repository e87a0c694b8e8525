#!/usr/bin/env bash
# shellcheck disable=SC2034  # set here for the scripts that source this
# Sourced by the protocol scripts: what they share. Their arguments and environment:
#
#   bash scripts/<protocol>.sh <Trainer> [data sets] [recipe] [KEY VALUE ...]
#
# [data sets] is one word: a name in configs/datasets/, several with commas between, `all` (the
# protocol's published ones, the default), `woven` or `pocket` (drawn ones). [recipe] is a name in
# configs/trainers/<Trainer>/; without it, or with `default`, "woven" or "pocket" for what is drawn,
# else the published recipe for this protocol. KEY VALUE pairs go to the config. Environment:
#   DATA    folder of the data sets (default: data)      OUTPUT   results (default: output)
#   SEEDS   (default: "1 2 3")                           GPU      number of the GPU (default: the first)
#   SHOTS   images a class for training (default: 16)    IMPORT   a module of yours to import first
#   STRICT=1 takes one recipe for all data sets, and refuses constants that follow them
#   DRY_RUN=1 prints the commands
# Finished runs are kept, unfinished ones resumed; a run that fails does not stop the others.

# shellcheck source=scripts/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
# shellcheck source=scripts/methods.sh
source "$(dirname "${BASH_SOURCE[0]}")/methods.sh"

ELEVEN=(imagenet caltech101 oxford_pets stanford_cars oxford_flowers food101 fgvc_aircraft sun397 dtd
  eurosat ucf101)
WOVEN=("${ELEVEN[@]/#/woven_}")
POCKET=(pocket_shapes pocket_sizes pocket_grounds pocket_duos pocket_neighbours pocket_marks)
VARIANTS=(imagenetv2 imagenet_sketch imagenet_a imagenet_r)
WOVEN_VARIANTS=(woven_imagenet_v2 woven_imagenet_sketch woven_imagenet_a woven_imagenet_r)
POCKET_VARIANTS=(pocket_shapes_murky pocket_shapes_sketch pocket_shapes_noisy pocket_shapes_neon)

failed=() # labels of runs, each followed by the end of its output

# start_protocol NAME USAGE_LINES ARGUMENTS...: sets protocol, trainer, datasets, recipe (may be
# empty), opts, data, output, shots, seeds.
start_protocol() {
  protocol=$1
  shift
  enter_project
  if (($# < 1)) || [[ $1 == -h || $1 == --help ]]; then
    sed -n '2,/^$/s/^# \{0,1\}//p' "scripts/$protocol.sh" >&2
    sed -n '6,17s/^# \{0,1\}//p' scripts/protocol.sh >&2
    exit 2
  fi
  trainer=$1 words=${2:-all} recipe=${3:-} data=${DATA:-data} output=${OUTPUT:-output}
  shots=${SHOTS:-16} seeds=${SEEDS:-1 2 3}
  [[ $recipe != default ]] || recipe=
  shift $(($# < 3 ? $# : 3))
  opts=("$@")
  if [[ $recipe == *.* && ! -f configs/trainers/$trainer/$recipe.yaml ]]; then # KEY VALUE ...
    opts=("$recipe" "${opts[@]}")
    recipe=
  fi
  refuse_paths trainer "$trainer"
  refuse_paths recipe "$recipe"
  if [[ -z $trainer || ! -d configs/trainers/$trainer ]]; then
    echo "error: no recipes in configs/trainers/$trainer/; there are some for:" \
      "$(basename -a configs/trainers/* | xargs)" >&2
    exit 1
  fi
  if [[ -n $recipe && ! -f configs/trainers/$trainer/$recipe.yaml ]]; then
    echo "error: $trainer has no recipe $recipe; there are:" \
      "$(basename -as .yaml "configs/trainers/$trainer"/*.yaml | xargs)" >&2
    exit 1
  fi
  local seed='(0|[1-9][0-9]{0,8})' shot='[1-9][0-9]{0,8}'
  if [[ ! $seeds =~ ^\ *$seed(\ +$seed)*\ *$ || ! $shots =~ ^\ *$shot(\ +$shot)*\ *$ ||
    ($protocol != few_shot && $shots =~ [0-9]\ +[0-9]) ]]; then
    echo "error: SEEDS must be numbers from 0 with spaces between, SHOTS one number from 1 (few_shot:" \
      "numbers), without zeros before them; got SEEDS='$seeds' SHOTS='${SHOTS:-}'" >&2
    exit 1
  fi
  local list
  read -ra list <<<"$seeds"
  refuse_twice SEEDS "${list[@]}"
  seeds=${list[*]}
  read -ra list <<<"$shots"
  refuse_twice SHOTS "${list[@]}"
  shots=${list[*]}
  refuse_own_keys
  if [[ -e $output && ! -d $output ]]; then
    echo "error: OUTPUT must be a folder; $output is none" >&2
    exit 1
  fi
  if [[ " ${opts[*]} " == *" PROTOCOL.STRICT True "* ]]; then
    STRICT=1
  elif [[ -n ${STRICT:-} ]]; then
    opts+=(PROTOCOL.STRICT True)
  fi
  [[ -n ${DRY_RUN:-} ]] || setup_environment
  [[ -z ${GPU:-} ]] || check_gpu
  [[ -z ${GPU:-} ]] || export CUDA_VISIBLE_DEVICES=$GPU
}

# refuse_paths WHAT NAME: a name is no path; ../ in one would find files elsewhere.
refuse_paths() {
  [[ $2 == */* || $2 == .* ]] || return 0
  echo "error: the $1 must be a name without / and without a dot at its beginning; got '$2'" >&2
  exit 1
}

# refuse_twice WHAT NAMES...: a name that is there twice would be run twice.
refuse_twice() {
  local what=$1 twice
  shift
  twice=$(printf '%s\n' "$@" | sort | uniq -d | xargs)
  [[ -n $twice ]] || return 0
  echo "error: $what must name each once; $twice is there more than once" >&2
  exit 1
}

# refuse_own_keys: KEY VALUE pairs may not contradict what the protocol sets for each run.
refuse_own_keys() {
  local index key
  if ((${#opts[@]} % 2)); then
    echo "error: KEY VALUE pairs are not complete: ${opts[*]}" >&2
    exit 1
  fi
  for ((index = 0; index < ${#opts[@]}; index += 2)); do
    key=${opts[index]}
    case $protocol/$key in
    */SEED) key="$key: say SEEDS='1 2'" ;;
    */DATASET.NUM_SHOTS) key="$key: say SHOTS=4" ;;
    */OUTPUT_DIR) key="$key: say OUTPUT=folder" ;;
    */DATASET.ROOT) key="$key: say DATA=folder" ;;
    */RESUME | */TRAINER.NAME | */DATASET.NAME | */DATASET.SUBSAMPLE_CLASSES) key="$key: leave it out" ;;
    *) continue ;;
    esac
    echo "error: $protocol sets for each run what the pair sets, $key" >&2
    exit 1
  done
}

# check_gpu: there is a GPU of the number $GPU; names of other forms (GPU-..., MIG-...) are CUDA's.
# PyTorch is asked, which takes seconds, only where the driver's own program is missing.
check_gpu() {
  local count
  [[ ! $GPU =~ ^(GPU|MIG)- ]] || return 0
  if [[ ! $GPU =~ ^[0-9]+$ ]]; then
    echo "error: GPU must be the number of one GPU, counted from 0; got GPU='$GPU'. Without GPU the" \
      "first is taken, or the CPU." >&2
    exit 1
  fi
  [[ -z ${DRY_RUN:-} ]] || return 0
  count=$(nvidia-smi -L 2>/dev/null | grep -c '^GPU ' || true)
  if ((count == 0)); then
    count=$(env -u CUDA_VISIBLE_DEVICES python -c 'import torch; print(torch.cuda.device_count())')
  fi
  if ((10#$GPU >= count)); then
    echo "error: GPU must be the number of one GPU, counted from 0, and there are $count;" \
      "got GPU='$GPU'. Without GPU the first is taken, or the CPU." >&2
    exit 1
  fi
}

# require_data DATASETS...: stops here if any is missing, and names all that are.
require_data() {
  [[ -n ${DRY_RUN:-} ]] || python datasets/missing.py "$data" "$*" ${opts[@]+"${opts[@]}"} || exit 1
}

# choose_datasets PUBLISHED... -- WOVEN... -- POCKET...: sets datasets from the word of the command line.
choose_datasets() {
  local name chosen
  case $words in
  all) chosen=0 ;;
  woven) chosen=1 ;;
  pocket) chosen=2 ;;
  *) chosen= ;;
  esac
  datasets=()
  if [[ -z $chosen ]]; then
    read -r -a datasets <<<"${words//,/ }"
  else
    for name; do
      if [[ $name == -- ]]; then
        chosen=$((chosen - 1))
      elif ((chosen == 0)); then
        datasets+=("$name")
      fi
    done
  fi
  if ((${#datasets[@]} == 0)); then
    echo "error: no data set is named" >&2
    exit 1
  fi
  refuse_twice "the word of data sets" "${datasets[@]}"
  for name in "${datasets[@]}"; do
    refuse_paths "data set" "$name"
    if [[ ! -f configs/datasets/$name.yaml ]]; then
      echo "error: no configs/datasets/$name.yaml; there are:" \
        "$(basename -as .yaml configs/datasets/*.yaml | xargs)" >&2
      exit 1
    fi
  done
}

# recipe_for DATASET SHOTS: prints the recipe that was named, or the one for this data set. Recipes
# say in their header what they are the default for: "# Default for: few_shot", or, before that one,
# "# Default for: few_shot imagenet 1-shot" for these data sets and numbers of shots.
recipe_for() {
  local folder=configs/trainers/$trainer line="# Default for: $protocol" found
  if [[ -n $recipe ]]; then
    echo "$recipe"
    return
  fi
  if [[ ($1 == woven_* || $1 == pocket_*) && -f $folder/${1%%_*}.yaml ]]; then # what is drawn has a recipe each
    echo "${1%%_*}"
    return
  fi
  if [[ -n ${STRICT:-} ]]; then # one recipe for all, whatever the data set and the shots
    found=$(grep -lx "$line" "$folder"/*.yaml || true)
  else
    found=$(grep -lE "^$line( .*)? $1( |\$)" "$folder"/*.yaml ||
      grep -lE "^$line( .*)? $2-shot( |\$)" "$folder"/*.yaml || grep -lx "$line" "$folder"/*.yaml || true)
  fi
  if [[ -z $found ]]; then
    echo "error: $trainer has no published recipe for $protocol, $1, $2 shots; name one of:" \
      "$(basename -as .yaml "$folder"/*.yaml | xargs)" >&2
    return 1
  fi
  basename -s .yaml "$found"
}

# choose_recipe DATASET SHOTS: sets chosen; without a recipe that is noted as a failure.
choose_recipe() {
  local message
  message=$(mktemp)
  if chosen=$(recipe_for "$1" "$2" 2>"$message"); then
    rm "$message"
    return
  fi
  failed+=("$trainer on $1, $2 shots" "$(cat "$message")")
  rm "$message"
  return 1
}

# arguments DATASET RECIPE SEED: sets common, the arguments of train.py that all runs have.
arguments() {
  common=(--root "$data" --seed "$3" --trainer "$trainer"
    --dataset-config-file "configs/datasets/$1.yaml"
    --config-file "configs/trainers/$trainer/$2.yaml" ${IMPORT:+--import "$IMPORT"})
}

# attempt ARGUMENTS...: one call of train.py; a failure is noted and returned.
attempt() {
  if [[ -n ${DRY_RUN:-} ]]; then
    printf 'python train.py'
    printf ' %q' "$@"
    echo
    return
  fi
  local scratch
  scratch=$(mktemp)
  python train.py "$@" 2>&1 | tee "$scratch" &
  if awaited; then
    rm "$scratch"
    return
  fi
  failed+=("python train.py $*" "$(tail -n 5 "$scratch")")
  rm "$scratch"
  return 1
}

# attempt_together ARGUMENTS... --then ARGUMENTS...: all in one process, which spares its start; where
# that fails, each by itself: finished ones are left as they are, and those that fail are noted.
attempt_together() {
  local word noted=${#failed[@]} one=()
  [[ -n ${DRY_RUN:-} ]] || ! attempt "$@" || return 0
  failed=(${failed[@]+"${failed[@]:0:noted}"})
  for word in "$@" --then; do
    if [[ $word != --then ]]; then
      one+=("$word")
    else
      attempt "${one[@]}" || true
      one=()
    fi
  done
}

# Trains in seconds, so that the start of a process counts.
is_on_features() { [[ " ${BOUND[*]} ${UNBOUND[*]} " == *" $trainer "* ]]; }

is_zero_shot() { [[ $trainer == Zeroshot* ]]; }

# finish_protocol: lists the runs that failed, and names the command that shows the table; the exit
# code says whether there were any.
finish_protocol() {
  local index report=${protocol//_/-}
  if ((${#failed[@]})); then
    echo "error: $((${#failed[@]} / 2)) run(s) failed:" >&2
    for ((index = 0; index < ${#failed[@]}; index += 2)); do
      printf '\n  %s\n%s\n' "${failed[index]}" "${failed[index + 1]}" >&2
    done
  fi
  [[ -n ${DRY_RUN:-} ]] || printf 'The table: python -m reports %s --output %q\n' "$report" "$output"
  ((${#failed[@]} == 0))
}
