"""What lifeboat.exe is made of: the crates that are linked in, those that only
build it, and the parts that are no crates. By cargo, from Cargo.lock; no network
but for crates that are not on this machine yet.
"""

import json
import re
import subprocess
import tomllib
from pathlib import Path


def cargo(root, *args):
    done = subprocess.run(
        ["cargo", *args, "--locked", "--manifest-path", str(root / "Cargo.toml")],
        check=True,
        capture_output=True,
        encoding="utf-8",
    )
    return done.stdout


def names(root, targets, edges):
    """The crates that cargo's own resolver gives for these edges: {(name, version)}.

    `cargo metadata` knows no edges' features: it lists what only tests switch on.
    """
    tree = cargo(
        root, "tree", "--package=lifeboat", *(f"--target={target}" for target in targets),
        f"--edges={edges}", "--prefix=none", "--format={p}",
    )
    found = set()
    for line in tree.splitlines():
        if match := re.match(r"(\S+) v(\S+)", line):
            found.add((match[1], match[2]))
    return found


def read(root, targets):
    """All crates, sorted by name: dicts with name, version, licence, authors, folder
    (of its source), checksum (of the packed source, as in Cargo.lock), linked (False:
    it only builds), uses (names and versions)."""
    linked = names(root, targets, "normal,no-proc-macro")
    everything = names(root, targets, "normal,build")
    lock = tomllib.loads((root / "Cargo.lock").read_text(encoding="utf-8"))
    checksums = {(p["name"], p["version"]): p.get("checksum") for p in lock["package"]}
    metadata = json.loads(cargo(root, "metadata", "--format-version=1"))
    key_of = {p["id"]: (p["name"], p["version"]) for p in metadata["packages"]}
    uses = {
        key_of[node["id"]]: sorted({key_of[dep["pkg"]] for dep in node["deps"]})
        for node in metadata["resolve"]["nodes"]
    }
    crates = []
    for package in metadata["packages"]:
        key = (package["name"], package["version"])
        if key not in everything or key[0] == "lifeboat":
            continue
        crates.append(
            {
                "name": key[0],
                "version": key[1],
                # The old way to write OR is no SPDX.
                "licence": (package["license"] or "").replace("/", " OR "),
                "authors": package["authors"],
                "folder": Path(package["manifest_path"]).parent,
                "checksum": checksums[key],
                "linked": key in linked,
                "uses": [other for other in uses[key] if other in everything],
            }
        )
    missing = everything - {(c["name"], c["version"]) for c in crates}
    assert {name for name, _ in missing} == {"lifeboat"}, missing
    own = ("lifeboat", lifeboat_version(root))
    direct = [other for other in uses[own] if other in everything]
    return sorted(crates, key=lambda c: (c["name"], c["version"])), direct


def lifeboat_version(root):
    return tomllib.loads((root / "Cargo.toml").read_text(encoding="utf-8"))["package"]["version"]


def others(crates, compiler, mingw):
    """What is linked in and is no crate. `compiler`: `rustc --version`; `mingw`: gcc's, with
    `,zig VERSION` behind it if that has linked a program."""
    mingw, _, zig = mingw.partition(",zig ")
    by_zig = [
        {
            "name": "llvm-runtimes",
            "version": f"zig {zig}",
            "licence": "Apache-2.0 WITH LLVM-exception",
            "what": "compiler-rt and libunwind, in the program for ARM64, in the version that comes with "
            "this zig; its own compiler-rt is under the MIT licence",
        },
        {
            "name": "mingw-w64 (ARM64)",
            "version": f"zig {zig}",
            "licence": "ZPL-2.1",
            "what": "start-up code and import libraries, in the version that comes with this zig",
        },
    ]
    zstd = next(c for c in crates if c["name"] == "zstd-sys")
    return [
        {
            "name": "zstd",
            "version": zstd["version"].partition("+zstd.")[2],
            "licence": "BSD-3-Clause",
            "what": "libzstd, compiled in by the crate zstd-sys; its licence stands there",
        },
        {
            "name": "rust-std",
            "version": compiler.split()[1],
            "licence": "MIT OR Apache-2.0",
            "what": "Rust's standard library and the crates in it, built from the compiler's source; "
            "Copyright (c) The Rust Project Contributors",
        },
        {
            "name": "libgcc",
            "version": mingw,
            "licence": "GPL-3.0-or-later WITH GCC-exception-3.1",
            "what": "GCC's support functions; the exception leaves the program's licence alone",
        },
        {
            "name": "mingw-w64",
            "version": mingw,
            "licence": "ZPL-2.1",
            "what": "start-up code and import libraries of the mingw-w64 runtime, in the version that "
            "comes with this gcc; parts are in the public domain",
        },
        *(by_zig if zig else []),
    ]
