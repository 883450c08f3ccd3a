#!/usr/bin/env bash
# Runs COMMAND with MS2M_TEST_REGISTRY_URL set to an empty OCI registry on this machine, which ends with it. The program is
# Debian's docker-registry: the installed one, or unpacked from the package without installing anything.
# Usage: scripts/with-registry.sh COMMAND [ARGUMENT...]
set -euo pipefail

# Absolute, because the package is downloaded from within it.
tools="$(cd "$(dirname "$0")/.." && mkdir -p "${CARGO_TARGET_DIR:-target}/tools" && cd "${CARGO_TARGET_DIR:-target}/tools" && pwd)"
work="$(mktemp -d)"
registry=
finish() {
  if [ -n "$registry" ]; then kill "$registry" 2>/dev/null || true; wait "$registry" 2>/dev/null || true; fi
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

program="$(command -v docker-registry || true)"
if [ -z "$program" ]; then
  program="$tools/docker-registry/usr/bin/docker-registry"
  if [ ! -x "$program" ]; then
    (
      cd "$work"
      apt-get download -qq docker-registry 2>/dev/null || { apt-get update -qq && apt-get download -qq docker-registry; }
      dpkg -x docker-registry_*.deb "$tools/docker-registry"
    )
  fi
fi

cat > "$work/registry.yml" <<CONFIGURATION
version: 0.1
log: {level: info}
storage:
  filesystem: {rootdirectory: $work/data}
  delete: {enabled: true}
http: {addr: 127.0.0.1:0}
CONFIGURATION
mkfifo "$work/log"
"$program" serve "$work/registry.yml" > "$work/log" 2>&1 &
registry=$!

# The log says which port it got; the rest is drained so that the registry never waits for a reader.
exec 3< "$work/log"
address=
while IFS= read -r line <&3; do
  address="$(sed -n 's/.*listening on \([0-9.]*:[0-9]*\).*/\1/p' <<< "$line")"
  if [ -n "$address" ]; then break; fi
  echo "$line" >> "$work/start"
done
if [ -z "$address" ]; then
  echo "docker-registry did not start:" >&2
  cat "$work/start" >&2
  exit 1
fi
cat <&3 > /dev/null &
exec 3<&-

MS2M_TEST_REGISTRY_URL="http://$address" "$@"
