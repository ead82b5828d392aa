#!/usr/bin/env bash
# The flags by which libFuzzer sees which code its inputs reach: those of
# `cargo fuzz build -s none`.
#
#   instrumented.sh RUSTC ARGUMENT...   is cargo's RUSTC_WORKSPACE_WRAPPER (scripts/fuzz.sh):
#                                       compiles the library and the fuzz targets with them,
#                                       unoptimized, which takes a fifth of the time, and all
#                                       else as in any other build
#   instrumented.sh --flags             prints them
set -euo pipefail
flags=(
    -Cpasses=sancov-module
    -Cllvm-args=-sanitizer-coverage-level=4
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
    -Cllvm-args=-sanitizer-coverage-pc-table
    -Cllvm-args=-sanitizer-coverage-trace-compares
    -Cllvm-args=-sanitizer-coverage-stack-depth
    -Cllvm-args=-simplifycfg-branch-fold-threshold=0
    --cfg fuzzing
)
if [ "${1:-}" = --flags ]; then
    echo "${flags[*]}"
    exit
fi
case " $* " in
    *' --crate-name lifeboat '* | *' --crate-name fuzz '*) exec "$@" "${flags[@]}" -Copt-level=0 ;;
esac
exec "$@"
