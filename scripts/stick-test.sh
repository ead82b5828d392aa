#!/usr/bin/env bash
# Boots the stick in QEMU and rescues with it, over the serial console: by BIOS from an
# NVMe disk, by the guided rescue to a FAT32 disk and by command to a real Samba server;
# the disk's controller loses its driver, and gets it back; the power fails in the middle
# of a copy; then by UEFI with Secure Boot: the copy is resumed, and a BitLocker disk is
# saved with the settings on the stick. At the end every set is verified and compared with
# one made on this machine, and every disk's hash is what it was.
#
#   stick-test.sh                  makes a stick by stick.sh, and tests it
#   stick-test.sh --stick FILE     tests this one (an .img or .iso)
#   --iso FILE                     boots this .iso, too, from a CD drive by UEFI
#   --program FILE                 the Linux program [default: target/release/lifeboat, or
#                                  target/debug/lifeboat]
#   --maker FILE                   lifeboat-maker [default: beside the program]
#   --keep                         keeps the scratch folder
#   STICK_PATIENCE=N               waits N times as long for the PC, on a busy machine
#
#   STICK_ACCEL=kvm                uses KVM
#
# Without KVM it takes some minutes. What the test needs: qemu-system-x86, ovmf, tmux,
# samba, mtools, and /dev/fuse for lifeboat-maker.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"

stick='' iso='' program='' maker='' keep=''
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;;
        --keep) keep=1; shift; continue ;;
        --stick | --iso | --program | --maker)
            [ $# -ge 2 ] || die "$1 requires a value" "stick-test.sh --help"
            case $1 in
                --stick) stick=$2 ;;
                --iso) iso=$2 ;;
                --program) program=$2 ;;
                --maker) maker=$2 ;;
            esac
            shift 2
            ;;
        *) die "unknown argument: $1" "stick-test.sh --help" ;;
    esac
done
for file in "$program" "$root/target/release/lifeboat" "$root/target/debug/lifeboat"; do
    [ -z "$file" ] || [ ! -x "$file" ] || break
done
program=$file
[ -x "$program" ] || die "there is no Linux program here" "Run cargo build --release, or give its path: --program FILE"
[ -n "$maker" ] || maker=$(dirname "$program")/lifeboat-maker
[ -x "$maker" ] || die "$maker: there is no such program" "cargo build --release -p lifeboat-maker"
for file in "$stick" "$iso"; do
    [ -z "$file" ] || [ -f "$file" ] || die "$file: there is no such file"
