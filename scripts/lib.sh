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

# The Rust target that an architecture is built for.
windows_target() {
    case $1 in
        aarch64) echo aarch64-pc-windows-gnullvm ;;
        *) echo "$1-win7-windows-gnu" ;;
    esac
}

# A command that runs zig: LIFEBOAT_ZIG, what setup.sh has installed, or one on the PATH.
find_zig() {
    if [ -n "${LIFEBOAT_ZIG:-}" ]; then
        echo "$LIFEBOAT_ZIG"
    elif [ -x "$root/target/zig/bin/python-zig" ]; then
        echo "$root/target/zig/bin/python-zig"
    elif has zig; then
        echo zig
    else
        return 1
    fi
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

# start_samba: a Samba server in the current folder, with the share `share` (its folder
# share/rescue) and the user `tech`, for this machine alone. Sets `port`, `password` and
# `smbd_pid`; stop_samba ends it.
smbd_pid=''
start_samba() {
    local here=$PWD attempt
    password=$(od -An -N12 -tx1 /dev/urandom | tr -d ' \n')
    while
        port=$((20000 + RANDOM % 40000))
        (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null
    do :; done
    mkdir -p share/rescue samba/{private,state,cache,lock,pid,ncalrpc,log}
    echo "$(id -un) = tech" >samba/users
    cat >samba/smb.conf <<CONF
[global]
  server role = standalone server
  interfaces = lo 127.0.0.1
  bind interfaces only = yes
  smb ports = $port
  disable netbios = yes
  disable spoolss = yes
  load printers = no
  printcap name = /dev/null
  map to guest = Never
  username map = $here/samba/users
  passdb backend = tdbsam:$here/samba/private/passdb.tdb
  private dir = $here/samba/private
  state directory = $here/samba/state
  cache directory = $here/samba/cache
  lock directory = $here/samba/lock
  pid directory = $here/samba/pid
  ncalrpc dir = $here/samba/ncalrpc
  log file = $here/samba/log/smbd.log
  server min protocol = SMB2_02
[share]
  path = $here/share
  read only = no
  map archive = no
CONF
    printf '%s\n%s\n' "$password" "$password" |
        pdbedit -s samba/smb.conf -t -a -u "$(id -un)" >/dev/null
    # In a process group of its own: when it ends, smbd ends all of its group.
    setsid smbd -s samba/smb.conf -F --no-process-group -l samba/log </dev/null >samba/log/out 2>&1 &
    smbd_pid=$!
    for attempt in {1..100}; do
        ! (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || return 0
        kill -0 $smbd_pid 2>/dev/null || break
        [ "$attempt" -eq 100 ] || sleep 0.1
    done
    die "smbd does not answer on port $port" "$(tail -n 5 samba/log/out samba/log/smbd.log 2>&1)"
}
stop_samba() {
    [ -n "$smbd_pid" ] || return 0
    kill "$smbd_pid" 2>/dev/null || true
    wait "$smbd_pid" 2>/dev/null || true
    smbd_pid=''
}
