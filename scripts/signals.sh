#!/usr/bin/env bash
# Sourced by the other scripts: a signal to a script also ends what the script has started.
#
# bash by itself dies of SIGTERM and leaves its commands running. So long ones are started with & and
# awaited: a wait ends when a signal comes, and what is in the background is in the same process group.

# awaited: the exit code of what was just started with &; of a pipeline as pipefail says.
awaited() { wait %+; }

# stop_all CODE: ends what runs in the background, waits until it is gone, and exits. In the
# background of a script SIGINT is ignored, so it is SIGTERM for all; a second signal does not wait.
stop_all() {
  local process
  [[ -z ${scratch:-} ]] || rm -f "$scratch"
  for process in $(jobs -p); do # of a pipeline the first; the others end with it
    kill -TERM "$process" 2>/dev/null || true
  done
  trap - TERM INT HUP
  wait
  exit "$1"
}
trap 'stop_all 143' TERM
trap 'stop_all 130' INT
trap 'stop_all 129' HUP
