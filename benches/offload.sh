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

# Documents that pack, photos that do not, one large mail file of both.
cat >"$work/make.py" <<'PY'
import random, sys, zlib
root, mib, files = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
import os
rnd = random.Random(1)
words = [bytes(rnd.choices(b"abcdefghijklmnopqrstuvwxyz", k=rnd.randint(2, 11))) for _ in range(4000)]
text = b" ".join(rnd.choices(words, k=900_000))
noise = rnd.randbytes(8 << 20)
def document(n):
    at = rnd.randrange(len(text) - n)
    return text[at:at + n]
def photo(n):
    at = rnd.randrange(len(noise) - n)
    return bytes([rnd.randrange(256)]) + noise[at:at + n - 1]
total = mib << 20
mail = total // 5
left, count = total - mail, files - 1
photos = count * 3 // 10
documents = count - photos
size_of_photo = left * 8 // 10 // photos
size_of_document = left * 2 // 10 // documents
for i in range(count):
    folder = f"{root}/Users/user{i % 7}/folder {i // 7 % 150}"
    os.makedirs(folder, exist_ok=True)
    if i % 10 < 3:
        data = photo(int(size_of_photo * rnd.uniform(0.5, 1.5)))
        name = f"IMG_{i:05}.jpg"
    else:
        data = document(int(size_of_document * rnd.uniform(0.1, 1.9)))
        name = f"letter {i:05}.txt"
    with open(f"{folder}/{name}", "wb") as out:
        out.write(data)
with open(f"{root}/Users/user0/outlook.pst", "wb") as out:
    while out.tell() < mail:
        out.write(document(60_000))
        out.write(photo(60_000))
PY
# Runs a command; prints seconds, seconds of processor, and MiB of memory: the
# peaks of all its processes, the largest of them.
cat >"$work/run.py" <<'PY'
import os, resource, subprocess, sys, time
start = time.monotonic()
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
took = time.monotonic() - start
if done.returncode not in (0, 3):
    sys.exit(done.stderr.decode(errors="replace"))
use = resource.getrusage(resource.RUSAGE_CHILDREN)
print(f"{took:.2f} {use.ru_utime + use.ru_stime:.2f} {use.ru_maxrss // 1024}")
PY

mkdir "$work/mnt" "$work/out"
truncate -s "$((mib * 5 / 4 + 256))M" "$work/disk.img"
mkntfs -F -Q -q -L Bench "$work/disk.img" >/dev/null 2>&1
ntfs-3g "$work/disk.img" "$work/mnt"
mounted=1
python3 "$work/make.py" "$work/mnt" "$mib" "$files"
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
run() { nice -n 10 python3 "$work/run.py" "$@"; }

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
