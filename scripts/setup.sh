#!/usr/bin/env bash
# Installs what a fresh Debian or Ubuntu lacks, and nothing that is there.
#
#   setup.sh build              to build the program
#   setup.sh demo               and to run scripts/demo.sh
#   setup.sh windows [i686|aarch64]   to build lifeboat.exe
#   setup.sh test               everything, Wine included
#   setup.sh stick              to make the rescue stick, and to boot it in QEMU
#
# Packages come by apt, as root or through sudo. Rust itself it never installs.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"

mode=${1:-build}
arch=${2:-x86_64}
missing=()

# need_package NAME: for what has no command to look for.
need_package() {
    dpkg-query -W -f '${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed || missing+=("$1")
}

# need_command COMMAND PACKAGE
need_command() {
    has "$1" || missing+=("$2")
}

need_build() {
    need_command gcc build-essential
    need_command pkg-config pkg-config
    [ -f /usr/include/stdio.h ] || missing+=(libc6-dev)
    [ -e /etc/ssl/certs/ca-certificates.crt ] || missing+=(ca-certificates)
    if has pkg-config; then
        pkg-config --exists smbclient || missing+=(libsmbclient-dev)
    else
        missing+=(libsmbclient-dev)
    fi
}

need_demo() {
    need_command mkntfs ntfs-3g
    need_command fusermount fuse3
    need_command sfdisk fdisk
    need_command smbd samba
    need_command pdbedit samba-common-bin
    need_command zstd zstd
}

need_windows() {
    # The win32-threads flavour alone is half the download of the whole.
    case $arch in
        x86_64) need_command x86_64-w64-mingw32-gcc gcc-mingw-w64-x86-64-win32 ;;
        i686) need_command i686-w64-mingw32-gcc gcc-mingw-w64-i686-win32 ;;
        # zig comes from PyPI, see below.
        aarch64) find_zig >/dev/null || { need_command python3 python3 && need_package python3-venv; } ;;
        *) die "no such architecture: $arch" "x86_64, i686 or aarch64" ;;
    esac
    rustc_with_source >/dev/null || missing+=("rust source")
}

# The Windows code is looked at by the clippy of the rustc that builds it.
need_windows_lint() {
    local rustc
    # The one that is about to be installed, where there is none yet.
    rustc=$(rustc_with_source) || rustc=/usr/bin/rustc
    [ -x "$(dirname "$rustc")/cargo-clippy" ] || missing+=("rust clippy")
}

need_test() {
    need_demo
    need_windows
    need_windows_lint
    need_command wine wine
    [ -x /usr/lib/wine/wine64 ] || need_command wine64 wine64
    need_command wimcapture wimtools
    need_command bsdtar libarchive-tools
    need_command python3 python3
    need_package python3-venv
    need_command dislocker-file dislocker
    need_command xxhsum xxhash
    need_command age age
    need_command tmux tmux
    # Samba's modules, for NT's permissions; later Debians have them in samba itself.
    compgen -G '/usr/lib/*/samba/vfs/acl_xattr.so' >/dev/null || missing+=(samba-vfs-modules)
    need_command chromium chromium
    need_command pdftotext poppler-utils
    need_command groff groff-base
    need_command sgdisk gdisk
    need_command parted parted
    need_command mkfs.vfat dosfstools
    need_command mkfs.exfat exfatprogs
    need_command mcopy mtools
    need_command mount.exfat-fuse exfat-fuse
    need_command qemu-img qemu-utils
    need_command shellcheck shellcheck
    need_command openssl openssl
    need_command osslsigncode osslsigncode
}

need_stick() {
    need_demo
    need_command tmux tmux
    need_command mkfs.vfat dosfstools
    need_command mcopy mtools
    need_command cpio cpio
    need_command xorriso xorriso
    need_command python3 python3
    need_command qemu-system-x86_64 qemu-system-x86
    [ -e /usr/share/OVMF/OVMF_CODE_4M.ms.fd ] || missing+=(ovmf)
}

case $mode in
    build) need_build ;;
    demo) need_build && need_demo ;;
    windows) need_build && need_windows ;;
    test) need_build && need_test ;;
    stick) need_build && need_stick ;;
    *) die "no such mode: $mode" "build, demo, windows, test or stick" ;;
esac

