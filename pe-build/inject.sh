#!/usr/bin/env bash
# Adds Lifeboat to a boot.wim: any WinPE, also those of ConfigMgr and MDT. It runs on
# Linux, with wimlib; on Windows, build.cmd makes a boot image with the ADK.
#
#   inject.sh BOOT.WIM [options]       add Lifeboat, or update it
#   inject.sh BOOT.WIM --undo          remove it
#
#   --exe FILE        the program [default: that of the release, x64, x86 or arm64 like the
#                     image, or the one that scripts/build-windows.sh built]
#   --settings FILE   becomes \Lifeboat\lifeboat.toml (shares, users; see README.md). It has to
#                     be one that Lifeboat understands
#   --add DIR         further files for \Lifeboat: password.txt and what else lifeboat.toml
#                     names, the folder USMT
#   --drivers DIR     drivers for disks and network cards, with all subfolders: they are
#                     loaded before Lifeboat starts. Only .inf files for the image's
#                     architecture are taken, with the folder that they are in. They stay in
#                     the image until --undo
#   --image N         the image in the file [default: the one that boots]
#   --start yes|no    whether Lifeboat starts automatically, from startnet.cmd [default: no
#                     if winpeshl.ini starts something else, as in ConfigMgr images]
#   --arch x64|x86|arm64   the architecture of the boot image, if the image does not say
#   --dry-run         only show what would be done
#
# It adds \Lifeboat\*, \Windows\System32\lifeboat.cmd (so that `lifeboat` works at any
# prompt, also after F8), and a line in startnet.cmd. Nothing else in the image changes.
# You can run it again: settings, added files and drivers that are in the image stay there
# unless new ones replace them ("=" in the list). --undo restores what was there before, but
# no call of \Lifeboat\start.cmd, as build.cmd makes it.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/../scripts/lib.sh"

# Names in boot images are written in any case.
export WIMLIB_IMAGEX_IGNORE_CASE=1
system32=/Windows/System32
mark='rem added by Lifeboat'
# The keys of lifeboat.toml, as in src/cli/settings.rs, and those that name a file or a folder.
known_keys='to user password-file passphrase-file recovery-key-file bitlocker-password-file bitlocker-keys recipient name log'
file_keys='password-file passphrase-file recovery-key-file bitlocker-password-file bitlocker-keys'

wim='' image='' settings='' add='' drivers='' start='' arch='' dry_run='' undo=''
exe='' exe_named=''

usage() {
    sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"
}

while [ $# -gt 0 ]; do
    case $1 in
        -h | --help) usage; exit 0 ;;
        --dry-run) dry_run=1; shift; continue ;;
        --undo) undo=1; shift; continue ;;
        --exe | --settings | --add | --drivers | --image | --start | --arch)
            [ $# -ge 2 ] || die "$1 requires a value" "inject.sh --help"
            case $1 in
                --exe) exe=$2 exe_named=1 ;;
                --settings) settings=$2 ;;
                --add) add=$2 ;;
                --drivers) drivers=$2 ;;
                --image) image=$2 ;;
                --start) start=$2 ;;
                --arch) arch=$2 ;;
            esac
            shift 2
            ;;
        -*) die "$1 is not an option" "inject.sh --help" ;;
        *)
            [ -z "$wim" ] || die "$1: one boot image at a time"
            wim=$1
            shift
            ;;
    esac
done

[ -n "$wim" ] || die "no boot image was given" "inject.sh BOOT.WIM"
[ -f "$wim" ] || die "$wim: there is no such file" "Give the path of a boot.wim."
case $start in '' | yes | no) ;; *) die "--start $start" "Use yes or no." ;; esac
case $arch in '' | x64 | x86 | arm64) ;; *) die "--arch $arch" "Use x64, x86 or arm64." ;; esac
case $image in *[!0-9]*) die "--image $image" "Give the number of one image, such as --image 2." ;; esac
has wimlib-imagex || die "wimlib is not installed" "apt-get install wimtools"

