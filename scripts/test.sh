#!/usr/bin/env bash
# Checks everything: formatting, lints, builds for Linux and Windows, every test
# (a real Samba server, real NTFS mounts, the real lifeboat.exe under Wine), the
# documents' examples, a few seconds of fuzzing. Installs what is missing first.
#
#   test.sh                 all of it
#   test.sh STEP...         only these: setup format shell deny lint build doc fuzz windows
#                           test stick
#
# stick makes the rescue stick and boots it in QEMU. It downloads Debian's packages (110 MB,
# once), so on other systems it runs only if it is named.
#
# Prints the current step, the time so far and the steps that follow. Ends non-zero
# if any step fails; a failed step does not keep the others from being tried. Needs
# no terminal and no answers.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"
cd "$root"

# The compilers whose clippy the code is kept clean for. A newer one's new lints
# are shown, and do not fail the run.
clippy_versions='1.95 1.96'

# On a clean clone, cargo keeps nothing for the next build: that is work for nothing in CI.
[ -d target/debug/incremental ] || export CARGO_INCREMENTAL=0

# A terminal shows cargo's own progress; a log does without.
quiet=(--quiet)
[ ! -t 2 ] || quiet=()

fuzz_seconds=${FUZZ_SECONDS:-3}
skip_list=$root/target/skipped-tests.txt
failed=()
timings=()

# Lints are errors for the compilers that are known.
lint_level() {
    local version
    version=$(rustc_version "$1")
    case " $clippy_versions " in
        *" ${version%.*} "*) echo -Dwarnings ;;
        *) echo -Wwarnings ;;
    esac
}

step_setup() {
    scripts/setup.sh test
}

step_format() {
    cargo fmt --all --check
}

# --examples, of which there are none: with it the features are those that the tests
# need, too, and what was compiled for them is not compiled again for others.
with_tests=(--workspace --lib --examples)

step_lint() {
    local level
    level=$(lint_level rustc)
    cargo clippy "${quiet[@]}" --locked --workspace --all-targets -- "$level"
    # Without `smb` but a few lines are others, and none of the tests'.
    cargo clippy "${quiet[@]}" --locked --no-default-features "${with_tests[@]}" --bins -- "$level"
}

step_build() {
    # The benches are looked at by the lints.
    cargo build "${quiet[@]}" --locked --workspace --exclude lifeboat-fuzz --lib --bins --tests
    local minimum
    minimum=$(msrv)
    case $(rustc_version rustc) in
        "$minimum".*) echo "built with the oldest compiler that is promised, $minimum" ;;
        *)
            if has rustup && rustup toolchain list | grep -q "^$minimum"; then
                cargo "+$minimum" check "${quiet[@]}" --locked --all-targets --target-dir target/oldest
            else
                echo "rustc $minimum is not here: that it builds this is not checked"
            fi
            ;;
    esac
}

step_windows() {
    local rustc
    scripts/build-windows.sh
    rustc=$(rustc_with_source)
    LINT_LEVEL=$(lint_level "$rustc") scripts/build-windows.sh --lint
}

step_test() {
    export LIFEBOAT_REQUIRE_ALL=1 LIFEBOAT_SKIP_LIST=$skip_list
    if ! can_mount; then
        echo "NTFS images cannot be mounted on this machine (a container without /dev/fuse?);"
        echo "the tests that mount one are skipped and listed at the end."
        export LIFEBOAT_WITHOUT="${LIFEBOAT_WITHOUT:-} fuse"
    fi
    if ! can_loop; then
        echo "Loop devices cannot be made on this machine (not root, or a container);"
        echo "the tests that read one are skipped and listed at the end."
        export LIFEBOAT_WITHOUT="${LIFEBOAT_WITHOUT:-} loop"
    fi
    if [ "$(id -u)" != 0 ]; then
        echo "The tests that only root can run are skipped and listed at the end."
        export LIFEBOAT_WITHOUT="${LIFEBOAT_WITHOUT:-} root"
    fi
    if cargo nextest --version >/dev/null 2>&1; then
        cargo nextest run --locked --workspace --no-fail-fast --final-status-level slow
    else
        cargo test --quiet --locked --workspace --no-fail-fast --lib --bins --tests
    fi
}

