# Finds the Python to install into: sourced by ../setup.sh. $PYTHON, if it is set, is taken or refused. Else 3.11, which
# the tests run on, is taken where it starts, and else the newest that starts and has a build of torch.

# In the order in which they are looked for.
PYTHONS="3.11 3.14 3.13 3.12"

# Whether a command is a Python of that version with what a virtual environment needs. A pyenv shim may exist and not
# start.
starts() {
  "$1" -c "import ensurepip, sys, venv; sys.exit('%d.%d' % sys.version_info[:2] != '$2')" </dev/null >/dev/null 2>&1
}

# Every command that may be that Python: on the path, and those that pyenv keeps and its shim does not start.
candidates() {
  type -aP "python$1" || true
  local each root=${PYENV_ROOT:-$(pyenv root 2>/dev/null || echo "${HOME:-}/.pyenv")}
  for each in "$root"/versions/"$1".*/bin/python"$1"; do
    [ ! -x "$each" ] || echo "$each"
  done
}

# Whether pip finds the pinned torch for a Python, at its own sources or at PyTorch's index.
has_torch() {
  local folder found=1
  folder=$(mktemp -d)
  "$1" -m venv "$folder/venv" >/dev/null &&
    { resolves "$folder" "$2" || resolves "$folder" "$2" --index-url "$TORCH_INDEX"; } && found=0
  rm -rf "$folder"
  return $found
}

resolves() {
  "$1/venv/bin/pip" install --disable-pip-version-check --quiet --dry-run --no-deps --retries 1 --timeout 15 "${@:3}" "$2" </dev/null >/dev/null 2>&1
}

# Sets PYTHON. find_python TORCH, where TORCH is a pin, or nothing if torch is resolved later.
find_python() {
  local version each without=""
  if [ -n "${PYTHON:-}" ]; then
    for version in $PYTHONS; do
      if starts "$PYTHON" "$version"; then return; fi
    done
    refuse "PYTHON=$PYTHON does not start as Python 3.11 to 3.14 with the modules venv and ensurepip; name one that does, or leave it out"
  fi
  for version in $PYTHONS; do
    while read -r each; do
      starts "$each" "$version" || continue
      if [ "$version" = 3.11 ] || [ -z "$1" ] || has_torch "$each" "$1"; then
        PYTHON=$each
        return
      fi
      without="$without $version"
    done < <(candidates "$version")
  done
  [ -z "$without" ] ||
    refuse "pip finds no $1 for Python$without; install Python 3.11, or set TORCH_INDEX to an index that has it"
  refuse "Python 3.11 to 3.14 with the module venv is needed and none starts; install one (Debian: apt-get install python3.11-venv), or set PYTHON"
}
