#!/usr/bin/env bash
# Measures how fast `lifeboat detect` finds a store among very many files, compared
# with other tools on the same image: `fls -r` of The Sleuth Kit, and `find` over a
# read-only ntfs-3g mount, for names alone and for what detect knows of each file.
#
#   detect.sh                  makes and uses a new image of 300,000 files
#   detect.sh IMAGE            uses that image (`lifeboat-maker many IMAGE --files N`)
#   ROUNDS=9 detect.sh         the best of 9 rounds instead of 5
#
# Prints a Markdown table as in docs/development/benchmarks.md. "Cold": the image was
# removed from the page cache before. Requires ntfs-3g, fls and GNU time.
set -euo pipefail
cd "$(dirname "$0")/.."

rounds=${ROUNDS:-5}
scratch=$(mktemp -d)
mount=$scratch/mount
mkdir "$mount"
cleanup() {
    ! mountpoint -q "$mount" || fusermount -u "$mount"
    rm -rf "$scratch"
}
trap cleanup EXIT

cargo build --release --quiet --bin lifeboat
lifeboat=$PWD/target/release/lifeboat
image=${1:-}
if [ -z "$image" ]; then
    cargo build --release --quiet -p lifeboat-maker
    image=$scratch/many.img
    target/release/lifeboat-maker many "$image" --files 300000 >&2
fi

# Removes the image from the page cache.
evict() {
    dd of="$image" oflag=nocache conv=notrunc,fdatasync count=0 status=none
}

# Runs a command; says seconds, processor seconds of it and of the file system
# driver, KiB.
timed() {
    /usr/bin/time -f '%e %U %S %M' -o "$scratch/time" "$@" >"$scratch/out" 2>/dev/null
}
said() {
    tail -qn 1 "$scratch"/time "$@" |
        awk 'NR == 1 { wall = $1; memory = $4 } { cpu += $2 + $3 } END { print wall, cpu, memory }'
}
detect() { timed "$lifeboat" detect "$image" && said; }
sleuthkit() { timed fls -r "$image" && said; }
# A fresh mount each time: the kernel would answer from its own memory.
mounted() {
    /usr/bin/time -f '0 %U %S' -o "$scratch/driver" ntfs-3g -o ro,no_detach "$image" "$mount" \
        >/dev/null 2>&1 &
    until mountpoint -q "$mount"; do sleep 0.05; done
    timed "$@"
    fusermount -u "$mount"
    wait
    said "$scratch/driver"
}
find_names() { mounted find "$mount"; }
find_facts() { mounted find "$mount" -printf '%s %T@ %p\n'; }

# best COMMAND ROUNDS warm|cold: the fastest round.
best() {
    for _ in $(seq "$2"); do
        if [ "$3" = cold ]; then evict; else cat "$image" >/dev/null; fi
        "$1"
    done | sort -n | head -1
}

detect >/dev/null
files=$(fls -r "$image" | wc -l)
echo "$(date -u +%F), $(nproc) cores, $(uptime | sed 's/.*load average/load average/'), $files names,"
echo "image of $(($(stat -c %s "$image") / 1000000)) MB; best of $rounds rounds"
echo
echo '| | in the page cache, s | times detect | processor, s | times detect | cold, s | times detect | MiB |'
echo '|---|---|---|---|---|---|---|---|'
row() {
    local warm cpu memory cold
    read -r warm cpu memory < <(best "$2" "$3" warm)
    read -r cold _ < <(best "$2" "$3" cold)
    : "${warm_first:=$warm}" "${cpu_first:=$cpu}" "${cold_first:=$cold}"
    awk -v name="$1" -v w="$warm" -v u="$cpu" -v c="$cold" -v m="$memory" \
        -v wf="$warm_first" -v uf="$cpu_first" -v cf="$cold_first" \
        'BEGIN { printf "| %s | %.2f | %.1f | %.2f | %.1f | %.2f | %.1f | %.0f |\n",
                 name, w, w / wf, u, u / uf, c, c / cf, m / 1024 }'
}
row "lifeboat detect" detect "$rounds"
row "fls -r" sleuthkit "$rounds"
row "find, names alone" find_names "$rounds"
row "find -printf, names, sizes, times" find_facts 1