done
[ -z "$iso" ] || iso=$(realpath "$iso")
needs=()
need() { has "$1" || needs+=("$2"); }
need qemu-system-x86_64 qemu-system-x86
need tmux tmux
need smbd samba
need pdbedit samba-common-bin
need mcopy mtools
need mkfs.vfat dosfstools
need zstd zstd
code=/usr/share/OVMF/OVMF_CODE_4M.ms.fd
[ -f $code ] || needs+=(ovmf)
[ ${#needs[@]} = 0 ] || die "these packages are missing: ${needs[*]}" "apt-get install ${needs[*]}"
# A machine that is busy with other things needs more: all times are multiplied.
patience=${STICK_PATIENCE:-1}
program=$(realpath "$program")
maker=$(realpath "$maker")

here=$(mktemp -d "${TMPDIR:-/tmp}/lifeboat-stick-test.XXXXXX")
screen() { tmux -S "$here/tmux" "$@"; }
clean_up() {
    trap - EXIT INT TERM
    [ ! -s "$here/qemu.pid" ] || kill "$(cat "$here/qemu.pid")" 2>/dev/null || true
    screen kill-server 2>/dev/null || true
    stop_samba
    if [ -n "$keep" ]; then echo "kept: $here"; else rm -rf "$here"; fi
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
step() { printf '%s%4d s  %s%s\n' "$bold" "$SECONDS" "$1" "$plain"; }

# --- Disks ----------------------------------------------------------------------
cd "$here"
if [ -z "$stick" ]; then
    step "making the stick"
    "$root/scripts/stick.sh" stick.img --program "$program"
else
    cp --sparse=always "$stick" stick.img
fi
step "disks: wiped but for their stores"
zstd -qdc "$root/tests/fixtures/hardlink-one.img.zst" >one.img
"$maker" bitlocker one.img locked.img >/dev/null
"$maker" demo big.img --megabytes 60 >/dev/null
truncate -s 700M usb.img
mkfs.vfat -F 32 -n SAVEHERE usb.img >/dev/null
sha256sum one.img locked.img big.img >disks.sha256
# The truth: sets made here.
for name in one locked big; do
    result=0
    "$program" offload $name.img --to "truth-$name" >truth-$name.log 2>&1 || result=$?
    echo $result >truth-$name.code
    [ $result = 0 ] || [ $result = 3 ] || die "the program cannot save $name.img here" "$(tail -n 3 truth-$name.log)"
done

# --- A Samba server -------------------------------------------------------------
start_samba
share=smb://tech@10.0.2.2:$port/share/rescue

# What is put on the stick's own partition, as a technician would.
case $(od -An -tx1 -j$((0x8001)) -N5 stick.img | tr -d ' ') in
    4344303031) at=$(($(sfdisk -q -l -o Start stick.img | tail -n 1) * 512)) ;; # an ISO: its last partition
    *) at=1M ;;
esac
on_stick() { mcopy -o -Q -i "stick.img@@$at" "$@"; }
printf '%s\n' "$password" >password.txt
on_stick password.txt ::/password.txt

# --- A PC --------------------------------------------------------------------------
# boot ARGUMENTS...: a PC with the stick, or the CD if cd is set, and the USB disk; its
# serial console is a window of tmux, which is the terminal.
cd=''
boot() {
    rm -f qemu.pid
    local medium=(-drive "if=none,id=stick,file=$here/stick.img,format=raw"
        -device "usb-storage,bus=xhci.0,drive=stick,bootindex=0")
    [ -z "$cd" ] || medium=(-drive "if=none,id=cd,file=$cd,format=raw,media=cdrom,readonly=on"
        -device "ide-cd,drive=cd,bus=ide.2,bootindex=0")
    # A KVM inside a virtual machine can be slower than none: only if it is asked for.
    local line=(qemu-system-x86_64 -accel "${STICK_ACCEL:-tcg}" -m 1024 -display none -pidfile "$here/qemu.pid"
        -chardev "stdio,id=serial,signal=off" -serial chardev:serial
        -monitor "unix:$here/monitor,server,nowait" -nic "user,model=e1000e"
        -device "qemu-xhci,id=xhci" "${medium[@]}"
        -drive "if=none,id=usb,file=$here/usb.img,format=raw,throttling.bps-write=3000000"
        -device "usb-storage,bus=xhci.0,drive=usb,removable=on" "$@")
    screen -f /dev/null new-session -d -s pc -x 80 -y 24 "$(printf '%q ' "${line[@]}") 2>qemu.err"
}
page() { screen capture-pane -p -t pc 2>/dev/null; }
# wait_for SECONDS PATTERN: until the terminal shows it.
wait_for() {
    local end=$((SECONDS + $1 * patience))
    until page | grep -q -- "$2"; do
        if [ $SECONDS -ge $end ] || ! screen has-session -t pc 2>/dev/null; then
            page >&2 || true
            cat qemu.err >&2
            die "the PC did not show: $2"
        fi
        sleep 1
    done
}
key() { screen send-keys -t pc "$@"; }
# in_shell SECONDS LINE CODE: in the shell on the PC.
commands=0
in_shell() {
    # Each end has a number: the screen may still show the one before.
    commands=$((commands + 1))
    key -l "clear; $2; echo \"end $commands: \$?\""
    key Enter
    wait_for "$1" "^end $commands: [0-9]"
    page | grep -q "^end $commands: $3\$" || { page >&2; die "on the PC: $2: not exit code $3"; }
}

# --- By BIOS: the guided rescue, a share, and the power fails ---------------------
step "boot by BIOS: NVMe disk, FAT32 disk on USB"
boot -machine q35 -device pcie-root-port,id=hot,chassis=1,slot=1 \
    -drive "if=none,id=one,file=$here/one.img,format=raw" -device nvme,drive=one,serial=one
wait_for 300 'press Enter to use this console'
key Enter
wait_for 120 '2 of 5'
page | grep -q 'Found 1 store' || { page >&2; die "the store was not found"; }
step "guided rescue to the USB disk"
key Enter
wait_for 60 '> /media/sd.*/rescue'
key Enter
wait_for 60 'SAVE NOW'
key Enter
wait_for 120 '^ Saved'
key Enter
wait_for 30 'P  power off'
page | grep -q 'by BIOS' || die "it says nothing of BIOS"
page | grep -q 'eth0: 10\.0\.2\.15' || { page >&2; die "it does not say which address it has"; }
key s Enter
wait_for 20 'Type exit'
step "the disk's health; then its controller loses its driver"
in_shell 60 "lifeboat detect --json | grep -c '\"health\":\"good\",\"health_from\":\"smartctl\"'" 0
# shellcheck disable=SC2016 # for the shell on the PC
in_shell 10 'nvme=$(ls -d /sys/bus/pci/drivers/nvme/0000:* | head -n 1); nvme=${nvme##*/}; echo $nvme >/sys/bus/pci/drivers/nvme/unbind' 0
in_shell 60 'lifeboat detect >/tmp/detect 2>&1' 3
in_shell 10 "grep -q 'NVMe controller 1b36:0010 .*$' /tmp/detect && grep -q 'a disk of this PC is not seen' /tmp/detect" 0
# shellcheck disable=SC2016 # for the shell on the PC
in_shell 60 'echo $nvme >/sys/bus/pci/drivers/nvme/bind; until [ -b /dev/nvme0n1 ]; do sleep 1; done; lifeboat detect >/dev/null' 0
step "a command, to the Samba server"
in_shell 120 "lifeboat offload /dev/nvme0n1 --to $share --password-file /stick/password.txt" 0
in_shell 10 'keyboard de' 0
in_shell 10 'keyboard nonsense' 1
step "a larger disk is plugged in, and the power fails in the middle of its rescue"
python3 - "$here/monitor" "drive_add 0 if=none,id=big,file=$here/big.img,format=raw" \
    "device_add nvme,drive=big,serial=big,bus=hot" <<'END'
import socket, sys, time
monitor = socket.socket(socket.AF_UNIX)
monitor.connect(sys.argv[1])
for line in sys.argv[2:]:
    monitor.sendall(line.encode() + b"\n")
    time.sleep(1)
END
in_shell 60 'until [ -b /dev/nvme1n1 ]; do sleep 1; done' 0
key -l 'clear; lifeboat offload /dev/nvme1n1 --to /media/sd*/rescue'
key Enter
# Percents are shown from the search on: it is in the copy when the set is begun on the disk.
begun() { mdir -b -i usb.img ::/rescue 2>/dev/null | tr -d '\r' | grep -q '\.partial/\?$'; }
for ((end = SECONDS + 180 * patience; SECONDS < end; )); do
    ! begun || break
    sleep 1
done
begun || { page >&2; die "no set was begun"; }
sleep 5
! page | grep -q '^Saved' || die "the rescue had ended before the power failed: the disk is too small"
kill -9 "$(cat qemu.pid)"
screen kill-server 2>/dev/null || true
mdir -b -i usb.img ::/rescue | tr -d '\r' >left
grep -q '\.partial/\?$' left || die "no unfinished set was left" "$(cat left)"

# --- By UEFI with Secure Boot: resumed ---------------------------------------------
printf "to = '%s'\npassword-file = 'password.txt'\n" "$share" >lifeboat.toml
echo de >keyboard.txt
on_stick lifeboat.toml ::/lifeboat.toml
on_stick keyboard.txt ::/keyboard.txt
cp "${code%CODE_4M.ms.fd}VARS_4M.ms.fd" vars.fd
step "boot by UEFI with Secure Boot: two SATA disks, one with BitLocker suspended"
boot -machine q35,smm=on -global driver=cfi.pflash01,property=secure,value=on \
    -drive "if=pflash,unit=0,readonly=on,format=raw,file=$code" \
    -drive "if=pflash,unit=1,format=raw,file=$here/vars.fd" \
    -drive "if=none,id=big,file=$here/big.img,format=raw" -device ide-hd,drive=big,bus=ide.0 \
    -drive "if=none,id=locked,file=$here/locked.img,format=raw" -device ide-hd,drive=locked,bus=ide.1
wait_for 400 'press Enter to use this console'
key Enter
wait_for 180 '2 of 5'
key Escape
wait_for 20 'Leave?'
key l
wait_for 30 'P  power off'
page | grep -q 'Secure Boot is on' || { page >&2; die "Secure Boot is not on"; }
page | grep -q 'with lifeboat.toml' || { page >&2; die "the settings on the stick were not found"; }
key s Enter
wait_for 20 'Type exit'
# The names of SATA disks depend on who answers first.
disk() { # FILE
    # shellcheck disable=SC2016 # for the shell on the PC
    printf '$(grep -lx %d /sys/block/sd*/size | cut -d/ -f4 | sed s,^,/dev/,)' $(($(stat -c %s "$1") / 512))
}
step "resume"
in_shell 400 "lifeboat offload $(disk big.img) --to /media/sd*/rescue >/tmp/out 2>&1 || { code=\$?; tail -n 18 /tmp/out; (exit \$code); }" \
    "$(cat truth-big.code)"
in_shell 10 'grep -i resum /tmp/out' 0
step "the BitLocker disk, to the share of lifeboat.toml"
in_shell 200 "lifeboat offload $(disk locked.img)" "$(cat truth-locked.code)"
in_shell 10 'ls /stick/logs/*.log' 0
step "power off"
key -l 'exit'
key Enter
key p Enter
for attempt in {1..60}; do
    screen has-session -t pc 2>/dev/null || break
    [ "$attempt" -lt 60 ] || die "the PC did not switch itself off"
    sleep 1
done

# --- The ISO in a CD drive ----------------------------------------------------------
if [ -n "$iso" ]; then
    step "boot the ISO from a CD drive by UEFI with Secure Boot"
    cd=$iso
    cp "${code%CODE_4M.ms.fd}VARS_4M.ms.fd" vars.fd
    boot -machine q35,smm=on -global driver=cfi.pflash01,property=secure,value=on \
        -drive "if=pflash,unit=0,readonly=on,format=raw,file=$code" \
        -drive "if=pflash,unit=1,format=raw,file=$here/vars.fd" \
        -drive "if=none,id=one,file=$here/one.img,format=raw" -device ide-hd,drive=one,bus=ide.0
    wait_for 400 'press Enter to use this console'
    key Enter
    wait_for 180 '2 of 5'
    page | grep -q 'Found 1 store' || { page >&2; die "the store was not found"; }
    key Escape
    wait_for 20 'Leave?'
    key l
    wait_for 30 'P  power off'
    page | grep -q 'Secure Boot is on' || { page >&2; die "Secure Boot is not on"; }
    kill "$(cat qemu.pid)"
    screen kill-server 2>/dev/null || true
fi

# --- Judgement --------------------------------------------------------------------
step "every set against the truth"
mcopy -Q -s -i usb.img ::/rescue usb-rescue
# Each file by path, SHA-256, times, permissions, streams. The first frame of the data has the
# set's own id, so that two sets never have all bytes the same.
members() { # SET
    zstd -qdc "$1"manifest.jsonl.zst | grep '"type":"member"' | sha256sum
}
compare() { # FOLDER DISK...
    local folder=$1 disk set truth
    shift
    [ "$(find "$folder" -name rescue.json | wc -l)" = $# ] || die "$folder: not $# sets" "$(ls -R "$folder")"
    for set in "$folder"/*/; do
        "$program" verify "$set" --level full >verify.log 2>&1 || die "$set is not intact" "$(cat verify.log)"
    done
    for disk in "$@"; do
        truth=$(members "truth-$disk"/*/)
        for set in "$folder"/*/; do
            [ "$(members "$set")" != "$truth" ] || continue 2
        done
        die "no set in $folder has the files of $disk.img"
    done
}
compare usb-rescue one big
compare share/rescue one locked
mdir -b -i "stick.img@@$at" ::/logs | grep -q '\.log' || die "the stick kept no log"
step "every disk is what it was"
sha256sum -c disks.sha256
step "passed"
