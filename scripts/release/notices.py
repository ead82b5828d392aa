#!/usr/bin/env python3
"""Writes THIRD-PARTY.txt to standard output: whose work is in lifeboat.exe, under
which licences, with their texts as they stand in the crates' sources.

usage: notices.py ROOT COMPILER MINGW TARGET...

A text that several crates carry stands there once. For a crate without a file of
its own the usual text of its licence stands in, with its authors; without one of
those the run fails.
"""

import re
import sys
from pathlib import Path

import crates as made_of

LICENCE_FILE = re.compile(r"(licen[sc]e|copying|copyright|notice|unlicense)", re.IGNORECASE)
RULE = "=" * 80


def files_of(folder):
    """Licence files at the top of a crate and of the C code that it brings."""
    for place in (folder, folder / "zstd"):
        if place.is_dir():
            for file in sorted(place.iterdir()):
                is_text = file.suffix.lower() not in (".rs", ".toml", ".html")
                if file.is_file() and is_text and LICENCE_FILE.match(file.name):
                    yield file


def usual_text(root, expression):
    """The text of the first licence of an expression that is at hand; `None` if none is."""
    for licence in expression.replace("(", "").replace(")", "").split(" OR "):
        places = {"MIT": root / "LICENSE-MIT", "Apache-2.0": root / "LICENSE-APACHE"}
        file = places.get(licence, root / "scripts/release/texts" / f"{licence}.txt")
        if file.is_file():
            lines = file.read_text(encoding="utf-8").splitlines()
            # Ours begins with our name.
            return "\n".join(line for line in lines if not line.startswith("Copyright (c)")).strip()
    return None


def main():
    root, compiler, mingw, *targets = sys.argv[1:]
    crates, _ = made_of.read(Path(root), targets)
    linked = [c for c in crates if c["linked"]]
    print("Lifeboat itself is under the MIT licence or the Apache License 2.0, as you like")
    print("(LICENSE-MIT, LICENSE-APACHE). In lifeboat.exe there is the work of others too:\n")
    texts = {}  # normalised text: (text, names of crates)
    bare = []
    for c in linked:
        name = f"{c['name']} {c['version']}"
        print(f"  {name}: {c['licence']}")
        files = list(files_of(c["folder"]))
        if not files:
            bare.append(c)
        for file in files:
            text = file.read_text(encoding="utf-8", errors="replace").replace("\r\n", "\n").strip()
            same = re.sub(r"\s+", " ", text)
            texts.setdefault(same, (text, []))[1].append(name)
    for o in made_of.others(crates, compiler, mingw):
        print(f"  {o['name']} {o['version']}: {o['licence']}")
        print(f"      {o['what']}")
    for c in bare:
        usual = usual_text(Path(root), c["licence"])
        if usual is None:
            sys.exit(f"notices: {c['name']}: no text of its licence anywhere ({c['licence']})")
        authors = ", ".join(c["authors"]) or f"the authors of {c['name']}"
        text = f"(The crate brings no such file; this is the usual text.)\nCopyright (c) {authors}\n\n{usual}"
        texts[c["name"]] = (text, [f"{c['name']} {c['version']}"])
    for text, names in sorted(texts.values(), key=lambda found: found[1]):
        names = list(dict.fromkeys(names))
        print(f"\n{RULE}\n{', '.join(names)}\n{RULE}\n\n{text}")


main()
