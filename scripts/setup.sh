#!/usr/bin/env bash
# Sourced by the other scripts: makes sure that a Python with all needs is on the PATH.
# Uses the active virtual or conda environment, else .venv, which it makes if it is missing.

PROJECT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
# shellcheck source=scripts/signals.sh
source "$PROJECT/scripts/signals.sh"

# enter_project: from anywhere to the project's folder; relative folders, and IMPORT, are the caller's.
enter_project() {
  [[ $PWD != "$PROJECT" ]] || return 0
  [[ -z ${DATA:-} || $DATA == /* ]] || DATA=$PWD/$DATA
  [[ -z ${OUTPUT:-} || $OUTPUT == /* ]] || OUTPUT=$PWD/$OUTPUT
  export PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH} # where IMPORT is looked for
  cd "$PROJECT" || return 1
}

setup_environment() {
  if [[ -z "${VIRTUAL_ENV:-}" && -z "${CONDA_PREFIX:-}" ]]; then
    if ! "$PROJECT/.venv/bin/python" -m pip --version >/dev/null 2>&1; then
      local base
      base="$(find_python)" || return 1
      echo "Making a virtual environment in .venv ($("$base" --version))"
      if ! "$base" -m venv --clear "$PROJECT/.venv"; then
        rm -rf "$PROJECT/.venv"
        echo "error: $base cannot make a virtual environment. On Debian or Ubuntu install" \
          "python3-venv; or activate an environment of your own first." >&2
        return 1
      fi
    fi
    # shellcheck disable=SC1091
    source "$PROJECT/.venv/bin/activate"
  fi
  is_promised python || echo "Note: $(python --version) is not among 3.10 to 3.13, which are tested" >&2
  # The stamp holds the needs as they were last installed; it stands in the environment itself.
  # Clones may share one: each uses its own engine, see startup.py.
  local stamp
  stamp="$(python -c 'import sys; print(sys.prefix)')/.promptkit-requirements"
  if ! cat "$PROJECT/requirements.txt" "$PROJECT/engine/pyproject.toml" | cmp -s - "$stamp"; then
    echo "Installing requirements (PyTorch is large: a few minutes the first time)"
    (cd "$PROJECT" && exec python -m pip install --quiet --requirement requirements.txt) &
    awaited || return 1
    cat "$PROJECT/requirements.txt" "$PROJECT/engine/pyproject.toml" >"$stamp"
  fi
}

find_python() {
  local candidate
  for candidate in python3 python python3.13 python3.12 python3.11 python3.10; do
    if is_promised "$candidate"; then
      echo "$candidate"
      return
    fi
  done
  echo "error: Python 3.10 to 3.13 is needed; $(python3 --version 2>&1 || echo none) was found." >&2
  return 1
}

# is_promised PYTHON: whether it is of a version that scripts/test_versions.sh tests.
is_promised() {
  "$1" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null
}
