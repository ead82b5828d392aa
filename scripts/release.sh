#!/usr/bin/env bash
# Makes what is handed out, in dist: the release zip (lifeboat.exe and lifeboat-selftest.exe
# for 64 and 32 bits and ARM64, the scripts for boot images and task sequences, documents,
# man pages, completions, licenses, an SBOM), the rescue stick, and SHA256SUMS over them. The
# same commit, compilers and mingw give the same bytes.
#
#   release.sh                        builds all programs, then dist/lifeboat-VERSION.zip
#   release.sh --stick                also dist/lifeboat-VERSION-stick.img and .iso, with the
#                                     list of Debian's packages (.cdx.json) beside each
#   release.sh --exe x64=FILE [--exe x86=FILE] [--exe arm64=FILE]     uses these instead of
#                                     building, and lifeboat-selftest.exe beside each, if
#                                     they are what they are said to be (release/program.py)
#   release.sh --to-sign              builds the programs into dist/to-sign, and stops: sign
#                                     every .exe there (docs/development/building.md)
#   release.sh --signed DIR           packs those, if all of them are signed; says which
#                                     architecture is missing
#   release.sh --minisign KEY         signs SHA256SUMS with this secret key, too
#   release.sh --out DIR              writes to DIR instead of dist
#   release.sh --check                does everything twice, from two clones of the last
#                                     commit in two folders, and compares
#
# All times in the zip are that of the last commit (or SOURCE_DATE_EPOCH).
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"

