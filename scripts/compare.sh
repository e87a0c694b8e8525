#!/usr/bin/env bash
# All methods side by side: base-to-new on the same data, shots, seeds and backbone; one table.
#
#   bash scripts/compare.sh <dataset> [prompts|adapters|all|Trainer ...]
#
# Without trainers those that tune prompts, and zero-shot; adapters tune none. Of
# these, what belongs to the classes of its training takes part in few-shot alone. Each takes its
# own published (or woven, pocket) recipe. The table has accuracy, trained parameters, seconds a
# step and peak memory, these two where runs are alone (JOBS=1). Environment:
#   DATA    folder of the data sets (default: data)      OUTPUT   results (default: output/compare)
#   SEEDS   (default: "1 2 3")                           SHOTS    (default: 16)
#   JOBS    runs at a time (default: 1)                  PER_GPU  runs at a time on each GPU
#   PROTOCOL  base2new (default) or few_shot
#   DRY_RUN=1 prints the commands. Finished runs are kept; a method that fails does not stop the others.

set -euo pipefail
# shellcheck source=scripts/protocol.sh
source "$(dirname "${BASH_SOURCE[0]}")/protocol.sh"
code=0
run_protocol compare "$@" || code=$?
[[ -z ${DRY_RUN:-} && -d ${OUTPUT:=output/compare} ]] || exit "$code"
report=(base2new --cost)
if [[ ${PROTOCOL:-} == few_shot ]]; then
  report=(few-shot)
elif [[ ${JOBS:-1} != 1 || ${PER_GPU:-1} != 1 ]]; then
  report=(base2new)
  echo 'Without costs: with JOBS or PER_GPU runs slow each other, and seconds a step are not those of a run alone.'
fi
# Without any result there is no table; why is said above.
python -m reports "${report[@]}" --output "$OUTPUT" --title "$1, ${SHOTS:-16} shots" || ((code))
exit "$code"
