"""Reads a rescue set by docs/reference/format.md alone, with Python's own library and the
programs zstd and xxhsum. Knows nothing of Lifeboat's code.

    stranger.py SET OUT

Checks everything that the page promises, and writes to OUT one JSON line for each
member with what was found of it. Any broken promise ends it with an assertion.
"""
import base64
import hashlib
import io
import json
import os
import struct
import subprocess
import sys
import tarfile


def unzstd(packed):
    return subprocess.run(["zstd", "-dqc"], input=packed, stdout=subprocess.PIPE, check=True).stdout


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def xxh128(data):
    run = subprocess.run(["xxhsum", "-q", "-H2"], input=data, stdout=subprocess.PIPE, check=True)
    return run.stdout.split()[0].decode()


def read(*path):
    with open(os.path.join(*path), "rb") as file:
        return file.read()


def exact(line, field):
    """A name's WTF-8 bytes."""
    if line.get("raw_" + field) is not None:
        return base64.b64decode(line["raw_" + field], validate=True)
    return line[field].encode("utf-8")


def seek_table(data):
    """Sizes of the frames, and bytes of the table itself."""
    count, descriptor, magic = struct.unpack("<IBI", data[-9:])
    assert magic == 0x8F92EAB1 and descriptor == 0
    table = data[-(17 + 8 * count):]
    assert struct.unpack("<II", table[:8]) == (0x184D2A5E, 9 + 8 * count)
    return [struct.unpack_from("<II", table, 8 + 8 * i) for i in range(count)], len(table)


def pax(data):
    records = []
    while data:
        length, rest = data.split(b" ", 1)
        length = int(length)
        record, data = data[len(data) - len(rest):length], data[length:]
        assert record.endswith(b"\n")
        key, value = record[:-1].split(b"=", 1)
        records.append((key.decode("ascii"), value))
    return records


def filetime(text):
    """Seconds with decimals, as FILETIME, without floating point."""
    negative = text.startswith("-")
    whole, _, fraction = text.lstrip("-").partition(".")
    assert len(fraction) <= 7
    ticks = int(whole) * 10**7 + int(fraction.ljust(7, "0"))
    return 116444736000000000 + (-ticks if negative else ticks)


ORDER = [
    "hdrcharset", "path", "linkpath", "size", "mtime", "atime", "ctime",
    "LIBARCHIVE.creationtime", "MSWINDOWS.fileattr", "MSWINDOWS.rawsd",
    "MSWINDOWS.mountpoint", "LIFEBOAT.reparse", "LIFEBOAT.objectid", "LIFEBOAT.ea",
    "LIFEBOAT.shortname", "LIFEBOAT.content", "LIFEBOAT.stream",
]


class Tar:
    """The plain tar, and where its frames begin."""

    def __init__(self, plain, starts):
        self.plain, self.starts, self.at = plain, starts, 0

    def place(self, at):
        return self.starts[at["frame"]] + at["offset"]

    def take(self, size):
        piece = self.plain[self.at:self.at + size]
        assert len(piece) == size
        self.at += size
        return piece

    def header(self):
        """One member's header: fields and records."""
        records = []
        block = self.take(512)
        if block[156:157] == b"x":
            size = int(block[124:135], 8)
            records = pax(self.take(size))
            assert not any(self.take(-size % 512))
            block = self.take(512)
        assert block[257:265] == b"ustar\x0000"
        total = sum(block[:148]) + 8 * 32 + sum(block[156:])
        assert int(block[148:154], 8) == total
        text = lambda a, b: block[a:b].split(b"\0")[0]
        keys = [key for key, _ in records]
        assert keys == sorted(keys, key=ORDER.index)
        records = dict(records)
        name = records.get("path", text(0, 100))
        link = records.get("linkpath", text(157, 257))
        for value in (name, link):
            try:
                value.decode("utf-8")
            except UnicodeDecodeError:
                assert records["hdrcharset"] == b"BINARY"
        mode = block[100:107]
        kind = block[156:157]
        assert mode == (b"0000755" if kind == b"5" else b"0000644")
        size = int(records.get("size", b"%d" % int(block[124:135], 8)))
        return {"name": name, "link": link, "type": kind, "size": size, "records": records}

    def data(self, line):
        """A stream's bytes, with everything that the manifest says of them."""
        size = line["size"]
        if size:
            assert self.place(line["at"]) == self.at
        else:
            assert "at" not in line
        data = self.take(size)
        assert sha256(data) == line["sha256"]
        end = 0
        for hole in line.get("holes", []):
            assert end <= hole["offset"] and hole["reason"]
            end = hole["offset"] + hole["length"]
            assert end <= size and not any(data[hole["offset"]:end])
        assert not any(self.take(-size % 512))
        return data


