#!/usr/bin/env bash
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
#   JOBS    runs at a time, on all GPUs (default: 1)     PER_GPU  runs at a time on each GPU
#   STRICT=1 takes one recipe for all data sets, and refuses constants that follow them
#   DRY_RUN=1 prints the commands
# Finished runs are kept, unfinished ones resumed; a run that fails does not stop the others.

# shellcheck source=scripts/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

# run_protocol NAME ARGUMENTS...: carries out what `python -m protocols` makes of them.
run_protocol() {
  local protocol=$1 python=python
  shift
  enter_project
  if (($# < 1)) || [[ $1 == -h || $1 == --help ]]; then
    sed -n '2,/^$/s/^# \{0,1\}//p' "scripts/$protocol.sh" >&2
    sed -n '5,/^$/s/^# \{0,1\}//p' scripts/protocol.sh >&2
    exit 2
  fi
  if [[ -z ${DRY_RUN:-} ]]; then
    setup_environment || return 1
  elif ! command -v python >/dev/null; then # what is only printed needs no packages
    python=$(find_python)
  fi
  "$python" -m protocols "$protocol" --retry failed "$@" &
  awaited
}
