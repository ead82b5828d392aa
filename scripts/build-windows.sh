#!/usr/bin/env bash
# Builds lifeboat.exe and lifeboat-selftest.exe on Linux, for the WinPE of Windows 7 and
# every later version.
#
#   build-windows.sh [--arch x86_64|i686|aarch64] [--profile release|dev] [--lint]
#
# --lint checks the Windows code with clippy instead, and builds nothing.
#
# Rust's ordinary Windows targets require Windows 10. The win7 targets do not, but they
# have no prebuilt standard library. So this script builds that too, from the source in
# a toolchain: a rustup toolchain with rust-src if there is one, or else the system's.
# The same source, toolchain and mingw give the same bytes in any folder.
#
# Debian has no mingw for ARM64: there, zig compiles and links (from PyPI, by setup.sh). All
# PCs with ARM64 have Windows 10 or newer, with its C runtime (UCRT).
# At the end it prints each exe, its size and its SHA-256. See
# docs/development/building.md.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"

arch=x86_64
profile=release
lint=''
while [ $# -gt 0 ]; do
    case $1 in
        --arch=*) arch=${1#*=} ;;
        --profile=*) profile=${1#*=} ;;
        --arch | --profile)
            [ $# -ge 2 ] || die "$1 needs a value"
            [ "$1" = --arch ] && arch=$2 || profile=$2
            shift
            ;;
        --lint) lint=1 ;;
        *) die "unknown argument: $1" "build-windows.sh [--arch x86_64|i686|aarch64] [--profile release|dev] [--lint]" ;;
    esac
    shift
done
case $arch in x86_64 | i686 | aarch64) ;; *) die "no such architecture: $arch" "Use x86_64, i686 or aarch64." ;; esac
case $profile in
    release) folder=release ;;
    dev) folder=debug ;;
    *) die "no such profile: $profile" "Use release or dev." ;;
esac

"$root/scripts/setup.sh" windows "$arch"
cd "$root"

target=$(windows_target "$arch")
variable=${target//-/_}
RUSTC=$(rustc_with_source)
cargo_home=${CARGO_HOME:-$HOME/.cargo}
if [ "$arch" = aarch64 ]; then
    zig=$(find_zig) || die "zig is missing" "scripts/setup.sh windows aarch64"
    export LIFEBOAT_ZIG=$zig
    export ZIG_GLOBAL_CACHE_DIR=$root/target/windows/zig ZIG_LOCAL_CACHE_DIR=$root/target/windows/zig
    compiler=$root/scripts/zig-windows.sh archiver=$root/scripts/zig-ar.sh
    # The version resource is compiled by a windres that is found by its name.
    mkdir -p target/windows/zig/bin
    ln -sfn "$root/scripts/zig-windres.sh" target/windows/zig/bin/aarch64-w64-mingw32-windres
    PATH=$root/target/windows/zig/bin:$PATH
    echo "build-windows: $("$RUSTC" --version), zig $($zig version), $target"
else
    mingw=$arch-w64-mingw32
    compiler=$mingw-gcc archiver=$mingw-ar
    echo "build-windows: $("$RUSTC" --version), $mingw-gcc $("$mingw-gcc" -dumpversion), $target"
fi

# The exe must have no path of this machine, and no build time in its header.
flags=(
    "--remap-path-prefix=$root=lifeboat"
    "--remap-path-prefix=$cargo_home/registry/src=registry"
    "--remap-path-prefix=$("$RUSTC" --print sysroot)/lib/rustlib/src/rust=rust"
    "-Clink-arg=-Wl,--no-insert-timestamp"
)
CARGO_ENCODED_RUSTFLAGS=$(IFS=$'\x1f' && echo "${flags[*]}")

# Without CC_… and AR_…, zstd would be compiled for Linux, and the link would fail.
export RUSTC CARGO_ENCODED_RUSTFLAGS
export RUSTC_BOOTSTRAP=1 # build-std is an unstable option of a stable cargo
export "CC_$variable=$compiler" "AR_$variable=$archiver"
export "CFLAGS_$variable=-ffile-prefix-map=$cargo_home/registry/src=registry"
# The order of imports in the exe must not depend on the path of this folder.
upper=${variable^^}
export "CARGO_TARGET_${upper}_LINKER=$root/scripts/link-windows.sh" "LIFEBOAT_LINKER=$compiler"
export TMPDIR=$root/target/windows/tmp
mkdir -p "$TMPDIR"
unset RUSTFLAGS RUSTC_WRAPPER RUSTC_WORKSPACE_WRAPPER

# Both at once, so that what they share is compiled once.
packages=(-p lifeboat -p lifeboat-selftest)
if [ -n "$lint" ]; then
    clippy=$(dirname "$RUSTC")/cargo-clippy
    [ -x "$clippy" ] || die "no clippy beside $RUSTC" "For Debian's rustc-web: apt-get install rust-web-clippy"
    # It calls the cargo of CARGO, and the clippy-driver beside itself.
    CARGO=$(command -v cargo) "$clippy" clippy --locked --lib --bins "${packages[@]}" \
        --release --target "$target" --target-dir target/windows -Zbuild-std=std,panic_abort \
        -- "${LINT_LEVEL:--Dwarnings}"
    exit
fi

cargo build --locked --profile "$profile" --bins "${packages[@]}" \
    --target "$target" --target-dir target/windows -Zbuild-std=std,panic_abort

# zig's linker writes the time of the link into the header. Nothing reads it.
if [ "$arch" = aarch64 ]; then
    python3 - target/windows/"$target/$folder"/lifeboat{,-selftest}.exe <<'END'
import struct, sys
for name in sys.argv[1:]:
    with open(name, "r+b") as file:
        file.seek(0x3C)
        header = struct.unpack("<I", file.read(4))[0]
        file.seek(header + 8)
        file.write(bytes(4))
END
fi

for name in lifeboat lifeboat-selftest; do
    exe=target/windows/$target/$folder/$name.exe
    [ -f "$exe" ] || die "cargo succeeded, but there is no $exe"
    printf '%s\n  %s bytes\n  sha256 %s\n' "$exe" "$(stat -c %s "$exe")" "$(sha256sum "$exe" | cut -d ' ' -f 1)"
done
