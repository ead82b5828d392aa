#!/usr/bin/env bash
# Draws docs/run.svg anew: runs the demonstration in a terminal and keeps what it
# showed of detect, verify, offload and restore. Nothing in it is made up.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"

has python3 || die "python3 is missing" "apt-get install python3"
python3 "$root/scripts/picture.py" "$root/docs/run.svg" -- "$root/scripts/demo.sh"
