#!/usr/bin/env python3
"""Which of Microsoft's certificate authorities signed a boot manager, and its security
version number (SVN). Newer firmware refuses boot managers by both.

bootmgr.py FILE.efi...    bootx64.efi of a stick, bootmgfw.efi of an image

A line for each file, and what follows from it. Exit codes: 0 all are signed by the CA of
2023; 3 one is not, or it cannot be told; 1 a file cannot be read.
"""

import struct
import sys

CAS = {
    "2023": b"Windows UEFI CA 2023",
    "2011": b"Microsoft Windows Production PCA 2011",
}
# Those that sign the loaders of other systems, such as the shim of the rescue stick.
OTHERS = {
    "2023": b"Microsoft UEFI CA 2023",
    "2011": b"Microsoft Corporation UEFI CA 2011",
}
SVN_NAME = "BOOTMGRSECURITYVERSIONNUMBER"
RT_RCDATA = 10


class NotPe(Exception):
    """The bytes are not a program for firmware or Windows."""


class Pe:
    def __init__(self, data):
        self.data = data
        if data[:2] != b"MZ":
            raise NotPe
        try:
            header = struct.unpack_from("<I", data, 0x3C)[0]
            if data[header : header + 4] != b"PE\0\0":
                raise NotPe
            self.machine, count = struct.unpack_from("<HH", data, header + 4)
            optional_size = struct.unpack_from("<H", data, header + 20)[0]
            optional = header + 24
            magic = struct.unpack_from("<H", data, optional)[0]
            # The data directories come after the fields, which PE32+ has wider.
            self.directories = optional + {0x10B: 96, 0x20B: 112}[magic]
            sections = optional + optional_size
            self.sections = [struct.unpack_from("<8sIIII", data, sections + 40 * at) for at in range(count)]
        except (struct.error, KeyError):
            raise NotPe from None

    def directory(self, number):
        return struct.unpack_from("<II", self.data, self.directories + 8 * number)

    def signatures(self):
        """The PKCS #7 signatures that firmware looks at; their address is an offset in the file."""
        offset, size = self.directory(4)
        table = self.data[offset : offset + size] if offset else b""
        at = 0
        while at + 8 <= len(table):
            length, _revision, kind = struct.unpack_from("<IHH", table, at)
            if length < 8:
                break
            if kind == 2:
                yield table[at + 8 : at + length]
            at += (length + 7) & ~7

    def offset(self, address):
        for _name, _virtual_size, start, raw_size, raw in self.sections:
            if start <= address < start + raw_size:
                return raw + address - start
        raise NotPe

    def entries(self, base, at):
        """The entries of a folder of resources: name or number, and where it leads."""
        named, numbered = struct.unpack_from("<HH", self.data, base + at + 12)
        for index in range(named + numbered):
            name, target = struct.unpack_from("<II", self.data, base + at + 16 + 8 * index)
            if name & 0x80000000:
                where = base + (name & 0x7FFFFFFF)
                length = struct.unpack_from("<H", self.data, where)[0]
                name = self.data[where + 2 : where + 2 + 2 * length].decode("utf-16-le", "replace")
            yield name, target & 0x7FFFFFFF

    def svn(self):
        """The security version number as (major, minor), or None."""
        try:
            address, size = self.directory(2)
            if not size:
                return None
            base = self.offset(address)
            for kind, names in self.entries(base, 0):
                if kind != RT_RCDATA:
                    continue
                for name, languages in self.entries(base, names):
                    if name != SVN_NAME:
                        continue
                    for _language, entry in self.entries(base, languages):
                        data = self.offset(struct.unpack_from("<I", self.data, base + entry)[0])
                        minor, major = struct.unpack_from("<HH", self.data, data)
                        return major, minor
        except (struct.error, NotPe):
            pass
        return None


def element(der, at):
    """The tag of the DER element at a place, and where its content begins and ends."""
    tag, length, start = der[at], der[at + 1], at + 2
    if length & 0x80:
        count = length & 0x7F
        length = int.from_bytes(der[start : start + count], "big")
        start += count
    if start + length > len(der):
        raise IndexError
    return tag, start, start + length


def children(der, start, end):
    while start < end:
        tag, first, start = element(der, start)
        yield tag, first, start


def issuers(der):
    """Who issued the certificates of the signers (RFC 5652, 5.1 and 5.3). A signature that is
    nested in another one does not count: firmware does not look at it."""
    _tag, start, end = element(der, 0)  # ContentInfo: type, [0] SignedData
    _type, (_tag, start, _end) = children(der, start, end)
    _tag, start, end = element(der, start)
    *_others, (_tag, start, end) = children(der, start, end)  # the last: the signers
    for _tag, start, end in children(der, start, end):
        _version, (_tag, start, end), *_others = children(der, start, end)
        _tag, start, end = element(der, start)  # the issuer's name, before the serial number
        yield der[start:end]


def judge(data):
    """The authorities that a file is signed under, those for other systems, and its SVN."""
    pe = Pe(data)
    names = []
    for signature in pe.signatures():
        try:
            names += issuers(signature)
        except (IndexError, ValueError):
            pass
    signed = lambda cas: [year for year, ca in cas.items() if any(ca in name for name in names)]
    return signed(CAS), signed(OTHERS), pe.svn()


def main():
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        print(__doc__)
        return 0 if sys.argv[1:] in (["-h"], ["--help"]) else 2
    worst = 0
    for path in sys.argv[1:]:
        try:
            with open(path, "rb") as file:
                years, others, svn = judge(file.read())
        except OSError as error:
            print(f"{path}: {error.strerror}", file=sys.stderr)
            return 1
        except NotPe:
            print(f"{path}: this is not a boot manager", file=sys.stderr)
            return 1
        number = f"SVN {svn[0]}.{svn[1]}" if svn else "SVN not in the file"
        if "2023" in years and "2011" not in years:
            print(f"{path}: signed by the CA of 2023, {number}")
            continue
        worst = 3
        if "2023" in years:
            print(f"{path}: signed by the CAs of 2011 and 2023, {number}")
            print("  With Secure Boot, a PC whose firmware has revoked that of 2011 refuses it all the same.")
        elif "2011" in years:
            print(f"{path}: signed by the CA of 2011, {number}")
            print("  With Secure Boot, a PC whose firmware has revoked that CA refuses it.")
        elif others:
            print(f"{path}: not of Windows: signed by the UEFI CA of {' and '.join(sorted(others))} for other systems")
            print("  With Secure Boot, the firmware must allow the Microsoft 3rd Party UEFI CA.")
        else:
            print(f"{path}: signed by neither Microsoft CA for Windows, {number}")
            print("  It is not the boot manager of a Windows: with Secure Boot, PCs may refuse it.")
    return worst


if __name__ == "__main__":
    sys.exit(main())
