#!/usr/bin/env bash
# What a person does with a run that breaks, done with one that does: sweep, run it again, shrink, explain. What breaks is a seeded
# bug, so it needs the program that `cargo sim mutants` builds.
# Usage: scripts/break-and-shrink.sh
set -euo pipefail
cd "$(dirname "$0")/.."

sim="${CARGO_TARGET_DIR:-target}/release/ms2m-sim-seeded"
if ! [ -x "$sim" ]; then
  echo "break-and-shrink: there is no $sim; \`cargo sim mutants --plans sim/corpus\` builds it" >&2
  exit 2
fi
export MS2M_SEEDED_BUG=KeepPrefetch
found="$(mktemp -d)"
trap 'rm -rf "$found"' EXIT

# ends STATUS COMMAND [ARGUMENT...]: fails where the command ends with another status; what it says is in $found/said.
ends() {
  local expected="$1" status=0
  shift
  "$@" > "$found/said" 2>&1 || status=$?
  if [ "$status" -ne "$expected" ]; then
    cat "$found/said"
    echo "break-and-shrink: $* ended with $status, and not with $expected" >&2
    exit 1
  fi
}

# 1 is a safety violation.
ends 1 "$sim" sweep --seeds 0..10 --failures "$found/failures"
plan="$(find "$found/failures" -name 'seed-*.json' | sort -V | head -n 1)"
ends 1 "$sim" run --plan "$plan"
grep '^  broken' "$found/said"
# A single run keeps its plan as well, and it is the same.
seed="$(basename "$plan" .json)"
seed="${seed#seed-}"
ends 1 "$sim" run --random --seed "$seed" --failures "$found/single"
cmp "$plan" "$found/single/run-seed-$seed-random.json"
ends 0 "$sim" shrink "$plan"
tail -n 3 "$found/said"
small="${plan%.json}.min.json"
ends 1 "$sim" run --plan "$small"
ends 1 "$sim" explain "$small"
grep -m 1 ' broke at ' "$found/said"
grep -q 'What each party believed' "$found/said"
if [ "$(wc -c < "$small")" -ge "$(wc -c < "$plan")" ]; then
  echo "break-and-shrink: $small is no smaller than what was found" >&2
  exit 1
fi
# Without the bug nothing breaks.
unset MS2M_SEEDED_BUG
ends 0 "$sim" run --plan "$small"