def check_times(header, times):
    names = {"mtime": "modified", "atime": "accessed", "ctime": "changed",
             "LIBARCHIVE.creationtime": "created"}
    for key, field in names.items():
        assert filetime(header["records"][key].decode()) == times[field], (key, header)


def member(tar, line):
    """Checks a member of the tar against its line; what was found of it."""
    path = exact(line, "path")
    assert path and all(name not in (b"", b".", b"..") for name in path.split(b"/"))
    assert tar.place(line["start"]) == tar.at
    header = tar.header()
    records = header["records"]
    found = {"path": path.hex(), "kind": line["kind"], "streams": {}}
    if line["kind"] == "link":
        assert header["type"] == b"1" and header["name"] == path and header["size"] == 0
        assert header["link"] == exact(line, "link_to")
        found["link_to"] = header["link"].hex()
        return found
    check_times(header, line["times"])
    assert int(records["MSWINDOWS.fileattr"]) == line["attributes"]
    for key, field in (("MSWINDOWS.rawsd", "security"), ("LIFEBOAT.reparse", "reparse"),
                       ("LIFEBOAT.objectid", "object_id"), ("LIFEBOAT.ea", "extended_attributes"),
                       ("LIFEBOAT.shortname", "short_name"), ("LIFEBOAT.content", "content")):
        value = records.get(key)
        assert (value.decode() if value is not None else None) == line.get(field), key
        found[field] = line.get(field)
    found["attributes"], found["times"] = line["attributes"], line["times"]
    is_file = line["kind"] == "file"
    assert header["size"] == (line["data"]["size"] if is_file else 0)
    if header["type"] == b"2":
        assert header["name"] == path and header["link"]
        tag = base64.b64decode(line["reparse"])[:4]
        assert tag in (b"\x03\0\0\xa0", b"\x0c\0\0\xa0")
        assert (tag[0] == 3) == (records.get("MSWINDOWS.mountpoint") == b"1")
        found["leads_to"] = header["link"].decode()
    else:
        assert header["type"] == (b"0" if is_file else b"5")
        assert header["name"] == (path if is_file else path + b"/")
    if is_file:
        found["data"] = sha256(tar.data(line["data"]))
    for stream in line.get("streams", []):
        name = exact(stream, "name")
        header = tar.header()
        assert header["type"] == b"0" and header["name"] == path + b":" + name
        assert header["records"]["LIFEBOAT.stream"] == name
        assert header["size"] == stream["size"]
        check_times(header, line["times"])
        found["streams"][name.hex()] = sha256(tar.data(stream))
    found["losses"] = [loss["kind"] for loss in line.get("losses", [])]
    return found