# --- Rust -------------------------------------------------------------------
get_rust="Get it: https://rustup.rs, or on Debian 12: sudo apt-get install cargo-web rustc-web rustfmt-web rust-web-clippy"
if ! has cargo || ! has rustc; then
    die "no Rust toolchain; version $(msrv) or newer is needed." "$get_rust"
fi
at_least "$(rustc_version rustc)" "$(msrv)" ||
    die "Rust $(rustc_version rustc) is too old; version $(msrv) or newer is needed." "$get_rust"

# --- Packages ---------------------------------------------------------------
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif ! has sudo; then
        die "not root, and no sudo to install: ${missing[*]}" "Have an administrator install them."
    elif [ -t 0 ]; then
        sudo "$@"
    else
        sudo -n "$@"
    fi
}

# The package's version that apt would install, nothing if there is none.
candidate() {
    apt-cache policy "$1" 2>/dev/null | sed -n 's/^  Candidate: \([0-9].*\)/\1/p'
}

# Which packages bring a rustc that is new enough, with its source.
rust_source_packages() {
    local version newest
    version=$(candidate rust-web-src)
    if [ -n "$version" ] && at_least "$version" "$(msrv)"; then
        echo "rustc-web rust-web-src"
        return
    fi
    newest=$(apt-cache pkgnames rustc-1. 2>/dev/null | grep -x 'rustc-1\.[0-9]*' | sort -V | tail -n 1)
    if [ -n "$newest" ] && at_least "${newest#rustc-}" "$(msrv)"; then
        echo "$newest rust-${newest#rustc-}-src"
        return
    fi
    return 1
}

needs_nextest=''
needs_libbde=''
[ "$mode" != test ] || cargo nextest --version >/dev/null 2>&1 || needs_nextest=1

# A second reader of BitLocker volumes and a parser of PowerShell, for tests. Debian has no packages, so
# they go into a separate folder.
modules=(libbde-python tree-sitter tree-sitter-powershell)
[ "$mode" != test ] ||
    "$root/target/python/bin/python3" -c 'import pybde, tree_sitter, tree_sitter_powershell' 2>/dev/null ||
    needs_libbde=1

# A compiler for Windows on ARM64: Debian has none.
needs_zig=''
if [ "$mode" = windows ] && [ "$arch" = aarch64 ]; then
    find_zig >/dev/null || needs_zig=1
fi

