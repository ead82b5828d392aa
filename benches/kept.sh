#!/usr/bin/env bash
# Compares which metadata other tools keep: copies one NTFS volume, which has one file
# for each kind of metadata, with each tool to a fresh volume, and checks the result
# through ntfs-3g. docs/reference/what-is-kept.md has the table.
#
#   benches/kept.sh
#
# Requires ntfs-3g, attr-aware Python 3, wimtools, tar, restic, and /dev/fuse.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
lifeboat=${LIFEBOAT:-$root/target/release/lifeboat}
dir=$(mktemp -d "${TMPDIR:-/tmp}/lifeboat-kept.XXXXXX")
trap 'fusermount -u "$dir/old" 2>/dev/null; fusermount -u "$dir/new" 2>/dev/null; rm -rf "$dir"' EXIT
mkdir "$dir/old" "$dir/new"
all=streams_interface=xattr,permissions,compression,efs_raw

fresh() {
    rm -f "$1"
    truncate -s 64M "$1"
    PATH=$PATH:/usr/sbin:/sbin mkntfs -F -Q -q -p 2048 -H 255 -S 63 "$1" >/dev/null 2>&1
}
unmount() {
    fusermount -u "$dir/$1"
    while pgrep -f "ntfs-3g.*$dir/$1" >/dev/null; do sleep 0.05; done
}
cat >"$dir/facts.py" <<'PYTHON'
import os, struct, sys
what, root = sys.argv[1], sys.argv[2]
top = os.path.join(root, "StateStore/USMT")
at = lambda name: os.path.join(top, name)
put = lambda name, key, value: os.setxattr(at(name), key, value, follow_symlinks=False)
def get(name, key):
    try:
        return os.getxattr(at(name), key, follow_symlinks=False)
    except OSError:
        return None
sid = bytes([1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0])
admins = bytes([1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 32, 2, 0, 0])
def acl(kind, mask):
    return bytes([2, 0, 32, 0, 1, 0, 0, 0, kind, 0xC0 if kind == 2 else 3, 24, 0]) \
        + struct.pack("<I", mask) + admins
sd = bytes([1, 0, 0x14, 0x80]) + struct.pack("<IIII", 20, 32, 44, 76) + sid + sid \
    + acl(2, 0x1F01FF) + acl(0, 0x1200A9)
link = "\\??\\C:\\Users".encode("utf-16le")
plain = link[8:]
junction = struct.pack("<HHHH", 0, len(link), len(link) + 2, len(plain)) + link + b"\0\0" + plain + b"\0\0"
junction = struct.pack("<IHH", 0xA0000003, len(junction), 0) + junction
other = struct.pack("<IHH", 0xA0000019, 8, 0) + b"anything"
ea = struct.pack("<IBBH", 16, 0, 4, 3) + b"NAME\0val"
times = struct.pack(">4Q", *(130000000000000000 + n * 77777777 for n in range(1, 5)))
long = "/".join("d" * 200 for _ in range(3))
facts = {
    "owner, DACL": ("acl", "system.ntfs_acl", sd),
    "SACL": ("acl", "system.ntfs_acl", sd),
    "attributes": ("attributes", "system.ntfs_attrib_be", struct.pack(">I", 0x26)),
    "object id": ("object", "system.ntfs_object_id", b"0123456789abcdef"),
    "DOS name": ("a long name", "system.ntfs_dos_name", b"ALONGN~1"),
    "named stream": ("stream", "user.Zone", b"[ZoneTransfer]"),
    "named stream on a folder": ("folder", "user.Zone", b"too"),
    "junction, raw": ("junction", "system.ntfs_reparse_data", junction),
    "other reparse data, raw": ("other", "system.ntfs_reparse_data", other),
    "extended attributes": ("ea", "system.ntfs_ea", ea),
}
def look(index):
    value = get("times", "system.ntfs_times_be")
    return value[index * 8:index * 8 + 8] == times[index * 8:index * 8 + 8] if value else False
