#!/usr/bin/env bash
# Measures how fast a folder is saved from an NTFS volume: compares lifeboat with the
# usual tools, on the same image, one after the other.
#
#   benches/offload.sh [MIB [FILES]]      (2048 and 20000 if not given)
#
# Requires mkntfs, ntfs-3g, zstd, python3 and cargo; measures wimcapture, restic and
# borg if they are installed. LIFEBOAT is the program (target/release/lifeboat if not
# given). Source and destinations are in TMPDIR: with /dev/shm, no disk is involved.
# Prints a Markdown table.
set -euo pipefail

mib=${1:-2048}
files=${2:-20000}
lifeboat=${LIFEBOAT:-$(dirname "$0")/../target/release/lifeboat}
lifeboat=$(realpath "$lifeboat")
work=$(mktemp -d)
mounted=
cleanup() {
    [ -z "$mounted" ] || fusermount -u "$work/mnt" || true
    rm -rf "$work"
}
trap cleanup EXIT

here=$(realpath "$(dirname "$0")")

mkdir "$work/mnt" "$work/out"
truncate -s "$((mib * 5 / 4 + 256))M" "$work/disk.img"
mkntfs -F -Q -q -L Bench "$work/disk.img" >/dev/null 2>&1
ntfs-3g "$work/disk.img" "$work/mnt"
mounted=1
python3 "$here/mixed.py" "$work/mnt" "$mib" "$files"
fusermount -u "$work/mnt"
mounted=
ntfs-3g -o ro "$work/disk.img" "$work/mnt"
mounted=1

size() { du -sb "$1" | cut -f1; }
row() { # name, size in bytes, figures
    local seconds cpu peak
    read -r seconds cpu peak <<<"$3"
    awk -v name="$1" -v size="$2" -v s="$seconds" -v c="$cpu" -v p="$peak" -v mib="$mib" \
        'BEGIN { printf "| %s | %.1f | %.0f | %.1f | %.0f | %d |\n", name, s, mib / s, c, size / 1048576, p }'
}
run() { nice -n 10 python3 "$here/measured.py" "$@"; }

echo "$files files, $mib MiB, $(nproc) cores, source and targets in $(df --output=fstype "$work" | tail -1); $(uptime | sed 's/.*load/load/')"
echo
echo "| what | s | MiB/s | cpu s | size, MiB | peak, MiB |"
echo "|---|---|---|---|---|---|"

for level in 1 3; do
    for more in "" --no-read-back; do
        rm -rf "$work/out"; mkdir "$work/out"
        figures=$(run "$lifeboat" offload "$work/disk.img" --path '\' --to "$work/out" --level "$level" --quiet $more)
        row "\`lifeboat offload --level $level${more:+ $more}\`" "$(size "$work/out")" "$figures"
    done
done
rm -rf "$work/out"; mkdir "$work/out"
figures=$(run bash -c "tar -C '$work/mnt' -cf - . | zstd -q -1 -T2 -o '$work/out/x.tar.zst'")
row "\`tar \\| zstd -1 -T2\` over ntfs-3g" "$(size "$work/out")" "$figures"
if command -v wimcapture >/dev/null; then
    rm -rf "$work/out"; mkdir "$work/out"
    figures=$(run wimcapture "$work/disk.img" "$work/out/x.wim")
    row "\`wimcapture\` from the volume" "$(size "$work/out")" "$figures"
fi
if command -v restic >/dev/null; then
    rm -rf "$work/out"; mkdir "$work/out"
    export RESTIC_PASSWORD=x RESTIC_CACHE_DIR="$work/cache"
    restic -q init -r "$work/out/r" >/dev/null
    figures=$(run restic -q backup -r "$work/out/r" "$work/mnt")
    row "\`restic backup\` over ntfs-3g" "$(size "$work/out")" "$figures"
fi
if command -v borg >/dev/null; then
    rm -rf "$work/out"; mkdir "$work/out"
    export BORG_BASE_DIR="$work/borg" BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes
    borg init -e none "$work/out/b" 2>/dev/null
    figures=$(run borg create -C zstd,1 "$work/out/b::x" "$work/mnt")
    row "\`borg create -C zstd,1\` over ntfs-3g" "$(size "$work/out")" "$figures"
fi
# What no program can beat: packing and hashing the same bytes from memory.
tar -C "$work/mnt" -cf "$work/all.tar" .
for level in 1 3; do
    read -r pack hash both < <(cargo bench --quiet --bench limit -- "$work/all.tar" "$level" 2>/dev/null)
    awk -v l="$level" -v p="$pack" -v h="$hash" -v s="$both" -v n="$(nproc)" -v mib="$mib" 'BEGIN {
        printf "| the limit at level %d: (packing %.1f s + SHA-256 %.1f s) / %d cores | %.1f | %.0f | %.1f | | |\n",
            l, p, h, n, s, mib / s, p + h }'
done
