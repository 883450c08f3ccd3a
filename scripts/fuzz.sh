#!/usr/bin/env bash
# Feeds what comes from outside (control messages, checkpoint archives, the custom resource) to their readers, mutated by
# libFuzzer, and builds cargo-fuzz first where it is missing or another version. Stops at the first input that breaks something,
# and says where it is and how to repeat it. What it learns stays in the target folder; fuzz/corpus has the seeds.
# Usage: scripts/fuzz.sh [SECONDS [TARGET...]]    each target for that long; 60 seconds, and all of them
set -euo pipefail
cd "$(dirname "$0")/.."

version=0.13.2
seconds="${1:-60}"
shift || true
targets=("$@")
if [ "${#targets[@]}" -eq 0 ]; then targets=(control_messages checkpoint_archive definition); fi

out="${CARGO_TARGET_DIR:-target}"
tools="$out/tools"
mkdir -p "$tools"
out="$(cd "$out" && pwd)"
tools="$(cd "$tools" && pwd)"
export PATH="$tools/bin:$PATH"

if [ "$(cargo fuzz --version 2>/dev/null || true)" != "cargo-fuzz $version" ]; then
  # It only builds and starts others: how fast it is itself is nothing.
  CARGO_TARGET_DIR="$tools/build" cargo install --quiet --debug --locked --root "$tools" --version "$version" cargo-fuzz
  rm -rf "$tools/build"
fi

# The instrumentation is behind unstable flags of the compiler, which is a stable one. The sanitizers would need a standard
# library built for them; without unsafe code there is little for them to find.
export RUSTC_BOOTSTRAP=1
options=(--sanitizer none --target-dir "$out/fuzz")
for target in "${targets[@]}"; do
  learned="$out/fuzz/corpus/$target"
  mkdir -p "$learned"
  printf '=== %s, %s s\n' "$target" "$seconds"
  cargo fuzz run "${options[@]}" "$target" "$learned" "fuzz/corpus/$target" -- \
    -max_total_time="$seconds" -timeout=10 -rss_limit_mb=512 -max_len=65536 -print_final_stats=1 -verbosity=1 2>&1 |
    grep --line-buffered -vE '^#[0-9]+.*(NEW|REDUCE|pulse)' 
done