full="Is it full? Use a folder with more room: TMPDIR=FOLDER $0"
work=$(mktemp -d) || die "there is no folder for temporary files" "$full"
trap 'rm -rf "$work"' EXIT

wimlib-imagex info "$wim" >"$work/info" 2>"$work/error" ||
    die "$wim: wimlib cannot read this file" "$(tail -n 1 "$work/error")"

# The image that boots; a file with one image may not name it.
if [ -z "$image" ]; then
    image=$(sed -n 's/^Boot Index: *//p' "$work/info")
    if [ "${image:-0}" = 0 ]; then
        [ "$(sed -n 's/^Image Count: *//p' "$work/info")" = 1 ] ||
            die "$wim has several images, and none is marked as the one that boots" \
                "Choose one: --image N ($(grep -c '^Index:' "$work/info") images)."
        image=1
    fi
fi
wimlib-imagex info "$wim" "$image" >"$work/info" 2>"$work/error" ||
    die "$wim: there is no image $image in it"

copy() {
    cp -p "$@" || die "the files could not be copied to $(dirname "$work")" "$full"
}

in_image() {
    wimlib-imagex dir "$wim" "$image" --path="$1" >/dev/null 2>&1
}

# take PATH NAME: a file or folder out of the image, times and all, to $work/NAME.
take() {
    mkdir "$work/$2.d"
    wimlib-imagex extract "$wim" "$image" "$1" --dest-dir="$work/$2.d" --no-acls \
        >"$work/out" 2>"$work/error" || {
        local why
        why=$(tail -n 1 "$work/error")
        die "$wim: $1 cannot be copied to $(dirname "$work")" "${why:-$full}"
    }
    mv "$work/$2.d"/* "$work/$2"
}

in_image $system32 ||
    die "$wim, image $image: it has no \\Windows\\System32" "Is this a boot image?"

# The architectures must match: a 64-bit WinPE runs no 32-bit programs.
pe_machine() {
    local header
    header=$(od -An -tu4 -j60 -N4 "$1" | tr -d ' ')
    case $(od -An -tx2 -j$((header + 4)) -N2 "$1" 2>/dev/null | tr -d ' ') in
        8664) echo x64 ;;
        014c) echo x86 ;;
        aa64) echo arm64 ;;
        *) echo unknown ;;
    esac
}
# Which architectures a driver's .inf file is for, by the decorations in [Manufacturer]:
# %Name% = Section, NTamd64, NTamd64.10.0. Without one, it is for x86.
inf_arches() {
    local encoding=latin1
    case $(od -An -tx1 -N4 "$1" | tr -d ' ') in
        fffe* | feff*) encoding=utf-16 ;;
        00??*) encoding=utf-16be ;;
        ??00*) encoding=utf-16le ;;
        efbbbf*) encoding=utf-8 ;;
    esac
    # What is in quotation marks is a name, whatever it contains. A line that ends with a
    # backslash goes on in the next one.
    iconv -f $encoding -t utf-8 "$1" 2>/dev/null | tr -d '\r' | LC_ALL=C awk '
        NR == 1 { sub(/^\357\273\277/, "") }
        { gsub(/"[^"]*"/, ""); sub(/;.*/, ""); gsub(/[ \t]/, ""); line = held tolower($0); held = "" }
        line ~ /\\$/ { held = substr(line, 1, length(line) - 1); next }
        line ~ /^\[/ { inside = line == "[manufacturer]"; next }
        inside && line ~ /=/ {
            count = split(substr(line, index(line, "=") + 1), part, ",")
            if (count == 1) print "x86"
            for (i = 2; i <= count; i++) {
                if (part[i] ~ /^ntamd64/) print "x64"
                else if (part[i] ~ /^ntarm64/) print "arm64"
                else if (part[i] ~ /^ntx86/ || part[i] == "nt" || part[i] ~ /^nt\./) print "x86"
            }
        }' | sort -u
}

