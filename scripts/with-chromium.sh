#!/usr/bin/env bash
# Runs COMMAND with MS2M_TEST_CHROMIUM set to a Chromium on this machine: Debian's, which is installed where it is missing
# (as root).
# Usage: scripts/with-chromium.sh COMMAND [ARGUMENT...]
set -euo pipefail

program="$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)"
if [ -z "$program" ]; then
  if [ "$(id -u)" -ne 0 ] || ! command -v apt-get > /dev/null; then
    echo "chromium is missing: install it, or run this as root on Debian" >&2
    exit 1
  fi
  # The fonts that Debian only recommends: without one, text is drawn as boxes.
  "$(dirname "$0")/apt-install.sh" chromium fonts-dejavu-core
  program="$(command -v chromium)"
fi

MS2M_TEST_CHROMIUM="$program" exec "$@"
