#!/usr/bin/env bash
# Redraws docs/run.svg: runs the demonstration in a terminal and keeps the output of
# detect, verify, offload and restore. All of it is real output.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"

has python3 || die "python3 is missing" "apt-get install python3"
python3 "$root/scripts/picture.py" "$root/docs/run.svg" -- "$root/scripts/demo.sh"