case $(sed -n 's/^Architecture: *//p' "$work/info") in
    x86_64) image_arch=x64 ;;
    x86) image_arch=x86 ;;
    ARM64) image_arch=arm64 ;;
    *) image_arch=$arch ;;
esac

# What the image's startnet.cmd was before Lifeboat.
had_startnet=1
if ! in_image $system32/startnet.cmd; then
    had_startnet=''
    printf 'wpeinit\r\n' >"$work/startnet.now"
else
    take $system32/startnet.cmd startnet.now
fi
hook="call %SystemDrive%\\Lifeboat\\start.cmd & $mark"
hooked() {
    cat "$1"
    # A last line without an end would swallow ours.
    [ -z "$(tail -c 1 "$1")" ] || printf '\r\n'
    printf '%s\r\n' "$hook"
}
base=startnet.now
if in_image /Lifeboat/before/startnet.cmd; then
    take /Lifeboat/before/startnet.cmd startnet.kept
    # If it was changed since, the changes stay.
    ! hooked "$work/startnet.kept" | cmp -s - "$work/startnet.now" || base=startnet.kept
elif in_image /Lifeboat/before/no-startnet; then
    had_startnet=''
    base=startnet.none
    printf 'wpeinit\r\n' >"$work/$base"
fi
# Remove Lifeboat's line, that of build.cmd, and the call in an image made manually: it would
# run twice, and --undo would leave a call to a deleted file.
call='^[[:space:]]*@?(call[[:space:]]+)?"?[^"[:space:]]*\\lifeboat\\start\.cmd"?[[:space:]]*$'
copy "$work/$base" "$work/startnet.before"
if LC_ALL=C grep -qaiE -e "$call" -e "$mark" "$work/$base"; then
    LC_ALL=C grep -vaiE -e "$call" -e "$mark" "$work/$base" >"$work/startnet.before" || true
fi

# What somebody put into \Lifeboat stays there. Names differ in letter case only in Unix.
: >"$work/kept"
keep_what_is_there() {
    local path parent
    local -A have=([.]=.)
    while IFS= read -r path; do
        have[${path,,}]=$path
    done < <(cd "$work/Lifeboat" && find . -mindepth 1)
    while IFS= read -r path; do
        case ${path,,} in ./before | ./before/*) continue ;; esac
        [ -z "${have[${path,,}]:-}" ] || continue
        parent=${path%/*}
        have[${path,,}]=${have[${parent,,}]}/${path##*/}
        if [ -d "$work/there/$path" ]; then
            mkdir "$work/Lifeboat/${have[${path,,}]}"
        else
            copy "$work/there/$path" "$work/Lifeboat/${have[${path,,}]}"
            printf '%s\n' "${have[${path,,}]}" >>"$work/kept"
        fi
    done < <(cd "$work/there" && find . -mindepth 1)
}

