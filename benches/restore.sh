#!/usr/bin/env bash
# Measures how fast a store is restored to NTFS: lifeboat restore, wimapply in its NTFS
# mode, and tar -x to ntfs-3g, with the same files, each to a fresh volume, one after
# the other, the best of three. docs/development/benchmarks.md has the results.
#
#   benches/restore.sh [FILES [MIB]]
#
# Requires ntfs-3g, wimtools, tar, zstd, and /dev/fuse. LIFEBOAT is the program.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
lifeboat=${LIFEBOAT:-$root/target/release/lifeboat}
files=${1:-20000}
mib=${2:-600}
[ -x "$lifeboat" ] || { echo "restore.sh: build it first: cargo build --release" >&2; exit 1; }

dir=$(mktemp -d "${TMPDIR:-/tmp}/lifeboat-bench.XXXXXX")
mounted=
end() {
    [ -z "$mounted" ] || fusermount -u "$dir/mount" || true
    rm -rf "$dir"
}
trap end EXIT
mkdir "$dir/mount"

fresh() { # IMAGE
    rm -f "$1"
    truncate -s $((mib * 2 + 512))M "$1"
    PATH=$PATH:/usr/sbin:/sbin mkntfs -F -Q -q -p 2048 -H 255 -S 63 -L Bench "$1" >/dev/null 2>&1
}
mount() { # IMAGE OPTIONS
    ntfs-3g -o "$2" "$1" "$dir/mount"
    mounted=1
}
unmount() {
    fusermount -u "$dir/mount"
    mounted=
    # ntfs-3g writes on after fusermount has returned.
    while pgrep -f "ntfs-3g.*$dir" >/dev/null; do sleep 0.05; done
}
all=streams_interface=xattr,permissions,big_writes

# The store: sizes as in a profile, most of them small, half of the bytes in few
# large ones; half of it text that packs well.
fresh "$dir/source.img"
mount "$dir/source.img" "$all"
python3 - "$dir/mount" "$files" "$mib" <<'PYTHON'
import os, random, sys
root, files, mib = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
random.seed(1)
top = os.path.join(root, "StateStore/USMT")
os.makedirs(os.path.join(top, "File/C$/Users/alice"))
for name, text in (("catalog.mig", b"c" * 100000), ("MIGSTATE.DAT", b"s" * 5000),
                   ("hardlink.main", b"C\t{0}\r\n"), ("status.~lg", b"")):
    open(os.path.join(top, name), "wb").write(text)
words = b"".join(b"%x the rescue of a store " % n for n in range(40000))
noise = random.randbytes(1 << 20)
left = mib << 20
for n in range(files):
    folder = os.path.join(top, "File/C$/Users/alice/folder %03d" % (n // 100))
    if n % 100 == 0:
        os.makedirs(folder)
    size = 20 << 20 if n % (files // 15 + 1) == 7 else int(random.lognormvariate(9, 1.2))
    size = min(size, left)
    left -= size
    source = words if n % 2 else noise
    at = random.randrange(1 << 19)
    with open(os.path.join(folder, "document number %05d.docx" % n), "wb") as out:
        while size > 0:
            piece = source[at:at + size]
            out.write(piece)
            size -= len(piece)
            at = 0
PYTHON
bytes=$(du -sb --apparent-size "$dir/mount/StateStore" | cut -f1)
(cd "$dir/mount" && tar --sort=name -cf - StateStore) | zstd -q -3 -T0 -o "$dir/store.tar.zst"
unmount
"$lifeboat" -q offload "$dir/source.img" --to "$dir/sets" >/dev/null
set=$(echo "$dir"/sets/*)
wimcapture "$dir/source.img" "$dir/store.wim" --compress=none --norpfix >/dev/null 2>&1

seconds() { # COMMAND...: seconds, the page cache written out
    local from to
    sync
    from=$(date +%s.%N)
    "$@" >"$dir/out" 2>&1 || { cat "$dir/out" >&2; return 1; }
    to=$(date +%s.%N)
    echo "$to $from" | awk '{printf "%.2f\n", $1 - $2}'
}
by_lifeboat() {
    mount "$dir/new.img" "$all"
    "$lifeboat" -q restore "$set" --to C="$dir/mount" || [ $? -eq 3 ]
    unmount
}
by_wimapply() { wimapply "$dir/store.wim" 1 "$dir/new.img"; }
by_tar() {
    mount "$dir/new.img" "$all"
    zstd -dcq "$dir/store.tar.zst" | tar -x -C "$dir/mount" -f -
    unmount
}
echo "$files files, $bytes bytes; $(nproc) cores; $(uptime)"
for round in 1 2 3; do
    for tool in by_lifeboat by_wimapply by_tar; do
        fresh "$dir/new.img"
        echo "$round $tool $(seconds $tool) s"
    done
done
