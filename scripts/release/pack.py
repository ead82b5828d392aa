#!/usr/bin/env python3
"""Packs a folder into a zip, and the same folder always into the same bytes:
sorted names, one time for all, modes by kind, nothing of this machine's user.

usage: pack.py FOLDER ZIP EPOCH

Writes FOLDER/SHA256SUMS over all other files first. cmd reads labels and jumps
safely only in files with its own line ends, so scripts for Windows get those.
"""

import hashlib
import sys
import zipfile
from datetime import datetime, timezone
from pathlib import Path

WINDOWS_TEXT = {".cmd", ".vbs"}


def main():
    folder, target, epoch = sys.argv[1:]
    folder = Path(folder)
    # Zip knows no time zones, and no odd seconds.
    when = datetime.fromtimestamp(int(epoch) // 2 * 2, timezone.utc).timetuple()[:6]
    files = sorted(
        (file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()),
    )
    sums = []
    for name in files:
        path = folder / name
        if path.suffix in WINDOWS_TEXT:
            path.write_bytes(path.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
        if name != "SHA256SUMS":
            sums.append(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {name}\n")
    (folder / "SHA256SUMS").write_text("".join(sums), encoding="utf-8", newline="\n")
    if "SHA256SUMS" not in files:
        files = sorted([*files, "SHA256SUMS"])
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as zipped:
        for name in files:
            info = zipfile.ZipInfo(f"{folder.name}/{name}", when)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system = 3  # Unix, whose modes these are
            mode = 0o755 if name.endswith(".sh") else 0o644
            info.external_attr = (0o100000 | mode) << 16
            zipped.writestr(info, (folder / name).read_bytes())


main()