# settings_lines FILE: key=value of each line, or "!" and what Lifeboat would stop at. It knows
# the plain form of TOML: key = 'value', or "value" with doubled backslashes.
settings_lines() {
    LC_ALL=C awk -v keys=" $known_keys " '
        function wrong(what) { print "!line " NR ": " what; exit }
        { sub(/\r$/, "") }
        NR == 1 { sub(/^\357\273\277/, "") }
        /^[ \t]*(#.*)?$/ { next }
        {
            if (!match($0, /^[ \t]*[A-Za-z0-9_-]+[ \t]*=[ \t]*/)) wrong("this is no setting")
            key = substr($0, 1, RLENGTH); rest = substr($0, RLENGTH + 1)
            gsub(/[ \t=]/, "", key)
            if (!index(keys, " " key " ")) wrong(key " is no setting of Lifeboat")
            if (key in seen) wrong(key " is there twice")
            seen[key] = 1
            quote = substr(rest, 1, 1); value = ""; at = 2
            if (quote != "\047" && quote != "\"") wrong("the value of " key " needs quotes")
            for (; at <= length(rest) && substr(rest, at, 1) != quote; at++) {
                c = substr(rest, at, 1)
                if (quote == "\"" && c == "\\") {
                    c = substr(rest, ++at, 1)
                    if (c != "\\" && c != "\"")
                        wrong("a single backslash in double quotes is not a backslash")
                }
                value = value c
            }
            if (at > length(rest)) wrong("the value of " key " has no quote at its end")
            if (substr(rest, at + 1) !~ /^[ \t]*(#.*)?$/) wrong("there is something behind the value of " key)
            if (value ~ /[\001-\037\177]/) wrong("the value of " key " has a control character")
            if (key == "to" && value ~ /^\\($|[^\\])/) wrong("a share begins with two backslashes")
            print key "=" value
        }' "$1"
}

# Settings that Lifeboat cannot use would stop it in the field. A file that lifeboat.toml names
# beside it has to be in the image too: without its password, Lifeboat cannot log on.
settings_are_sound() {
    local toml=$work/Lifeboat/lifeboat.toml line key file kind
    [ -f "$toml" ] || return 0
    iconv -f utf-8 -t utf-8 "$toml" >/dev/null 2>&1 ||
        die "lifeboat.toml: this is not a text in UTF-8" "Save it as UTF-8."
    settings_lines "$toml" >"$work/settings"
    while IFS= read -r line; do
        case $line in
            !*)
                die "lifeboat.toml: ${line#!}: Lifeboat would not start" \
                    "Write lines such as: to = '\\\\server\\share\\folder'"
                ;;
        esac
        key=${line%%=*}
        file=${line#*=}
        case " $file_keys " in *" $key "*) ;; *) continue ;; esac
        file=${file//\\//}
        # The place of an absolute path is not known here.
        case $file in '' | /* | [A-Za-z]:*) continue ;; esac
        file=${file#./}
        kind=f
        [ "$key" != bitlocker-keys ] || kind=d
        [ -n "$(cd "$work/Lifeboat" && find . -type $kind | grep -ixF "./${file%/}")" ] ||
            die "lifeboat.toml: $key names $file, which would be missing in the image" \
                "Put it into a folder and add that: --add FOLDER"
    done <"$work/settings"
}

was_there=''
commands=$work/commands
: >"$commands"
if in_image /Lifeboat; then
    in_image /Lifeboat/lifeboat.exe ||
        die "$wim, image $image: there is a \\Lifeboat that this script did not make" \
            "Remove it from the image, or rename it there."
    was_there=1
    echo "delete --recursive /Lifeboat" >>"$commands"
    echo "delete --force $system32/lifeboat.cmd" >>"$commands"
elif [ -n "$undo" ]; then
    echo "$wim, image $image: Lifeboat is not in it; nothing to do"
    exit 0
fi

# startnet FILE: becomes the image's startnet.cmd, unless it is that already.
startnet() {
    cmp -s "$1" "$work/startnet.now" && in_image $system32/startnet.cmd && return
    echo "delete --force $system32/startnet.cmd" >>"$commands"
    echo "add $(basename "$1") $system32/startnet.cmd" >>"$commands"
}

if [ -n "$undo" ]; then
    if [ -n "$had_startnet" ]; then
        startnet "$work/startnet.before"
    else
        echo "delete --force $system32/startnet.cmd" >>"$commands"
    fi
else
    if [ -n "$exe_named" ]; then
        [ -f "$exe" ] || die "$exe: there is no such file"
    else
        case $image_arch in x86) built=i686 ;; arm64) built=aarch64 ;; *) built=x86_64 ;; esac
        for exe in "$root/${image_arch:-x64}/lifeboat.exe" \
            "$root/target/windows/$(windows_target $built)/release/lifeboat.exe"; do
            [ ! -f "$exe" ] || break
        done
        [ -f "$exe" ] || die "there is no lifeboat.exe for ${image_arch:-x64} here" \
            "Run scripts/build-windows.sh --arch $built, or give its path: --exe FILE"
    fi
    exe_arch=$(pe_machine "$exe")
    [ "$exe_arch" != unknown ] || die "$exe: this is not a Windows program"
    [ -n "$image_arch" ] ||
        die "$wim, image $image: it does not say its architecture" \
            "Add --arch x64, --arch x86 or --arch arm64."
    [ "$exe_arch" = "$image_arch" ] ||
        die "the boot image is for $image_arch, the program for $exe_arch" \
            "Build the other program, or give its path: --exe FILE"
    [ -z "$settings" ] || [ -f "$settings" ] || die "$settings: there is no such file"
    [ -z "$add" ] || [ -d "$add" ] || die "$add: there is no such folder"
    [ -z "$drivers" ] || [ -d "$drivers" ] || die "$drivers: there is no such folder"
    drivers=${drivers:+${drivers%/}/}

    mkdir -p "$work/Lifeboat/before"
    copy -r "$root/pe-build/image/Lifeboat/." "$work/Lifeboat"
    find "$root/scripts/task-sequence" -maxdepth 1 -type f \( -name '*.cmd' -o -name '*.vbs' \) \
        -print0 >"$work/scripts"
    while IFS= read -r -d '' path; do
        copy "$path" "$work/Lifeboat"
    done <"$work/scripts"
    # Links become what they lead to: Windows does not know them.
    [ -z "$add" ] || copy -rL "$add/." "$work/Lifeboat"
    # loadstate.exe beside it runs in the new Windows, which may have another architecture.
    while IFS= read -r -d '' path; do
        usmt_arch=$(pe_machine "$path")
        [ "$usmt_arch" = "$image_arch" ] || [ "$usmt_arch" = unknown ] ||
            die "the boot image is for $image_arch, USMT's scanstate.exe for $usmt_arch" \
                "Copy the ADK's folder of USMT for $image_arch."
    done < <(find "$work/Lifeboat" -ipath '*/usmt/scanstate.exe' -print0)
    copy "$exe" "$work/Lifeboat/lifeboat.exe"
    [ -z "$settings" ] || copy "$settings" "$work/Lifeboat/lifeboat.toml"
    if [ -n "$drivers" ]; then
        # By the folder: a driver is its .inf and the files beside and below it.
        fitting=0
        while IFS= read -r -d '' inf; do
            arches=$(inf_arches "$inf" | paste -sd ' ')
            case " $arches " in
                *" $image_arch "*) ;;
                *)
                    echo "driver for ${arches:-no known architecture}, not for $image_arch: $inf"
                    continue
                    ;;
            esac
            fitting=$((fitting + 1))
            folder=drivers/${inf#"$drivers"}
            folder=${folder%/*}
            # drvload takes no path of more than 259 characters, which vendors' packages have.
            longest=$(find -L "$(dirname "$inf")" -type f -printf '%P\n' | wc -L)
            if [ $((${#folder} + longest)) -gt 240 ]; then
                folder=drivers/$(printf %s "$folder" | sha256sum | cut -c -12)
                echo "its path is too long for WinPE, it becomes \\Lifeboat\\${folder/\//\\}: $inf"
            fi
            mkdir -p "$work/Lifeboat/$folder"
            copy -rL "$(dirname "$inf")/." "$work/Lifeboat/$folder"
        done < <(find -L "$drivers" -type f -iname '*.inf' -print0 | sort -z)
        [ "$fitting" -gt 0 ] ||
            die "$drivers: no driver (.inf) for $image_arch is in it" \
                "Unpack the vendor's drivers for WinPE of $image_arch there; an .exe or .cab is no driver yet."
        # A driver of another architecture in a subfolder came along: it would only fail.
        while IFS= read -r -d '' inf; do
            case " $(inf_arches "$inf" | tr '\n' ' ')" in
                *" $image_arch "*) ;;
                *) rm "$inf" ;;
            esac
        done < <(find "$work/Lifeboat/drivers" -type f -iname '*.inf' -print0)
        echo "drivers: $fitting for $image_arch"
    fi
    printf '@"%%SystemDrive%%\\Lifeboat\\lifeboat.exe" %%*\r\n' >"$work/lifeboat.cmd"
    if [ -n "$was_there" ]; then
        take /Lifeboat there
        keep_what_is_there
    fi
    settings_are_sound
    # cmd requires CRLF; git and editors may have changed the line endings.
    find "$work/Lifeboat" -name '*.cmd' -exec sed -i 's/\r*$/\r/' {} +

    if [ -z "$start" ]; then
        start=yes
        if in_image $system32/winpeshl.ini; then
            start=no
            echo "winpeshl.ini starts something else in this image: Lifeboat does not start automatically."
        fi
    elif [ "$start" = yes ] && in_image $system32/winpeshl.ini; then
        echo "winpeshl.ini starts something else in this image: startnet.cmd, which gets the call, does"
        echo "  not run unless winpeshl.ini or what it starts runs it."
    fi
    if [ -n "$had_startnet" ]; then
        copy "$work/startnet.before" "$work/Lifeboat/before/startnet.cmd"
    else
        : >"$work/Lifeboat/before/no-startnet"
    fi
    if [ "$start" = yes ]; then
        hooked "$work/startnet.before" >"$work/startnet.new"
        startnet "$work/startnet.new"
    elif [ -n "$had_startnet" ]; then
        startnet "$work/startnet.before"
    fi
    # The same files with the same times: a second run has nothing to do.
    find "$work/Lifeboat" -not -path '*/before/startnet.cmd' -newer "$exe" -exec touch -r "$exe" {} +
    touch -r "$exe" "$work/lifeboat.cmd"
    if [ -n "$was_there" ] && ! grep -q startnet.cmd "$commands"; then
        if diff -r "$work/Lifeboat" "$work/there" >/dev/null; then
            echo "$wim, image $image: it already has this Lifeboat; nothing to do"
            exit 0
        fi
    fi
    echo "add Lifeboat /Lifeboat" >>"$commands"
    echo "add lifeboat.cmd $system32/lifeboat.cmd" >>"$commands"
fi

echo "$wim, image $image:"
if [ -n "$undo" ]; then
    echo "  - \\Lifeboat"
    echo "  - \\Windows\\System32\\lifeboat.cmd"
else
    (cd "$work/Lifeboat" && find . -type f | sort) | while IFS= read -r path; do
        sign=+
        ! grep -qxF "$path" "$work/kept" || sign='='
        printf '  %s \\Lifeboat%s\n' "$sign" "$(printf %s "${path#.}" | tr / '\134')"
    done
    echo "  + \\Windows\\System32\\lifeboat.cmd"
fi
if grep -q startnet.cmd "$commands"; then
    echo "  ~ \\Windows\\System32\\startnet.cmd"
fi
# What PXE and some tools boot is the image's own boot manager. That of a stick or an ISO is
# beside boot.wim: bootmgr.py tells the same of it.
if [ -z "$undo" ] && has python3; then
    names=()
    for path in /Windows/Boot/EFI/bootmgfw.efi /Windows/Boot/EFI_EX/bootmgfw_EX.efi; do
        in_image $path || continue
        name=$(basename $path)
        take $path "$name"
        names+=("$name")
    done
    [ ${#names[@]} -eq 0 ] || (cd "$work" && python3 -B "$root/pe-build/bootmgr.py" "${names[@]}") || true
fi
if [ -n "$dry_run" ]; then
    echo "Nothing was changed (--dry-run)."
    exit 0
fi
# The commands name files of $work by their names: a path may have any quotation mark.
wim_path=$(realpath "$wim")
(cd "$work" && wimlib-imagex update "$wim_path" "$image" <"$commands" >"$work/out" 2>"$work/error") ||
    die "$wim: it could not be changed" "$(tail -n 1 "$work/error")"
wimlib-imagex verify "$wim" >"$work/out" 2>"$work/error" ||
    die "$wim: it is damaged" "$(tail -n 1 "$work/error")"
echo "Done; the file was verified."
