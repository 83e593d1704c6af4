#!/usr/bin/env bash
# Say in one sentence what this machine lacks, before anything is downloaded: preflight.sh ENGINE VENV.
# PROC and CGROUP are where the kernel says what there is; tests have made-up ones.
set -euo pipefail

ENGINE=$1
VENV=$2
PROC=${PROC:-/proc}
CGROUP=${CGROUP:-/sys/fs/cgroup}
SYSTEM=${SYSTEM:-$(uname -s)}
MACHINE=${MACHINE:-$(uname -m)}
# MiB of memory: with the default base model and the demo, vLLM and the gateway use 3,900 (measured), 1,024 of them for the
# KV cache; the rest is for the system.
MEMORY=4500
# MiB of disk for what is installed, and for what pip unpacks meanwhile.
DISK_cpu=6000
DISK_gpu=16000

lacks() {
  echo "error: $1" >&2
  exit 1
}

memory() {
  local total limit
  total=$(awk '/^MemTotal:/ { print int($2 / 1024) }' "$PROC/meminfo")
  limit=$(cat "$CGROUP/memory.max" 2>/dev/null || echo max)
  if [ "$limit" != max ] && [ $((limit >> 20)) -lt "$total" ]; then total=$((limit >> 20)); fi
  echo "$total"
}

free_disk() {
  local folder=$VENV
  while [ ! -e "$folder" ]; do folder=$(dirname "$folder"); done
  df -Pm "$folder" | awk 'NR == 2 { print $4 }'
}

case $ENGINE in cpu | gpu) ;; *) lacks "ENGINE=$ENGINE is not known; use ENGINE=cpu or ENGINE=gpu" ;; esac
[ "$SYSTEM" = Linux ] || lacks "vLLM is built for Linux, and this is $SYSTEM; use a Linux machine, VM or container"
case $MACHINE in x86_64 | aarch64) ;; *) lacks "vLLM is built for x86_64 and aarch64, and this is $MACHINE; use a machine of one of these" ;; esac
if [ "$ENGINE" = cpu ]; then
  [ "$MACHINE" != x86_64 ] || grep -q -m1 -w avx2 "$PROC/cpuinfo" ||
    lacks "vLLM's CPU build needs AVX2, and this processor has none; use another machine, or ENGINE=gpu with a GPU"
else
  command -v nvidia-smi >/dev/null ||
    lacks "ENGINE=gpu needs an NVIDIA driver, and nvidia-smi was not found; install the driver, or use ENGINE=cpu"
  command -v "${CC:-cc}" >/dev/null || command -v gcc >/dev/null ||
    lacks "vLLM's GPU build compiles kernels when it starts, and no C compiler was found; install one (Debian: apt-get install gcc)"
fi
[ "$(memory)" -ge $MEMORY ] ||
  lacks "vLLM and the gateway need $MEMORY MiB of memory, and this machine (or its container) has $(memory); use a larger one, or install the gateway alone with \`pip install postil\` and set POSTIL_ENGINE_URL"
needed=DISK_$ENGINE
[ -e "$VENV/bin/python" ] || [ "$(free_disk)" -ge ${!needed} ] ||
  lacks "the installation needs ${!needed} MiB of disk, and $VENV has $(free_disk); make room, or set VENV to another disk"
