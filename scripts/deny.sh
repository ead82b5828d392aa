#!/usr/bin/env bash
# Checks the dependencies with cargo-deny and deny.toml: licenses, sources,
# duplicates. Installs cargo-deny if it is missing, which takes long.
#
#   deny.sh                the checks that require no network
#   deny.sh --advisories   known vulnerabilities too (fetches the advisory database)
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"
cd "$root"

checks=(licenses bans sources)
case ${1:-} in
    '') ;;
    --advisories) checks+=(advisories) ;;
    *) die "unknown argument: $1" "deny.sh [--advisories]" ;;
esac

"$root/scripts/setup.sh" build
if ! has cargo-deny; then
    echo "deny: cargo install --locked cargo-deny (takes many minutes, once)"
    cargo install --quiet --locked cargo-deny
fi
cargo deny --locked --workspace --all-features check "${checks[@]}"
