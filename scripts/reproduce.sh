#!/usr/bin/env bash
# A published table, run here: every method with its published recipe, then ours beside theirs.
#
#   bash scripts/reproduce.sh <table> [Trainer ...]
#   bash scripts/reproduce.sh <table> --dry-run [Trainer ...]
#
# Tables: base2new, cross_dataset, domain_generalization, few_shot, cost. Without trainers those that
# have both a published recipe and published numbers. --dry-run prints every command, and how many
# runs, passes of images and GB there would be. docs/reproduce.md says what is known to differ.
# Environment:
#   DATA    folder of the data sets (default: data)      OUTPUT   results (default: output/reproduce)
#   SEEDS   (default: "1 2 3")                           GPU      number of the GPU (default: the first)
#   RATE    images a second through your image encoder (python -m benchmarks eval says): --dry-run
#           then also says hours
set -euo pipefail
# shellcheck source=scripts/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
enter_project

if (($# < 1)) || [[ $1 == -h || $1 == --help ]]; then
  sed -n '2,17s/^# \{0,1\}//p' scripts/reproduce.sh >&2
  exit 2
fi
table=$1
shift
# Our names of what has published numbers; the reports know the papers' names.
declare -A trainers=(
  [base2new]="ZeroshotCLIP CoOp CoCoOp KgCoOp ProGrad VPT MaPLe PromptSRC TCP DePT MMRL MMA CoOp_ATP CoCoOp_ATP MaPLe_ATP LASP GDA ProLIP"
  [cross_dataset]="ZeroshotCLIP CoOp CoCoOp KgCoOp MaPLe PromptSRC TCP MMRL MMA CoOp_ATP CoCoOp_ATP MaPLe_ATP DeKg_TCP"
  [domain_generalization]="ZeroshotCLIP CoOp CoCoOp KgCoOp MaPLe PromptSRC TCP MMRL MMA CoOp_ATP CoCoOp_ATP MaPLe_ATP"
  [few_shot]="CoOp ProGrad PromptSRC TCP GDA LPPlusPlus CLIPLoRA TipAdapter TipAdapterF"
  [cost]="CoOp CoCoOp KgCoOp ProGrad MaPLe PromptSRC TCP MMRL ProLIP"
)
if [[ -z ${trainers[$table]:-} ]]; then
  echo "error: <table> must be one of $(printf '%s\n' "${!trainers[@]}" | sort | xargs); got '$table'" >&2
  exit 1
fi
protocol=$table
[[ $table != cost ]] || protocol=base2new # whose trainings it is of
dry=
if [[ ${1:-} == --dry-run ]]; then
  dry=1
  shift
fi
read -ra default <<<"${trainers[$table]}"
(($#)) || set -- "${default[@]}"
export OUTPUT=${OUTPUT:-output/reproduce}

if [[ -n $dry ]]; then
  commands=$(for trainer; do DRY_RUN=1 bash "scripts/$protocol.sh" "$trainer"; done)
  echo "$commands"
  setup_environment
  python scripts/expected.py <<<"$commands"
  exit
fi
failed=()
for trainer; do
  bash "scripts/$protocol.sh" "$trainer" || failed+=("$trainer")
done
report=${table//_/-}
python -m reports "$report" --output "$OUTPUT" --published all || failed+=("the table")
for name in ${failed[@]+"${failed[@]}"}; do
  echo "error: $name failed, see above; the same command goes on" >&2
done
((${#failed[@]} == 0))
