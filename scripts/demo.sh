#!/usr/bin/env bash
# Shows a rescue from beginning to end, with nothing staged: a disk image with
# two NTFS volumes as a failed re-image leaves them, a real Samba server on a
# loopback port, and stock zstd, tar and sha256sum as witnesses.
#
#   demo.sh             set up, build, show
#   demo.sh --keep      and leave the scratch folder (image, share, restored files)
#
# Runs as root or not, with a terminal or without. Nothing is left running.
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
    echo "demo: building lifeboat, which takes some minutes the first time"
fi
quiet=--quiet
[ ! -t 2 ] || quiet=--color=auto
(cd "$root" && cargo build $quiet --locked --release -p lifeboat -p lifeboat-maker)

here=$(mktemp -d "${TMPDIR:-/tmp}/lifeboat-demo.XXXXXX")
smbd_pid=''
mounted=()
clean_up() {
    local mount
    trap - EXIT INT TERM
    for mount in "${mounted[@]}"; do
        fusermount -u "$mount" 2>/dev/null || true
    done
    if [ -n "$smbd_pid" ]; then
        kill "$smbd_pid" 2>/dev/null || true
        wait "$smbd_pid" 2>/dev/null || true
    fi
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

# Shows a command line, then runs it.
show() {
    printf '%s$ %s%s\n' "$bold" "$*" "$plain"
    bash -o pipefail -c "$*"
}

# --- A disk after a failed re-image -----------------------------------------
title "A PC's disk after a failed re-image: everything was wiped but the stores"
image=disk.img
if can_mount; then
    show "lifeboat-maker demo $image"
else
    echo "NTFS cannot be mounted here (no /dev/fuse), so the committed image is taken"
    show "zstd -q -d $root/tests/fixtures/hardlink-two.img.zst -o $image"
fi
chmod a-w $image
show "sha256sum $image | tee disk.sha256"

title "What is on it?"
show "lifeboat detect $image"

title "In which state?"
show "lifeboat verify $image --level full"

# --- A share ----------------------------------------------------------------
title "A Samba server on a loopback port, with a user and a password"
password=$(od -An -N12 -tx1 /dev/urandom | tr -d ' \n')
while
    port=$((20000 + RANDOM % 40000))
    (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null
do :; done
mkdir -p share/rescue samba/{private,state,cache,lock,pid,ncalrpc,log}
umask 077
echo "$password" >password.txt
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
CONF
printf '%s\n%s\n' "$password" "$password" |
    pdbedit -s samba/smb.conf -t -a -u "$(id -un)" >/dev/null
smbd -s samba/smb.conf -F --no-process-group -l samba/log </dev/null >samba/log/out 2>&1 &
smbd_pid=$!
for attempt in {1..100}; do
    ! (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
    kill -0 $smbd_pid 2>/dev/null || die "smbd ended at once" "$(tail -n 5 samba/log/out samba/log/smbd.log 2>&1)"
    [ "$attempt" -lt 100 ] || die "smbd does not answer on port $port" "$(tail -n 5 samba/log/smbd.log 2>&1)"
    sleep 0.1
done
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

title "What arrived?"
show "lifeboat list $share/$name --password-file password.txt | sed -n 1,12p"
show "ls -l share/rescue/$name"

title "Is every byte of it right?"
show "lifeboat verify $share/$name --level full --password-file password.txt"

title "Put it back, from the share"
show "lifeboat restore $share/$name --to restored --password-file password.txt"

# --- Witnesses ----------------------------------------------------------------
title "Nobody needs Lifeboat to get at the files: sha256sum, zstd and tar alone"
show "cd share/rescue/$name && sha256sum -c SHA256SUMS"
mkdir unpacked
show "zstd -dc share/rescue/$name/store.tar.zst | tar -x -C unpacked"
show "zstd -dc share/rescue/$name/store.tar.zst | tar -t | sed -n 1,5p"

# The files of a folder by SHA-256 and path, sorted.
sums() {
    (cd "$1" && find . -type f -print0 | sort -z | xargs -0r sha256sum)
}

title "The same files as on the disk, by another NTFS reader?"
drives=()
for folder in restored/*/; do
    drives+=("$(basename "$folder")")
done
if can_mount; then
    # Each partition cut out, mounted read-only by ntfs-3g; the restored drives
    # are found again by the path of their store.
    sfdisk -q -l -o Start,Sectors $image | tail -n +2 | nl >partitions
    while read -r number start sectors; do
        dd if=$image of="part$number.img" bs=512 skip="$start" count="$sectors" conv=sparse status=none
        mkdir -p "mount$number"
        if ntfs-3g -o ro "part$number.img" "mount$number" 2>/dev/null; then
            mounted+=("$here/mount$number")
            echo "partition $number: NTFS, mounted read-only by ntfs-3g"
        fi
    done <partitions
    for drive in "${drives[@]}"; do
        store=$(cd "restored/$drive" && find . -type d -name USMT -prune | head -n 1)
        sums "restored/$drive/$store" >"restored-$drive.sums"
        sums "unpacked/$drive/$store" >"unpacked-$drive.sums"
        found=''
        for mount in mount*; do
            [ -d "$mount/$store" ] || continue
            sums "$mount/$store" >"disk-$drive.sums"
            if cmp -s "disk-$drive.sums" "restored-$drive.sums" &&
                cmp -s "disk-$drive.sums" "unpacked-$drive.sums"; then
                found=$mount
                break
            fi
        done
        [ -n "$found" ] || die "the files restored for drive $drive: are not those on the disk" \
            "$(diff "disk-$drive.sums" "restored-$drive.sums" 2>&1 | head -n 5)"
        echo "drive $drive: $(wc -l <"restored-$drive.sums") files, all as on the disk, restored and unpacked"
    done
else
    for drive in "${drives[@]}"; do
        cmp <(sums "restored/$drive") <(sums "unpacked/$drive") ||
            die "restored and unpacked files differ on drive $drive:"
        echo "drive $drive: $(find "restored/$drive" -type f | wc -l) files, restored and unpacked alike" \
            "(no mount here to compare with the disk)"
    done
fi

title "And the disk?"
show "sha256sum -c disk.sha256"

title "Shown: a wiped disk was searched, its store checked, saved over SMB, checked
# there, put back, and unpacked with stock tools; every file is the same, and not
# one byte of the disk was changed."
