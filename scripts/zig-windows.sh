#!/usr/bin/env bash
# zig as the C compiler and linker for Windows on ARM64, called as a mingw gcc is. Options
# that Rust gives to llvm-mingw's clang, and zig does not know, are left out.
set -euo pipefail
arguments=()
for argument in "$@"; do
    case $argument in
        --target=* | -nolibc | --unwindlib=* | -rtlib=* | -lgcc_eh | -lgcc_s | -l:libunwind.a) ;;
        # zig brings its own.
        -lmsvcrt | -lmingw32 | -lmingwex | */libcompiler_builtins-*.rlib) ;;
        -Wl,--no-insert-timestamp | -Wl,--disable-auto-image-base) ;;
        # The import library of WaitOnAddress has another name there.
        -lsynchronization) arguments+=(-lapi-ms-win-core-synch-l1-2-0) ;;
        *) arguments+=("$argument") ;;
    esac
done
exec "$LIFEBOAT_ZIG" cc -target aarch64-windows-gnu "${arguments[@]}"
