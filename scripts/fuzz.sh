#!/usr/bin/env bash
# Runs the fuzz targets, one after the other; fuzz/README.md tells about them.
#
#   fuzz.sh                        every target for 10 seconds
#   fuzz.sh 600                    every target for 10 minutes
#   fuzz.sh 600 lznt1 xpress       these two
#
# Ends with 1 when a target found something; the input is in fuzz/artifacts/.
set -euo pipefail
cd "$(dirname "$0")/../fuzz"

seconds=${1:-10}
case $seconds in
    *[!0-9]* | '')
        echo "usage: fuzz.sh [SECONDS-PER-TARGET] [TARGET...]" >&2
        exit 2
        ;;
esac
[ $# -eq 0 ] || shift
export PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin

if ! command -v cargo >/dev/null; then
    echo "fuzz.sh: no Rust toolchain; see https://rustup.rs" >&2
    exit 1
fi
if ! command -v c++ >/dev/null; then
    echo "fuzz.sh: libFuzzer needs a C++ compiler: apt-get install g++" >&2
    exit 1
fi
if ! cargo fuzz --version >/dev/null 2>&1; then
    echo "installing cargo-fuzz"
    cargo install cargo-fuzz --locked
fi

# No sanitizer: those need a nightly compiler, and there is no unsafe code to
# watch. Overflow checks and debug assertions are on.
if [ $# -gt 0 ]; then
    targets=("$@")
    for target in "${targets[@]}"; do
        cargo fuzz build -s none "$target"
    done
else
    mapfile -t targets < <(cargo fuzz list)
    cargo fuzz build -s none
fi
built=target/$(rustc -vV | sed -n 's/^host: //p')/release

found=()
for target in "${targets[@]}"; do
    # What the fuzzer learns stays out of the committed seeds.
    learned=target/corpus/$target
    mkdir -p "$learned" "corpus/$target" "artifacts/$target"
    echo "== $target, $seconds s"
    # As long as the longest seed may be.
    longest=$(find "corpus/$target" -type f -printf '%s\n' | sort -n | tail -1)
    [ "${longest:-0}" -gt 16384 ] || longest=16384
    log=target/$target.log
    if "$built/$target" "$learned" "corpus/$target" -artifact_prefix="artifacts/$target/" \
        -max_total_time="$seconds" -max_len="$longest" -timeout=10 -rss_limit_mb=512 \
        -print_final_stats=1 >"$log" 2>&1; then
        grep -E 'stat::number_of_executed_units|cov: ' "$log" | tail -2
    else
        found+=("$target")
        tail -40 "$log"
    fi
done

if [ ${#found[@]} -gt 0 ]; then
    echo "FOUND something: ${found[*]} (inputs in fuzz/artifacts/, logs in fuzz/target/)"
    exit 1
fi
echo "nothing found by ${#targets[@]} targets in $seconds s each"