def main(folder, out):
    rescue = json.loads(read(folder, "rescue.json"))
    assert rescue["format"] == 1
    sums = "".join(f"{file['sha256']} *{file['name']}\n" for file in rescue["files"])
    sums += f"{sha256(read(folder, 'rescue.json'))} *rescue.json\n"
    assert read(folder, "SHA256SUMS").decode() == sums
    for file in rescue["files"]:
        data = read(folder, file["name"])
        assert (len(data), sha256(data)) == (file["size"], file["sha256"])
    names = {file["name"] for file in rescue["files"]} | {"rescue.json", "SHA256SUMS"}
    assert names == set(os.listdir(folder))
    for name in ("RESTORE.txt", "restore.cmd"):
        text = read(folder, name)
        assert text.isascii() and text.count(b"\n") == text.count(b"\r\n")

    volumes = [f["name"] for f in rescue["files"] if f["name"].startswith("store.tar.zst")]
    if "split" in rescue["options"]:
        assert volumes == [f"store.tar.zst.{i + 1:03}" for i in range(len(volumes))]
    else:
        assert volumes == ["store.tar.zst"]
    volumes = [read(folder, name) for name in volumes]
    store = b"".join(volumes)
    sizes, table = seek_table(store)

    manifest = read(folder, "manifest.jsonl.zst")
    own_sizes, own_table = seek_table(manifest)
    at, pieces = 0, []
    for packed, plain in own_sizes:
        piece = unzstd(manifest[at:at + packed])
        assert len(piece) == plain and piece.endswith(b"\n"), "a line spans frames"
        pieces.append(piece)
        at += packed
    assert at + own_table == len(manifest)
    lines = [json.loads(line) for line in b"".join(pieces).splitlines()]
    assert lines[0] == {"type": "header", "format": 1, "set": rescue["set"]}
    assert lines[-1] == {"type": "end", **rescue["totals"]}
    lines = lines[1:-1]

    limit = rescue["options"]["frame_bytes"]
    frames = [line for line in lines if line["type"] == "frame"]
    assert len(frames) == len(sizes) == rescue["totals"]["frames"]
    at, plain, starts, volume_at, volume = 0, [], [], 0, 1
    for number, (frame, (packed, size)) in enumerate(zip(frames, sizes)):
        if frame["volume"] != volume:
            assert frame["volume"] == volume + 1 and volume_at == len(volumes[volume - 1])
            volume, volume_at = volume + 1, 0
        assert (frame["frame"], frame["size"], frame["plain_size"]) == (number, packed, size)
        assert frame["offset"] == volume_at and size <= limit
        data = store[at:at + packed]
        assert xxh128(data) == frame["xxh128"]
        # RFC 8878 3.1.1.1: the descriptor's checksum flag; content size is there.
        assert data[:4] == b"\x28\xb5\x2f\xfd" and data[4] & 0x04
        assert data[4] & 0x20 or data[4] >> 6
        starts.append(sum(map(len, plain)))
        plain.append(unzstd(data))
        assert len(plain[-1]) == size
        at, volume_at = at + packed, volume_at + packed
    assert at + table == len(store)
    tar = Tar(b"".join(plain), starts)
    assert unzstd(store) == tar.plain

    counts = dict.fromkeys(rescue["totals"], 0)
    counts["frames"] = len(frames)
    present, first_names = 0, set()
    with open(out, "w", encoding="utf-8") as file:
        for line in lines:
            if line["type"] == "frame":
                end = starts[present] + frames[present]["plain_size"]
                present += 1
                continue
            if line["type"] != "member":
                continue
            begin = tar.at
            found = member(tar, line)
            # It ends in the frame whose line comes next, and small ones begin there.
            low, high = starts[present], starts[present] + frames[present]["plain_size"]
            assert low < tar.at <= high
            assert begin >= low or tar.at - begin > limit and begin in starts
            if line["kind"] == "link":
                assert found["link_to"] in first_names
            first_names.add(found["path"])
            plural = {"file": "files", "directory": "directories", "link": "links"}
            counts[plural[line["kind"]]] += 1
            streams = line.get("streams", [])
            counts["streams"] += len(streams)
            counts["bytes"] += sum(s["size"] for s in streams) + line.get("data", {}).get("size", 0)
            counts["losses"] += len(line.get("losses", []))
            file.write(json.dumps(found) + "\n")
    assert not any(tar.take(1024)) and tar.at == len(tar.plain)
    assert counts == rescue["totals"], counts
    assert (rescue["end_state"] == "saved") == (counts["losses"] == 0)

    # A second witness: Python's own tar reader sees the same members.
    with tarfile.open(fileobj=io.BytesIO(tar.plain), errors="surrogateescape") as witness:
        members = sum(1 for _ in witness)
    expected = sum(counts[kind] for kind in ("files", "directories", "links", "streams"))
    assert members == expected, (members, expected)


main(*sys.argv[1:])
