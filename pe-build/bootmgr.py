#!/usr/bin/env python3
"""Which of Microsoft's certificate authorities signed a boot manager, and its security
version number (SVN). With Secure Boot, either can keep it from starting on an updated PC.

bootmgr.py FILE.efi...    bootx64.efi of a stick, bootmgfw.efi of an image

A line for each file, and what follows from it. It reads whose certificate signed the file;
it does not verify the signature. Exit codes: 0 all are signed by the CA of 2023; 3 one is
not, or it cannot be told; 1 a file cannot be read; 2 no file was given.
"""

import struct
import sys

CAS = {
    "2023": "Windows UEFI CA 2023",
    "2011": "Microsoft Windows Production PCA 2011",
}
# Those that sign the loaders of other systems, such as the shim of the rescue stick.
OTHERS = {
    "2023": "Microsoft UEFI CA 2023",
    "2011": "Microsoft Corporation UEFI CA 2011",
}
# What the Windows updates of April 2026 can store in a PC's firmware; later ones may have more.
PUBLISHED_SVN = (8, 0)
COMMON_NAME = bytes.fromhex("550403")  # 2.5.4.3
SVN_NAME = "BOOTMGRSECURITYVERSIONNUMBER"
RT_RCDATA = 10


class NotPe(Exception):
    """The bytes are not a program for firmware or Windows."""


class CutShort(Exception):
    """The file ends before what its own header says is in it."""


class Pe:
    def __init__(self, data):
        self.data = data
        if data[:2] != b"MZ":
            raise NotPe
        try:
            header = struct.unpack_from("<I", data, 0x3C)[0]
            if len(data) < header + 4:
                raise CutShort
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
        except struct.error:
            raise CutShort from None
        except KeyError:
            raise NotPe from None
        ends = [raw + size for _name, _virtual_size, _start, size, raw in self.sections]
        try:
            # The signatures are the last in the file.
            ends.append(sum(self.directory(4)))
        except struct.error:
            raise CutShort from None
        if max(ends) > len(data):
            raise CutShort

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
        yield common_name(der, start, end)


def common_name(der, start, end):
    """The common name in a Name (RFC 5280, 4.1.2.4), or "". Another part of the name, or a
    name that only contains that of a CA, is not the CA."""
    for _tag, first, last in children(der, start, end):
        for _tag, first, last in children(der, first, last):
            (_tag, of, to), (kind, first, last) = children(der, first, last)
            if der[of:to] == COMMON_NAME:
                # A BMPString has two bytes for each character.
                return der[first:last].decode("utf-16-be" if kind == 0x1E else "utf-8", "replace")
    return ""


def judge(data):
    """The authorities that a file is signed under, those for other systems, its SVN, and
    whether it has a signature at all."""
    pe = Pe(data)
    names, is_signed = [], False
    for signature in pe.signatures():
        is_signed = True
        try:
            names += issuers(signature)
        except (IndexError, ValueError):
            pass
    signed = lambda cas: [year for year, ca in cas.items() if ca in names]
    return signed(CAS), signed(OTHERS), pe.svn(), is_signed


def main():
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        print(__doc__)
        return 0 if sys.argv[1:] in (["-h"], ["--help"]) else 2
    unread, doubts, unverified = False, False, False
    for path in sys.argv[1:]:
        try:
            with open(path, "rb") as file:
                years, others, svn, is_signed = judge(file.read())
        except OSError as error:
            print(f"{path}: {error.strerror}", file=sys.stderr)
            unread = True
            continue
        except NotPe:
            print(f"{path}: this is not a boot manager", file=sys.stderr)
            unread = True
            continue
        except CutShort:
            print(f"{path}: cut short: copy the file again", file=sys.stderr)
            unread = True
            continue
        number = f"SVN {svn[0]}.{svn[1]}" if svn else "SVN not in the file"
        doubts |= years != ["2023"]
        unverified |= is_signed
        if years == ["2023"]:
            print(f"{path}: signed by the CA of 2023, {number}")
        elif "2023" in years:
            print(f"{path}: signed by the CAs of 2011 and 2023, {number}")
            print("  With Secure Boot, a PC whose firmware has revoked that of 2011 refuses it all the same.")
        elif "2011" in years:
            print(f"{path}: signed by the CA of 2011, {number}")
            print("  With Secure Boot, a PC whose firmware has revoked that CA refuses it.")
        elif others:
            print(f"{path}: not of Windows: signed by the UEFI CA of {' and '.join(sorted(others))} for other systems")
            print("  With Secure Boot, the firmware must allow the Microsoft 3rd Party UEFI CA.")
        elif not is_signed:
            print(f"{path}: unsigned, {number}")
            print("  With Secure Boot, PCs refuse it.")
        else:
            print(f"{path}: signed by neither Microsoft CA for Windows, {number}")
            print("  It is not the boot manager of a Windows: with Secure Boot, PCs may refuse it.")
        if years and svn:
            # KB5025885: the boot manager compares the two itself when it starts.
            print("  With Secure Boot, it does not start on a PC whose firmware stores a higher SVN.")
            if svn < PUBLISHED_SVN:
                least = f"{PUBLISHED_SVN[0]}.{PUBLISHED_SVN[1]}"
                print(f"  The Windows updates of April 2026 have {least}. They store it only on request.")
        elif years and not svn:
            print("  A PC whose firmware stores an SVN may not start it: that was not tried.")
    if unverified:
        print("The signatures were not verified: this is whose certificate they name.")
    return 1 if unread else 3 if doubts else 0


if __name__ == "__main__":
    sys.exit(main())
