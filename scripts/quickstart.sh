#!/usr/bin/env bash
# From clone to a base-to-new table: zero-shot CLIP, CoOp, KgCoOp and E2MIM on drawn images, on a CPU.
#
#   bash scripts/quickstart.sh
#
# Everything it makes is under output/quickstart; a second call finds the runs finished.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/setup.sh
source scripts/setup.sh
setup_environment

export OUTPUT=output/quickstart DATA=output/data SEEDS="1 2 3" SHOTS=16
unset DRY_RUN
dataset=woven_oxford_flowers
mkdir -p "$OUTPUT"
for trainer in ZeroshotCLIP CoOp KgCoOp E2MIM; do
  log=$OUTPUT/$trainer.log
  echo "$trainer on $dataset, seeds 1 2 3 (log: $log)"
  bash scripts/base2new.sh "$trainer" "$dataset" woven 2>&1 | tee -a "$log" |
    awk '/^Result: / { sub("Result:", " "); print; fflush() }' &
  if ! awaited; then
    tail -n 20 "$log" >&2
    echo "error: $trainer failed; the whole log is in $log" >&2
    exit 1
  fi
done
python -m reports base2new --output "$OUTPUT" --title "$dataset, 16 shots"