out=$root/dist
check='' stick='' to_sign='' signed='' minisign=''
arches=()
exes=()
while [ $# -gt 0 ]; do
    case $1 in
        --check) check=1 ;;
        --stick) stick=1 ;;
        --to-sign) to_sign=1 ;;
        --out | --exe | --signed | --minisign)
            [ $# -ge 2 ] || die "$1 needs a value" "see the top of scripts/release.sh"
            if [ "$1" = --out ]; then
                out=$(realpath -m "$2")
            elif [ "$1" = --signed ]; then
                [ -d "$2" ] || die "$2: there is no such folder"
                signed=$(realpath "$2")
            elif [ "$1" = --minisign ]; then
                [ -f "$2" ] || die "$2: there is no such file"
                has minisign || die "minisign is missing" "apt-get install minisign"
                minisign=$(realpath "$2")
            else
                case $2 in
                    x64=* | x86=* | arm64=*) ;;
                    *) die "--exe $2" "Use x64=FILE, x86=FILE or arm64=FILE." ;;
                esac
                [ -f "${2#*=}" ] || die "${2#*=}: there is no such file"
                beside=$(dirname "${2#*=}")/lifeboat-selftest.exe
                [ -f "$beside" ] || die "$beside: there is no such file"
                arches+=("${2%%=*}")
                exes+=("$(realpath "${2#*=}")")
            fi
            shift
            ;;
        *) die "unknown argument: $1" "see the top of scripts/release.sh" ;;
    esac
    shift
done

has python3 || die "python3 is missing" "apt-get install python3"
has git || die "git is missing" "apt-get install git"
cd "$root"
work=$(mktemp -d "${TMPDIR:-/tmp}/lifeboat-release.XXXXXX")
trap 'rm -rf "$work"' EXIT

if [ -n "$check" ]; then
    # The folders have different names and depths, and no trace of them may be in the
    # zip. One sorts before /usr, where the libraries are, and one after it: this shows
    # a linker that sorts by path.
    commit=$(git rev-parse HEAD) # the branch may change meanwhile
    behind=$(mktemp -d /var/tmp/lifeboat-release.XXXXXX)
    trap 'rm -rf "$work" "$behind"' EXIT
    build() { # FOLDER RESULT
        echo "release: building everything in $1"
        git clone --quiet --no-hardlinks . "$1"
        git -C "$1" checkout --quiet --detach "$commit"
        "$1/scripts/release.sh" --out "$2"
        rm -rf "${1:?}"
    }
    build "$work/one" "$work/out-one"
    build "$behind/two/a longer name" "$work/out-two"
    if ! cmp "$work"/out-one/*.zip "$work"/out-two/*.zip; then
        trap 'rm -rf "$behind"' EXIT # keeps the two results for inspection
        for place in one two; do
            python3 -m zipfile -e "$work/out-$place"/*.zip "$work/out-$place"
        done
        diff -rq "$work/out-one" "$work/out-two" || true
        die "the two builds differ" "See both in $work"
    fi
    cat "$work"/out-one/SHA256SUMS
    echo "release: two builds, the same bytes"
    exit
fi

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
[ -z "$(git status --porcelain)" ] ||
    echo "release: this work tree has uncommitted changes; the zip includes them"

# Whether a program has an Authenticode signature: its fifth data directory is not empty.
is_signed() {
    python3 - "$1" <<'END'
import struct, sys
data = open(sys.argv[1], "rb").read()
try:
    header = struct.unpack_from("<I", data, 0x3C)[0]
    optional = header + 24
    wide = struct.unpack_from("<H", data, optional)[0] == 0x20B
    at, size = struct.unpack_from("<II", data, optional + (112 if wide else 96) + 4 * 8)
except struct.error:
    sys.exit(1)
sys.exit(0 if size > 8 and at + size <= len(data) else 1)
END
}
if [ -n "$signed" ]; then
    for arch in x64 x86 arm64; do
        [ -d "$signed/$arch" ] || continue
        for name in lifeboat lifeboat-selftest; do
            exe=$signed/$arch/$name.exe
            [ -f "$exe" ] || die "$exe: there is no such file"
            is_signed "$exe" || die "$exe: it is not signed" "Sign it first: docs/development/building.md"
        done
        arches+=("$arch")
        exes+=("$signed/$arch/lifeboat.exe")
    done
    [ ${#exes[@]} -gt 0 ] || die "$signed: none of x64, x86 and arm64 is there"
fi

if [ ${#exes[@]} = 0 ]; then
    for arch in x86_64 i686 aarch64; do
        scripts/build-windows.sh --arch $arch
        exes+=("$root/target/windows/$(windows_target $arch)/release/lifeboat.exe")
    done
    arches=(x64 x86 arm64)
fi

# What was not built here may be anything.
for i in "${!exes[@]}"; do
    selftest=$(dirname "${exes[$i]}")/lifeboat-selftest.exe
    why=$(python3 -B scripts/release/program.py "${exes[$i]}" "${arches[$i]}" "$version") ||
        die "${exes[$i]}: $why"
    why=$(python3 -B scripts/release/program.py "$selftest" "${arches[$i]}") || die "$selftest: $why"
done

if [ -n "$to_sign" ]; then
    for i in "${!exes[@]}"; do
        mkdir -p "$out/to-sign/${arches[$i]}"
        cp "${exes[$i]}" "$(dirname "${exes[$i]}")/lifeboat-selftest.exe" "$out/to-sign/${arches[$i]}"
    done
    echo "release: sign every .exe in $out/to-sign, then: scripts/release.sh --signed $out/to-sign"
    exit
fi

# --- What goes in -------------------------------------------------------------
stage=$work/lifeboat-$version
mkdir "$stage"
git ls-files -z --cached --others --exclude-standard -- \
    README.md CHANGELOG.md ARCHITECTURE.md CONTRIBUTING.md 'LICENSE-*' \
    docs pe-build fuzz/README.md scripts/lib.sh scripts/task-sequence scripts/windows |
    while IFS= read -r -d '' file; do
        mkdir -p "$stage/$(dirname "$file")"
        cp "$file" "$stage/$file"
    done
targets=() programs=()
for i in "${!exes[@]}"; do
    case ${arches[$i]} in
        x64) target=x86_64-win7-windows-gnu ;;
        x86) target=i686-win7-windows-gnu ;;
        arm64) target=aarch64-pc-windows-gnullvm ;;
    esac
    selftest=$(dirname "${exes[$i]}")/lifeboat-selftest.exe
    targets+=("$target")
    programs+=("$target=lifeboat.exe=${exes[$i]}" "$target=lifeboat-selftest.exe=$selftest")
    mkdir -p "$stage/${arches[$i]}"
    cp "${exes[$i]}" "$stage/${arches[$i]}/lifeboat.exe"
    cp "$selftest" "$stage/${arches[$i]}/lifeboat-selftest.exe"
done
compiler=$("$(rustc_with_source || command -v rustc)" --version)
zig=''
case " ${arches[*]} " in *" arm64 "*) zig=$($(find_zig) version 2>/dev/null) || zig=unknown ;; esac
mingw=$({ x86_64-w64-mingw32-gcc -dumpversion || i686-w64-mingw32-gcc -dumpversion; } 2>/dev/null) ||
    die "mingw-w64's gcc is missing" "scripts/setup.sh windows"
python3 -B scripts/release/notices.py . "$compiler" "$mingw${zig:+,zig $zig}" "${targets[@]}" >"$stage/THIRD-PARTY.txt"
python3 -B scripts/release/sbom.py . "$epoch" "$compiler" "$mingw${zig:+,zig $zig}" "${programs[@]}" >"$stage/sbom.cdx.json"

# --- The zip -------------------------------------------------------------------
mkdir -p "$out"
zip=$out/lifeboat-$version.zip
python3 -B scripts/release/pack.py "$stage" "$zip" "$epoch"
files=("lifeboat-$version.zip")
if [ -n "$stick" ]; then
    cargo build --locked --release -p lifeboat
    for kind in img iso; do
        SOURCE_DATE_EPOCH=$epoch scripts/stick.sh "$out/lifeboat-$version-stick.$kind" \
            --program "$root/target/release/lifeboat"
        files+=("lifeboat-$version-stick.$kind" "lifeboat-$version-stick.$kind.cdx.json")
    done
fi
(cd "$out" && sha256sum "${files[@]}" >SHA256SUMS)
if [ -n "$minisign" ]; then
    minisign -S -s "$minisign" -t "Lifeboat $version" -m "$out/SHA256SUMS"
fi
for i in "${!exes[@]}"; do
    echo "${arches[$i]}/lifeboat.exe: $(stat -c %s "${exes[$i]}") bytes"
done
echo "$zip: $(stat -c %s "$zip") bytes"
for arch in x64 x86 arm64; do
    case " ${arches[*]} " in *" $arch "*) ;; *) echo "release: NO PROGRAM for $arch is in this zip" >&2 ;; esac
done
if awk '/^## /{ inside = /Unreleased/ } inside && /^- /{ found = 1 } END { exit !found }' CHANGELOG.md; then
    echo "release: CHANGELOG.md has entries under [Unreleased]: in this zip, they belong under [$version]" >&2
fi
