#!/usr/bin/env bash
# The linker of build-windows.sh: LIFEBOAT_LINKER with paths below the project made
# relative. ld puts imports in the order of their libraries' paths, and so the exe
# would depend on whether the project's folder sorts before /usr.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
exec "$LIFEBOAT_LINKER" "${@//"$root/"/}"
