#!/usr/bin/env bash
# Runs the fuzz targets, one after the other; fuzz/README.md tells about them.
#
#   fuzz.sh                        every target for 10 seconds
#   fuzz.sh 600                    every target for 10 minutes
#   fuzz.sh 600 lznt1 xpress       these two
#
# Runs of less than a minute are of a program that is compiled in less time: what the library
# depends on is that of the tests' build, and gives the fuzzer no coverage. Ends with 1 when a target found something; the input is in fuzz/artifacts/.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"
cd "$root/fuzz"

seconds=${1:-10}
case $seconds in
    *[!0-9]* | '') die "usage: fuzz.sh [SECONDS-PER-TARGET] [TARGET...]" ;;
esac
[ $# -eq 0 ] || shift
has cargo || die "no Rust toolchain" "Get it: https://rustup.rs"
has c++ || die "libFuzzer needs a C++ compiler" "apt-get install g++"

all=()
for file in fuzz_targets/*.rs; do
    name=$(basename "$file" .rs)
    [ "$name" = main ] || all+=("$name")
done
targets=("$@")
[ $# -gt 0 ] || targets=("${all[@]}")
for target in "${targets[@]}"; do
    case " ${all[*]} " in
        *" $target "*) ;;
        *) die "no such target: $target" "These are: ${all[*]}" ;;
    esac
done

# No sanitizer: those need a nightly compiler, and there is no unsafe code to watch.
# Overflow checks and debug assertions are on.
if [ "$seconds" -lt 60 ]; then
    # The library alone is compiled for this, once more; the rest is that of the tests.
    RUSTC_WORKSPACE_WRAPPER=$root/scripts/instrumented.sh \
        cargo build --quiet --locked -p lifeboat-fuzz --target-dir "$root/target"
    fuzz=$root/target/debug/fuzz
else
    host=$(rustc -vV | sed -n 's/^host: //p')
    # With --target the flags are not for build scripts and macros.
    RUSTFLAGS=$("$root/scripts/instrumented.sh" --flags) CARGO_INCREMENTAL=0 \
        cargo build --quiet --locked --profile fuzz -p lifeboat-fuzz \
        --target "$host" --target-dir target
    fuzz=target/$host/fuzz/fuzz
fi
mkdir -p target

run() {
    local target=$1 learned=target/corpus/$1 longest
    # What the fuzzer learns stays out of the committed seeds.
    mkdir -p "$learned" "corpus/$target" "artifacts/$target"
    # As long as the longest seed may be.
    longest=$(find "corpus/$target" -type f -printf '%s\n' | sort -n | tail -1)
    [ "${longest:-0}" -gt 16384 ] || longest=16384
    if LIFEBOAT_FUZZ=$target "$fuzz" "$learned" "corpus/$target" \
        -artifact_prefix="artifacts/$target/" \
        -max_total_time="$seconds" -max_len="$longest" -timeout=10 -rss_limit_mb=512 \
        -print_final_stats=1 >"target/$target.log" 2>&1; then
        echo "== $target, $seconds s: $(sed -n 's/.*DONE *//p' "target/$target.log")"
    else
        echo "== $target FOUND something"
        tail -40 "target/$target.log"
        echo "$target" >>target/found
    fi
}

# One a core at a time; none shares a core with another, so each has its seconds.
rm -f target/found
for target in "${targets[@]}"; do
    while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do
        wait -n || true
    done
    run "$target" &
done
wait
found=()
[ ! -f target/found ] || mapfile -t found <target/found

if [ ${#found[@]} -gt 0 ]; then
    echo "FOUND something: ${found[*]} (inputs in fuzz/artifacts/, logs in fuzz/target/)"
    exit 1
fi
echo "nothing found by ${#targets[@]} targets in $seconds s each"
