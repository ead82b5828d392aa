#!/usr/bin/env bash
# Measures what BitLocker costs: saves a folder from an encrypted volume and from the same
# volume without encryption, by turns, and prints how much of the speed is left.
#
#   benches/bitlocker.sh [MIB [FILES [ROUNDS]]]      (1024, 10000 and 5 if not given)
#
# Requires mkntfs, ntfs-3g, python3 and cargo. LIFEBOAT is the program (target/release/lifeboat
# if not given). Source and destinations are in TMPDIR: with /dev/shm, no disk is involved.
# Prints a Markdown table.
set -euo pipefail

mib=${1:-1024}
files=${2:-10000}
rounds=${3:-5}
here=$(realpath "$(dirname "$0")")
lifeboat=$(realpath "${LIFEBOAT:-$here/../target/release/lifeboat}")
work=$(mktemp -d)
mounted=
cleanup() {
    [ -z "$mounted" ] || fusermount -u "$work/mnt" || true
    rm -rf "$work"
}
trap cleanup EXIT

mkdir "$work/mnt"
truncate -s "$((mib * 5 / 4 + 256))M" "$work/plain.img"
mkntfs -F -Q -q -L Bench "$work/plain.img" >/dev/null 2>&1
ntfs-3g "$work/plain.img" "$work/mnt"
mounted=1
python3 "$here/mixed.py" "$work/mnt" "$mib" "$files"
fusermount -u "$work/mnt"
mounted=
cargo run --quiet --release -p lifeboat-maker -- bitlocker "$work/plain.img" "$work/encrypted.img"

echo "$files files, $mib MiB, $(nproc) cores, source and targets in $(df --output=fstype "$work" | tail -1); $(uptime | sed 's/.*load/load/')"
for level in 1 3; do
    for _ in $(seq "$rounds"); do
        for volume in plain encrypted; do
            mkdir "$work/out"
            figures=$(python3 "$here/measured.py" "$lifeboat" offload "$work/$volume.img" --path '\' \
                --to "$work/out" --level "$level" --quiet)
            echo "$level $volume $figures" >>"$work/figures"
            sha256sum <"$(echo "$work"/out/*/store.tar.zst)" >"$work/$volume.$level"
            rm -rf "$work/out"
        done
    done
    # The same bytes are in both sets.
    cmp "$work/plain.$level" "$work/encrypted.$level"
done
echo
echo "| what | s | MiB/s | processor, s | speed |"
echo "|---|---|---|---|---|"
awk -v mib="$mib" '
    { what = $1 " " $2; if (!(what in s) || $3 < s[what]) { s[what] = $3; cpu[what] = $4 } }
    END {
        for (level = 1; level <= 3; level += 2)
            for (i = 1; i <= 2; i++) {
                volume = i == 1 ? "plain" : "encrypted"
                what = level " " volume
                printf "| %s, level %d | %.2f | %.0f | %.2f | %.2f |\n", volume, level,
                    s[what], mib / s[what], cpu[what], s[level " plain"] / s[what]
            }
    }' "$work/figures"
