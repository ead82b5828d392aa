#!/usr/bin/env bash
# The linker of build-windows.sh: calls LIFEBOAT_LINKER with relative paths for files
# below the project. ld orders imports by the paths of their libraries. With absolute
# paths, the exe would depend on whether the project's folder sorts before /usr.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
exec "$LIFEBOAT_LINKER" "${@//"$root/"/}"
