#!/usr/bin/env bash
# All methods side by side: base-to-new on the same data, shots, seeds and backbone; one table.
#
#   bash scripts/compare.sh <dataset> [prompts|adapters|all|Trainer ...]
#
# Without trainers those that tune prompts, and zero-shot; adapters tune none. Of
# these, what belongs to the classes of its training takes part in few-shot alone. Each takes its
# own published (or woven, pocket) recipe. The table has accuracy, trained parameters, seconds a
# step and peak memory. Environment:
#   DATA    folder of the data sets (default: data)      OUTPUT   results (default: output/compare)
#   SEEDS   (default: "1 2 3")                           SHOTS    (default: 16)
#   PROTOCOL  base2new (default) or few_shot
#   DRY_RUN=1 prints the commands. Finished runs are kept; a method that fails does not stop the others.
set -euo pipefail
# shellcheck source=scripts/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
enter_project
# shellcheck source=scripts/methods.sh
source scripts/methods.sh

if (($# < 1)) || [[ $1 == -h || $1 == --help ]]; then
  sed -n '2,15s/^# \{0,1\}//p' scripts/compare.sh >&2
  exit 2
fi
dataset=$1
shift
export DATA=${DATA:-data} OUTPUT=${OUTPUT:-output/compare}
protocol=${PROTOCOL:-base2new}
case $protocol in
base2new) report=(base2new --cost) ;;
few_shot) report=(few-shot) ;;
*)
  echo "error: PROTOCOL must be base2new or few_shot; got $protocol" >&2
  exit 1
  ;;
esac
adapters=("${UNBOUND[@]}" CLIPLoRA TwoSFS)
zero_shot=ZeroshotCLIP
if [[ $protocol == few_shot ]]; then
  adapters+=("${BOUND[@]}")
  zero_shot= # has no shots
fi
prompts=()
while IFS= read -r trainer; do
  [[ $protocol == few_shot && $trainer == Zeroshot* ]] && continue
  [[ " ${BOUND[*]} ${adapters[*]} " == *" $trainer "* ]] || prompts+=("$trainer")
done < <(basename -a configs/trainers/*)
case "$#:${1:-prompts}" in
[01]:prompts) set -- "${prompts[@]}" ;;
1:adapters) set -- $zero_shot "${adapters[@]}" ;;
1:all) set -- "${prompts[@]}" "${adapters[@]}" ;;
esac

if [[ -e $OUTPUT && ! -d $OUTPUT ]]; then
  echo "error: OUTPUT must be a folder; $OUTPUT is none" >&2
  exit 1
fi

twice=$(printf '%s\n' "$@" | sort | uniq -d | xargs)
if [[ -n $twice ]]; then
  echo "error: each trainer must be named once; $twice is there more than once" >&2
  exit 1
fi
if [[ -n ${DRY_RUN:-} ]]; then
  for trainer; do
    bash "scripts/$protocol.sh" "$trainer" "$dataset"
  done
  exit
fi
setup_environment
python datasets/missing.py "$DATA" "${dataset//,/ }" || exit 1
mkdir -p "$OUTPUT"
failed=()
for trainer; do
  log=$OUTPUT/$trainer.log
  echo "$trainer on $dataset (log: $log)"
  bash "scripts/$protocol.sh" "$trainer" "$dataset" 2>&1 | tee "$log" |
    awk '/^Result: / { sub("Result:", " "); print; fflush() }' &
  if ! awaited; then
    failed+=("$trainer")
  fi
done
# Without any result there is no table; why is said below.
python -m reports "${report[@]}" --output "$OUTPUT" --title "$dataset, ${SHOTS:-16} shots" || ((${#failed[@]}))
for trainer in ${failed[@]+"${failed[@]}"}; do
  printf 'error: %s failed; the end of %s:\n' "$trainer" "$OUTPUT/$trainer.log" >&2
  tail -n 5 "$OUTPUT/$trainer.log" >&2
done
((${#failed[@]} == 0))
