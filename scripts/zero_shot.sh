#!/usr/bin/env bash
# Zero-shot: CLIP with hand-crafted sentences on all classes; nothing is trained and no seed matters.
#
#   bash scripts/zero_shot.sh <ZeroshotCLIP|ZeroshotCLIP2> [data sets] [recipe] [KEY VALUE ...]

set -euo pipefail
# shellcheck source=scripts/protocol.sh
source "$(dirname "${BASH_SOURCE[0]}")/protocol.sh"
start_protocol zero_shot "$@"
choose_datasets "${ELEVEN[@]}" "${VARIANTS[@]}" -- "${WOVEN[@]}" "${WOVEN_VARIANTS[@]}" \
  -- "${POCKET[@]}" "${POCKET_VARIANTS[@]}"
if ! is_zero_shot; then
  echo "error: $trainer is trained; this script is for ZeroshotCLIP and ZeroshotCLIP2" >&2
  exit 1
fi
require_data "${datasets[@]}"

for dataset in "${datasets[@]}"; do
  choose_recipe "$dataset" "$shots" || continue
  arguments "$dataset" "$chosen" 1
  attempt "${common[@]}" --eval-only --output-dir "$output/$trainer/$chosen/$dataset" \
    ${opts[@]+"${opts[@]}"} || true
done
finish_protocol
