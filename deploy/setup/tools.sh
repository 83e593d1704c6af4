#!/usr/bin/env bash
# Installs what tests use and pip does not bring: a Chromium for the console's pages.
set -euo pipefail

for name in chromium chromium-browser google-chrome; do
  if command -v "$name" >/dev/null; then
    echo "tools: Chromium is there ($(command -v "$name"))"
    exit 0
  fi
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  export DEBIAN_FRONTEND=noninteractive
  apt-get -o Acquire::Retries=3 update -qq
  apt-get -o Acquire::Retries=3 install -y -qq --no-install-recommends chromium
else
  echo "tools: the console's pages are tested in Chromium; install it (Debian: apt-get install chromium, as root)" >&2
  exit 1
fi
