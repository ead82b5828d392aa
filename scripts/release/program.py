#!/usr/bin/env python3
"""Whether a program may go into the release: program.py FILE x64|x86|arm64 [VERSION]

It has to be a Windows program for that architecture, have that version in its resources, and
import only what the barest WinPE has, by the lists in tests/windows/imports.rs. Prints what
is wrong, a line each; exit code 1 then.
"""

import pathlib
import re
import struct
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "pe-build"))
from bootmgr import CutShort, NotPe, Pe  # noqa: E402

MACHINES = {"x64": 0x8664, "x86": 0x14C, "arm64": 0xAA64}
# Those that only Windows 10 has, of which every Windows on ARM64 is one.
FOR_ARM64 = re.compile(r"api-ms-win-crt-.*-l1-1-0\.dll")


def listed(name, pattern):
    text = (ROOT / "tests/windows/imports.rs").read_text()
    block = re.search(rf"const {name}: [^=]*=\s*\[(.*?)\];", text, re.S)
    return set(re.findall(pattern, block.group(1)))


def text_at(data, at):
    return data[at : data.index(b"\0", at)].decode("ascii", "replace")


def imports(pe):
    """DLL in small letters, and function, of each import by name."""
    address, _size = pe.directory(1)
    at = pe.offset(address) if address else None
    wide = pe.directories - 96 != pe.data.find(b"PE\0\0") + 24
    size, by_number = (8, 1 << 63) if wide else (4, 1 << 31)
    while at is not None:
        names, _time, _chain, dll, first = struct.unpack_from("<IIIII", pe.data, at)
        if not dll:
            return
        at += 20
        dll = text_at(pe.data, pe.offset(dll)).lower()
        thunk = pe.offset(names or first)
        while number := int.from_bytes(pe.data[thunk : thunk + size], "little"):
            thunk += size
            yield dll, "" if number & by_number else text_at(pe.data, pe.offset(number) + 2)


def version_of(data):
    """FileVersion in the resources: a key and its value, each ended by a zero."""
    key = "FileVersion\0".encode("utf-16-le")
    at = data.find(key)
    if at < 0:
        return None
    value = data[at + len(key) : at + len(key) + 100].decode("utf-16-le", "replace").lstrip("\0")
    return value.split("\0")[0]


def wrong(path, arch, version=None):
    data = pathlib.Path(path).read_bytes()
    try:
        pe = Pe(data)
        if pe.machine != MACHINES[arch]:
            found = [name for name, machine in MACHINES.items() if machine == pe.machine]
            yield f"this is a program for {found[0] if found else hex(pe.machine)}, not for {arch}"
            return
        if version and (found := version_of(data)) != version:
            yield f"its version is {found}, not {version}"
        dlls, newer = listed("DLLS", r'"([a-z0-9_]+\.dll)"'), listed("NEWER_THAN_WINDOWS_7", r'"(\w+)"')
        if arch == "arm64":
            dlls, newer = dlls | listed("DLLS_OF_WINDOWS_10", r'"([a-z0-9-]+\.dll)"'), set()
        for dll, name in sorted(set(imports(pe))):
            if dll not in dlls and not (arch == "arm64" and FOR_ARM64.fullmatch(dll)):
                yield f"it imports {name or dll} from {dll}, which is not known to be in WinPE"
            elif name in newer:
                yield f"it imports {name} from {dll}, which is newer than Windows 7"
    except CutShort:
        yield "it is cut short"
    except (NotPe, struct.error, ValueError):
        yield "this is not a Windows program"


def main():
    lines = list(wrong(*sys.argv[1:]))
    for line in lines:
        print(line)
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