if what == "make":
    os.makedirs(at("folder")); os.makedirs(at("junction")); os.makedirs(at("empty"))
    os.makedirs(at(long))
    for name in ("acl", "attributes", "object", "a long name", "stream", "other", "ea", "times",
                 "one", "trailing dot.", "catalog.mig", "MIGSTATE.DAT", "status.~lg", long + "/deep"):
        open(at(name), "wb").write(b"" if name in ("other", "status.~lg") else b"data")
    open(at("sparse"), "wb").truncate(8 << 20)
    os.link(at("one"), at("two"))
    os.makedirs(at("packed")); put("packed", "system.ntfs_attrib_be", struct.pack(">I", 0x810))
    open(at("packed/file"), "wb").write(b"x" * 100000)
    os.makedirs(at("File/C$"))
    for name, key, value in facts.values():
        put(name, key, value)
    put("times", "system.ntfs_times_be", times)
else:
    def yes(text, held):
        print(f"{text}\t{'yes' if held else 'NO'}")
    def sacl_part(value):
        return value is not None and len(value) > 20 and struct.unpack_from("<H", value, 2)[0] & 0x10
    for text, (name, key, value) in facts.items():
        got = get(name, key)
        if text == "SACL":
            yes(text, sacl_part(got))
        elif text == "owner, DACL":
            yes(text, got is not None and sid in got and acl(0, 0x1200A9)[8:] in got)
        elif text == "object id":
            yes(text, got is not None and got[:16] == value)
        else:
            yes(text, got == value)
    for n, text in enumerate(("creation time", "last write", "last access", "change time")):
        yes(text, look(n))
    same = lambda a, b: os.path.exists(at(a)) and os.path.exists(at(b)) and os.path.samefile(at(a), at(b))
    yes("hard links", same("one", "two"))
    yes("names that Win32 refuses", os.path.exists(at("trailing dot.")))
    yes("paths past 260", os.path.exists(at(long + "/deep")))
    yes("empty folders", os.path.isdir(at("empty")))
    flag = lambda name, bit: bool(struct.unpack(">I", get(name, "system.ntfs_attrib_be") or b"\0" * 4)[0] & bit)
    yes("sparse", flag("sparse", 0x200))
    yes("compressed", flag("packed/file", 0x800))
PYTHON
fresh "$dir/old.img"
ntfs-3g -o "$all" "$dir/old.img" "$dir/old"
python3 "$dir/facts.py" make "$dir/old"
unmount old

check() { # NAME
    ntfs-3g -o "ro,$all" "$dir/new.img" "$dir/new" 2>/dev/null
    echo "== $1"
    python3 "$dir/facts.py" check "$dir/new"
    unmount new
}
by_wim() {
    wimcapture "$dir/old.img" "$dir/a.wim" --norpfix && wimapply "$dir/a.wim" 1 "$dir/new.img"
}
with_mounts() { # COMMAND...
    ntfs-3g -o "ro,$all" "$dir/old.img" "$dir/old"
    ntfs-3g -o "$all" "$dir/new.img" "$dir/new"
    "$@" || true
    unmount old
    unmount new
}
by_tar() {
    (cd "$dir/old" && tar --xattrs --xattrs-include='*' -S -cf - StateStore) |
        tar --xattrs --xattrs-include='*' -C "$dir/new" -xf -
}
by_restic() {
    export RESTIC_PASSWORD=x
    restic -q -r "$dir/repo" init
    (cd "$dir/old" && restic -q -r "$dir/repo" backup StateStore)
    restic -q -r "$dir/repo" restore latest --target "$dir/new"
}
by_lifeboat() {
    "$lifeboat" -q offload "$dir/old.img" --to "$dir/sets"
    ntfs-3g -o "$all" "$dir/new.img" "$dir/new"
    "$lifeboat" -q restore "$dir"/sets/* --to "$(ls "$dir/sets" >/dev/null; "$lifeboat" -q list "$dir"/sets/* --json | python3 -c '
import json, sys
print(json.loads(sys.stdin.readline())["rescue"]["parts"][0]["drive"])')=$dir/new" || true
    unmount new
}
for tool in by_lifeboat by_wim by_tar by_restic; do
    fresh "$dir/new.img"
    if [ $tool = by_tar ] || [ $tool = by_restic ]; then
        with_mounts $tool >"$dir/out" 2>&1
    else
        $tool >"$dir/out" 2>&1 || tail -3 "$dir/out"
    fi
    check $tool
done
