#!/usr/bin/env bash
# Installs Debian packages without starting the services that are in them: those of the runs listen on the same ports.
# Usage: scripts/apt-install.sh PACKAGE...    (as root)
set -euo pipefail

policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' > "$policy"
  chmod +x "$policy"
fi
install=(apt-get install --yes --quiet --no-install-recommends "$@")
export DEBIAN_FRONTEND=noninteractive
# The lists may be missing, or name versions that are gone.
"${install[@]}" > /dev/null 2>&1 || { apt-get update --quiet > /dev/null && "${install[@]}" > /dev/null; }
