#!/usr/bin/env bash
# zig's resource compiler, called as a mingw windres is.
set -euo pipefail
input='' output='' include=()
while [ $# -gt 0 ]; do
    case $1 in
        -V | --version) echo "GNU windres, by zig"; exit ;;
        --input) input=$2; shift ;;
        --input=*) input=${1#*=} ;;
        --output) output=$2; shift ;;
        --output=*) output=${1#*=} ;;
        --include-dir) include+=(/i "$2"); shift ;;
        --include-dir=*) include+=(/i "${1#*=}") ;;
        -D | --define) include+=(/d "$2"); shift ;;
        *) ;;
    esac
    shift
done
exec "$LIFEBOAT_ZIG" rc /:output-format coff /:target aarch64 "${include[@]}" /fo "$output" -- "$input"