step_stick() {
    scripts/setup.sh stick
    # The program of the tests, which is optimized; an older release build may be here, too.
    cargo build "${quiet[@]}" --locked -p lifeboat -p lifeboat-maker
    scripts/stick-test.sh --program target/debug/lifeboat
}

step_doc() {
    cargo test --quiet --locked --workspace --doc
    RUSTDOCFLAGS=-Dwarnings cargo doc "${quiet[@]}" --locked --no-deps --document-private-items \
        "${with_tests[@]}"
}

step_fuzz() {
    scripts/fuzz.sh "$fuzz_seconds"
}

# tests/docs/licences.rs has looked at the licences already; cargo-deny looks at more,
# and takes longer to install than everything here takes to run.
step_deny() {
    if has cargo-deny; then
        scripts/deny.sh
    else
        echo "cargo-deny is not installed: scripts/deny.sh installs and runs it"
    fi
}

step_shell() {
    shellcheck -x scripts/*.sh pe-build/*.sh .ci/run
    # What runs on the stick, under busybox.
    local on_stick
    on_stick=$(grep -lx '#!/bin/sh' scripts/stick/system/*)
    # shellcheck disable=SC2086 # one word a file
    shellcheck -s dash -e SC1091 $on_stick
    if has actionlint; then
        actionlint .github/workflows/*.yml
    else
        echo "actionlint is not installed: the workflows are not checked"
    fi
}

# 130 as "2 min 10 s".
duration() {
    if [ "$1" -lt 60 ]; then
        printf '%d s' "$1"
    else
        printf '%d min %d s' $(($1 / 60)) $(($1 % 60))
    fi
}

# Says once a minute that a step is still at work.
tick() {
    local name=$1 start=$SECONDS
    # What outlives this must not hold the log open.
    while sleep 60 >/dev/null 2>&1; do
        printf '   ... %s: %s\n' "$name" "$(duration $((SECONDS - start)))"
    done
}

# run_step NUMBER NAME [WHAT COMES...]
run_step() {
    local number=$1 name=$2 start=$SECONDS result=0 next ticker
    shift 2
    next=${*:-nothing}
    printf '%s[%d/%d] %s%s (%s so far; then: %s)\n' "$bold" "$number" ${#steps[@]} "$name" \
        "$plain" "$(duration "$SECONDS")" "${next// /, }"
    tick "$name" &
    ticker=$!
    # In a shell of its own, with `set -e` in force: `if step_…` would turn that off.
    "$BASH" "$0" --only "$name" </dev/null || result=$?
    kill "$ticker" 2>/dev/null || true
    wait "$ticker" 2>/dev/null || true
    timings+=("$(printf '%-8s %4d s' "$name" $((SECONDS - start)))")
    if [ $result -ne 0 ]; then
        failed+=("$name")
        printf '%s%s: the step %s failed (%s)%s\n' "$red" "${0##*/}" "$name" "$result" "$plain" >&2
        # Nothing that follows could work.
        [ "$name" != setup ] || return 1
    fi
}

if [ "${1:-}" = --only ]; then
    "step_$2"
    exit
fi

steps=("$@")
if [ $# = 0 ]; then
    steps=(setup format shell deny lint build doc fuzz windows test)
    ! grep -qx 'ID=debian' /etc/os-release 2>/dev/null || steps+=(stick)
fi
for name in "${steps[@]}"; do
    declare -F "step_$name" >/dev/null || die "no such step: $name" "see the top of scripts/test.sh"
done
rm -f "$skip_list"
for index in "${!steps[@]}"; do
    run_step $((index + 1)) "${steps[index]}" "${steps[@]:index+1}" || break
done

printf '%s== summary ==%s\n' "$bold" "$plain"
printf '%s\n' "${timings[@]}"
if [ -s "$skip_list" ]; then
    printf 'skipped, because this machine lacks something:\n'
    sort -u "$skip_list"
fi
if [ ${#failed[@]} -gt 0 ]; then
    printf '%sFAILED: %s%s\n' "$red" "${failed[*]}" "$plain"
    exit 1
fi
printf 'all of it passed, in %s\n' "$(duration "$SECONDS")"
