# shellcheck shell=bash
# What the scripts beside this file share. Sourced, never run.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# A shell that did not read the login files has no ~/.cargo/bin on its PATH,
# and a plain user's has no /usr/sbin, where mkntfs and smbd live.
for dir in "${CARGO_HOME:-$HOME/.cargo}/bin" /usr/sbin /sbin; do
    case ":$PATH:" in
        *":$dir:"*) ;;
        *) [ ! -d "$dir" ] || PATH=$PATH:$dir ;;
    esac
done
export PATH

# Colours only for people.
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
    bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' plain=$'\e[0m'
else
    bold='' dim='' red='' plain=''
fi
export bold dim

# die WHAT HAPPENED [WHAT TO DO]: two lines to stderr, exit 1.
die() {
    printf '%s%s: %s%s\n' "$red" "${0##*/}" "$1" "$plain" >&2
    [ -z "${2:-}" ] || printf '  %s\n' "$2" >&2
    exit 1
}

has() {
    command -v "$1" >/dev/null 2>&1
}

# at_least VERSION MINIMUM: whether 1.96.0 is not older than 1.95.
at_least() {
    [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]
}

# The oldest compiler that the project promises to build with.
msrv() {
    sed -n 's/^rust-version = "\(.*\)"/\1/p' "$root/Cargo.toml"
}

# The version that a rustc reports: 1.96.0.
rustc_version() {
    "$1" --version 2>/dev/null | cut -d ' ' -f 2
}

# Whether a rustc has the standard library's source beside it, and is not too old.
rustc_has_source() {
    local sysroot
    sysroot=$("$1" --print sysroot 2>/dev/null) || return 1
    [ -f "$sysroot/lib/rustlib/src/rust/library/Cargo.lock" ] &&
        at_least "$(rustc_version "$1")" "$(msrv)"
}

# Every rustc of this machine, the default one first.
all_rustcs() {
    local toolchain
    [ -z "${LIFEBOAT_RUSTC:-}" ] || echo "$LIFEBOAT_RUSTC"
    if has rustup; then
        rustup which rustc 2>/dev/null || true
        for toolchain in $(rustup toolchain list 2>/dev/null | cut -d ' ' -f 1); do
            rustup which --toolchain "$toolchain" rustc 2>/dev/null || true
        done
    elif has rustc; then
        command -v rustc
    fi
    # Debian's rustc-web is /usr/bin/rustc; Ubuntu's newer ones carry a version.
    ls -r /usr/bin/rustc /usr/bin/rustc-1.* 2>/dev/null || true
}

# Prints a rustc that can build the standard library for the Windows target;
# fails if there is none. LIFEBOAT_RUSTC names one to try first.
rustc_with_source() {
    local candidate
    for candidate in $(all_rustcs); do
        if rustc_has_source "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    return 1
}

# Whether an image can be put behind a loop device, which can be read then.
can_loop() {
    local image device result
    image=$(mktemp)
    truncate -s 1M "$image"
    device=$(losetup -f --show -r "$image" 2>/dev/null) && head -c 512 "$device" >/dev/null 2>&1
    result=$?
    [ -z "$device" ] || losetup -d "$device" 2>/dev/null || true
    rm -f "$image"
    return $result
}

# Whether a fresh NTFS image can really be mounted and unmounted; not with
# LIFEBOAT_WITHOUT=fuse.
can_mount() {
    local dir
    case " ${LIFEBOAT_WITHOUT:-} " in
        *" fuse "*) return 1 ;;
    esac
    dir=$(mktemp -d)
    (
        cd "$dir" && mkdir mount && truncate -s 4M image &&
            mkntfs -F -Q -q image && ntfs-3g image mount && fusermount -u mount
    ) >/dev/null 2>&1
    local result=$?
    rm -rf "$dir"
    return $result
}