# What will come, before any of it does.
if [ ${#missing[@]} -gt 0 ]; then
    echo "setup: to install by apt, with what these need: ${missing[*]}"
fi
if [ -n "$needs_nextest" ]; then
    echo "setup: to compile and install by cargo: cargo-nextest (several minutes, once)"
fi
if [ -n "$needs_libbde" ]; then
    echo "setup: to install by pip, into target/python: ${modules[*]}"
fi
if [ -n "$needs_zig" ]; then
    echo "setup: to install by pip, into target/zig: ziglang (80 MB)"
fi
if [ ${#missing[@]} -eq 0 ] && [ -z "$needs_nextest$needs_libbde$needs_zig" ]; then
    echo "setup: nothing to install"
fi

if [ ${#missing[@]} -gt 0 ]; then
    has apt-get || die "this is neither Debian nor Ubuntu; missing: ${missing[*]}" \
        "Install what brings these (Debian's package names), then run this again."
    if [ "$(id -u)" != 0 ] && has sudo && [ ! -t 0 ]; then
        sudo -n true 2>/dev/null || die "sudo asks for a password, and nobody is there to type it" \
            "Run 'scripts/setup.sh $mode' in a terminal first."
    fi
    echo "setup: apt-get update"
    as_root apt-get -qq update || echo "setup: apt-get update failed; going on with the lists that are there" >&2

    packages=()
    for name in "${missing[@]}"; do
        if [ "$name" = "rust clippy" ]; then
            # Debian's; elsewhere the step that wants it says what it lacks.
            [ -z "$(candidate rust-web-clippy)" ] || packages+=(rust-web-clippy)
        elif [ "$name" != "rust source" ]; then
            packages+=("$name")
        elif found=$(rust_source_packages); then
            read -ra found <<<"$found"
            packages+=("${found[@]}")
        elif has rustup; then
            echo "setup: rustup component add rust-src"
            rustup component add rust-src || die "rust-src could not be added" \
                "The Windows build needs the standard library's source for a rustc of $(msrv) or newer."
        else
            die "no package brings Rust's source for version $(msrv) or newer" \
                "Install Rust by https://rustup.rs, then: rustup component add rust-src"
        fi
    done

    # QEMU's packages have to be of one release. A qemu-utils of a newer one (backports) keeps
    # out this Debian's QEMU. Whose machine it is decides, except in CI.
    downgrade=()
    case " ${packages[*]} " in
        *" qemu-system-x86 "*)
            installed=$(dpkg-query -W -f '${Version}' qemu-utils 2>/dev/null) || installed=''
            offered=$(apt-cache madison qemu-utils | cut -d '|' -f 2 | tr -d ' ' | head -n 1)
            if [ -n "$installed" ] && [ -n "$offered" ] &&
                dpkg --compare-versions "$installed" gt "$offered"; then
                [ "${CI:-}" = true ] ||
                    die "qemu-utils $installed is from another release, and keeps out this one's QEMU" \
                        "Take both from one: apt-get install --allow-downgrades qemu-utils=$offered qemu-system-x86"
                packages+=("qemu-utils=$offered")
                downgrade=(--allow-downgrades)
            fi
            ;;
    esac
    if [ ${#packages[@]} -gt 0 ]; then
        echo "setup: apt-get install ${packages[*]}"
        # It is asked, says no, and says how much it would have been.
        LC_ALL=C apt-get install --assume-no --no-remove --no-install-recommends "${packages[@]}" \
            2>/dev/null </dev/null | sed -n 's/^\(Need to get\|After this\|[0-9]* upgraded\)/setup: &/p' || true
        # The samba package starts a file server on this machine. The tests start
        # their own in a scratch folder, so this one is kept from starting, now
        # (policy-rc.d) and at the next boot (disable).
        policy=/usr/sbin/policy-rc.d
        hold_services=''
        case " ${packages[*]} " in
            *" samba "*) [ -e $policy ] || hold_services=1 ;;
        esac
        if [ -n "$hold_services" ]; then
            # shellcheck disable=SC2016 # the script's own text
            as_root sh -c 'printf "#!/bin/sh\nexit 101\n" >"$1" && chmod 755 "$1"' sh $policy
            trap 'as_root rm -f $policy' EXIT
        fi
        as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-remove \
            --no-install-recommends -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 \
            "${downgrade[@]}" "${packages[@]}" >/dev/null 2> >(grep -v -e '^debconf: ' -e '^invoke-rc.d: ' >&2) ||
            die "apt could not install: ${packages[*]}" \
                "It says why: apt-get install --simulate ${packages[*]}
  If it would remove a package, that one is from another release (backports): take both from one."
        if [ -n "$hold_services" ]; then
            as_root rm -f $policy
            trap - EXIT
            if has systemctl; then
                as_root systemctl disable --quiet smbd nmbd samba-ad-dc 2>/dev/null || true
            fi
            echo "setup: the samba package's own services were left switched off"
        fi
    fi
fi

# --- Tools from crates.io ---------------------------------------------------
if [ -n "$needs_nextest" ]; then
    echo "setup: cargo install cargo-nextest"
    # Unoptimized and without its updater: it starts processes and waits for them.
    cargo install --quiet --locked --debug --no-default-features cargo-nextest ||
        echo "setup: cargo-nextest could not be installed; the tests will run with cargo test" >&2
fi

# --- Modules from PyPI ------------------------------------------------------
if [ -n "$needs_libbde" ]; then
    echo "setup: pip install ${modules[*]}"
    { python3 -m venv "$root/target/python" &&
        "$root/target/python/bin/python3" -m pip install --quiet --disable-pip-version-check "${modules[@]}"; } ||
        echo "setup: ${modules[*]} could not be installed; the tests that need them will be skipped" >&2
fi

if [ -n "$needs_zig" ]; then
    echo "setup: pip install ziglang"
    # One version: another one may link other bytes.
    { python3 -m venv "$root/target/zig" &&
        "$root/target/zig/bin/python3" -m pip install --quiet --disable-pip-version-check ziglang==0.17.1; } ||
        die "ziglang 0.17.1 could not be installed: see pip's message above" \
            "It comes from PyPI. Without it, name a zig that is there: LIFEBOAT_ZIG=/path/to/zig"
    printf '#!/bin/sh\nexec "%s" -m ziglang "$@"\n' "$root/target/zig/bin/python" >"$root/target/zig/bin/python-zig"
    chmod 755 "$root/target/zig/bin/python-zig"
fi
