#!/usr/bin/env bash
# The test suite on every Python that is promised, and on the lowest versions of all needs.
#
#   bash scripts/test_versions.sh [3.10 3.11 3.12 3.13 lowest] [-- pytest arguments]
#
# Without names, all. Each has an environment of its own in .venvs/ (several GB each), made with the
# python3.X that is on the PATH, or pyenv's; `lowest` is Python 3.10 with each version of
# requirements.txt at its lower bound. A Python that is not there is named, and is a failure.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/signals.sh
source scripts/signals.sh

# find_python VERSION: prints the path of that Python.
find_python() {
  local candidate
  for candidate in "python$1" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$1".*/bin/python; do
    if "$candidate" -c "import sys; sys.exit('%d.%d' % sys.version_info[:2] != '$1')" 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
  return 1
}

# lower_bounds: requirements.txt with each `name>=version` as `name==version`.
lower_bounds() {
  sed -E 's/ *#.*//; s/^([A-Za-z0-9_-]+)>=([0-9.]+).*/\1==\2/' requirements.txt
}

names=()
while (($#)) && [[ $1 != -- ]]; do
  names+=("$1")
  shift
done
(($# == 0)) || shift
((${#names[@]})) || names=(3.10 3.11 3.12 3.13 lowest)

failed=()
for name in "${names[@]}"; do
  version=$name
  [[ $name != lowest ]] || version=3.10
  if ! base=$(find_python "$version"); then
    echo "error: there is no Python $version on the PATH or of pyenv" >&2
    failed+=("$name")
    continue
  fi
  folder=.venvs/$name
  [[ -x $folder/bin/python ]] || "$base" -m venv "$folder"
  if [[ $name == lowest ]]; then
    lower_bounds >.venvs/lowest.txt
    needs=.venvs/lowest.txt
  else
    needs=requirements.txt
  fi
  echo "== $name: $("$folder/bin/python" --version)"
  # The stamp keeps scripts that tests call from installing anything, see scripts/setup.sh.
  "$folder/bin/python" -m pip install --quiet --requirement "$needs" &
  if awaited && cat requirements.txt engine/pyproject.toml >"$folder/.promptkit-requirements"; then
    PATH=$PWD/$folder/bin:$PATH VIRTUAL_ENV=$PWD/$folder CUDA_VISIBLE_DEVICES="" OMP_NUM_THREADS=1 \
      "$folder/bin/python" -m pytest --numprocesses 2 "$@" &
    awaited || failed+=("$name")
  else
    failed+=("$name")
  fi
done
if ((${#failed[@]})); then
  echo "error: failed: ${failed[*]}" >&2
  exit 1
fi
echo "All passed: ${names[*]}"
