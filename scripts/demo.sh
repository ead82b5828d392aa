#!/usr/bin/env bash
# Shows a real rescue from beginning to end: a disk image with two NTFS volumes as a
# failed re-image leaves them, a real Samba server on a loopback port, and stock zstd,
# tar and sha256sum to check the result.
#
#   demo.sh             set up, build, show
#   demo.sh --keep      also keep the scratch folder (image, share, restored files)
#
# Runs as root or not, with a terminal or without. It leaves no process running.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"

keep=''
case ${1:-} in
    '') ;;
    --keep) keep=1 ;;
    *) die "unknown argument: $1" "demo.sh [--keep]" ;;
esac

"$root/scripts/setup.sh" demo
if [ ! -x "$root/target/release/lifeboat" ]; then
    echo "demo: building lifeboat (takes a few minutes the first time)"
fi
quiet=--quiet
[ ! -t 2 ] || quiet=--color=auto
(cd "$root" && cargo build $quiet --locked --release -p lifeboat -p lifeboat-maker)

here=$(mktemp -d "${TMPDIR:-/tmp}/lifeboat-demo.XXXXXX")
mounted=()
clean_up() {
    local mount
    trap - EXIT INT TERM
    for mount in "${mounted[@]}"; do
        fusermount -u "$mount" 2>/dev/null || true
    done
    stop_samba
    if [ -n "$keep" ]; then
        echo "kept: $here"
    else
        rm -rf "$here"
    fi
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# The commands are run as they are shown: short names, from the scratch folder.
mkdir "$here/bin"
ln -s "$root/target/release/lifeboat" "$root/target/release/lifeboat-maker" "$here/bin/"
export PATH=$here/bin:$PATH
cd "$here"

title() {
    printf '\n%s# %s%s\n' "$dim" "$1" "$plain"
}

# Shows a command line, a long one in pieces, then runs it.
show() {
    local text=$1
    [ ${#text} -le 96 ] || text=${text// --/ $'\\\n'    --}
    printf '%s$ %s%s\n' "$bold" "$text" "$plain"
    bash -o pipefail -c "$1"
}

# --- A disk after a failed re-image -----------------------------------------
title "A PC's disk after a failed re-image: everything was wiped except the stores"
image=disk.img
if can_mount; then
    show "lifeboat-maker demo $image"
else
    echo "NTFS cannot be mounted here (no /dev/fuse): using the committed image"
    cp "$root/tests/fixtures/hardlink-two.img.zst" .
    show "zstd -q -d hardlink-two.img.zst -o $image"
fi
chmod a-w $image
show "sha256sum $image | tee disk.sha256"

title "Find the stores"
show "lifeboat detect $image"

title "Verify the store"
show "lifeboat verify $image --level full"

# --- A share ----------------------------------------------------------------
title "A Samba server on a loopback port, with a user and a password"
start_samba
(umask 077 && echo "$password" >password.txt)
share=smb://tech@127.0.0.1:$port/share/rescue
echo "$share is up: Samba $(smbd --version | sed 's/^Version //'), user tech"

# --- The rescue ---------------------------------------------------------------
title "Save the store to the share"
show "lifeboat offload $image --to $share --password-file password.txt"
set -- share/rescue/*/rescue.json
if [ $# != 1 ] || [ ! -f "$1" ]; then
    die "there should be one rescue set on the share" "$(ls -R share)"
fi
name=$(basename "$(dirname "$1")")

title "List the set on the share"
show "lifeboat list $share/$name --password-file password.txt | sed -n 1,12p"
show "ls -l share/rescue/$name"

title "Verify every byte of the set"
show "lifeboat verify $share/$name --level full --password-file password.txt"

mkdir -p restored
if can_mount; then
    title "Restore it, from the share to fresh NTFS volumes (made and mounted by ntfs-3g)"
    for drive in C D; do
        mkdir restored/$drive
        truncate -s 1G new-$drive.img
        mkntfs -F -Q -q -L "New $drive" new-$drive.img >mkntfs.log 2>&1 ||
            die "mkntfs failed" "$(tail -n 3 mkntfs.log)"
        ntfs-3g -o streams_interface=xattr,permissions,compression,efs_raw,show_sys_files \
            new-$drive.img restored/$drive 2>/dev/null
        mounted+=("$here/restored/$drive")
    done
    show "lifeboat restore $share/$name --to C=restored/C --to D=restored/D --password-file password.txt"
else
    title "Restore it, from the share to a folder; what only NTFS can keep is a listed loss"
    result=0
    show "lifeboat restore $share/$name --to restored --password-file password.txt" || result=$?
    echo "(exit code $result: done with losses)"
    [ $result = 3 ] || exit 1
fi

# --- Witnesses ----------------------------------------------------------------
title "Read the set without Lifeboat: sha256sum, zstd and tar alone"
show "cd share/rescue/$name && sha256sum -c SHA256SUMS"
mkdir unpacked
show "zstd -dc share/rescue/$name/store.tar.zst | tar -x --warning=no-unknown-keyword -C unpacked"
show "zstd -dc share/rescue/$name/store.tar.zst | tar -t --warning=no-unknown-keyword | sed -n 1,5p"

# The files of a folder by SHA-256 and path, sorted. A named stream, which tar
# unpacks as a file `name:stream`, is none.
sums() {
    (cd "$1" && find . -type f ! -name '*:*' -print0 | sort -z | xargs -0r sha256sum)
}

title "Compare the files with the disk, read by another NTFS reader"
if can_mount; then
    # Each partition is cut out and mounted read-only by ntfs-3g.
    sfdisk -q -l -o Start,Sectors $image | tail -n +2 | nl >partitions
    while read -r number start sectors; do
        dd if=$image of="part$number.img" bs=512 skip="$start" count="$sectors" conv=sparse status=none
        mkdir -p "mount$number"
        if ntfs-3g -o ro "part$number.img" "mount$number" 2>/dev/null; then
            mounted+=("$here/mount$number")
            (cd "mount$number/" && find . -type d -name USMT -prune) >stores
            while read -r store; do
                sums "mount$number/$store" >"disk-$number.sums"
                echo "partition $number: $(wc -l <"disk-$number.sums") files in $store, as ntfs-3g reads them"
            done <stores
        fi
    done <partitions
fi
for drive in restored/*/; do
    drive=$(basename "$drive")
    store=$(cd "restored/$drive" && find . -type d -name USMT -prune | head -n 1)
    sums "restored/$drive/$store" >restored.sums
    sums "unpacked/$drive/$store" >unpacked.sums
    cmp -s restored.sums unpacked.sums || die "drive $drive: restored and unpacked files differ" \
        "$(diff restored.sums unpacked.sums | head -n 5)"
    if can_mount; then
        match=''
        for sums in disk-*.sums; do
            ! cmp -s "$sums" restored.sums || match=$sums
        done
        [ -n "$match" ] || die "drive $drive: the restored files are those of no partition" \
            "$(diff --from-file=restored.sums disk-*.sums | head -n 5)"
        match=${match#disk-}
        echo "drive $drive: $(wc -l <restored.sums) files, restored and unpacked, the same as on partition ${match%.sums}"
    else
        echo "drive $drive: $(wc -l <restored.sums) files, restored and unpacked are the same" \
            "(NTFS cannot be mounted here to compare with the disk)"
    fi
done

title "Check that the disk is unchanged"
show "sha256sum -c disk.sha256"

title "Done. A wiped disk was searched. Its store was verified, saved over SMB, verified
# there, restored, and unpacked with stock tools. Every file is the same, and not one
# byte of the disk changed."
