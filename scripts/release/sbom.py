#!/usr/bin/env python3
"""Writes what lifeboat.exe is made of, and lifeboat-selftest.exe of a part of it, as CycloneDX 1.5 JSON to standard output.

usage: sbom.py ROOT EPOCH COMPILER MINGW TARGET=NAME=EXE...

The same source, programs and time give the same bytes.
"""

import hashlib
import json
import sys
import uuid
from datetime import datetime, timezone
from pathlib import Path

import crates as made_of


def purl(name, version):
    return f"pkg:cargo/{name}@{version.replace('+', '%2B')}"


def crate(of):
    component = {
        "type": "library",
        "bom-ref": purl(of["name"], of["version"]),
        "name": of["name"],
        "version": of["version"],
        # "excluded": it helps to build the program and is not in it.
        "scope": "required" if of["linked"] else "excluded",
        "licenses": [{"expression": of["licence"]}],
        "purl": purl(of["name"], of["version"]),
    }
    if of["checksum"]:
        component["hashes"] = [{"alg": "SHA-256", "content": of["checksum"]}]
    return component


def other(of):
    ref = f"pkg:generic/{of['name']}@{of['version']}"
    return {
        "type": "library",
        "bom-ref": ref,
        "name": of["name"],
        "version": of["version"],
        "description": of["what"],
        "scope": "required",
        "licenses": [{"expression": of["licence"]}],
        "purl": ref,
    }


def main():
    root, epoch, compiler, mingw, *programs = sys.argv[1:]
    root = Path(root)
    programs = [program.split("=", 2) for program in programs]
    crates, direct = made_of.read(root, list(dict.fromkeys(target for target, _, _ in programs)))
    rest = made_of.others(crates, compiler, mingw)
    version = made_of.lifeboat_version(root)
    own = purl("lifeboat", version)
    files = []
    for target, name, exe in programs:
        digest = hashlib.sha256(Path(exe).read_bytes()).hexdigest()
        files.append(
            {
                "type": "file",
                "bom-ref": f"{own}#{target}/{name}",
                "name": f"{name} ({target})",
                "hashes": [{"alg": "SHA-256", "content": digest}],
            }
        )
    uses = [purl(*key) for key in direct] + [c["bom-ref"] for c in map(other, rest)]
    bom = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": "",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(int(epoch), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": {
                "type": "application",
                "bom-ref": own,
                "name": "lifeboat",
                "version": version,
                "licenses": [{"expression": "MIT OR Apache-2.0"}],
                "purl": own,
                "components": files,
            },
        },
        "components": [crate(c) for c in crates] + [other(o) for o in rest],
        "dependencies": [{"ref": own, "dependsOn": uses}]
        + [
            {
                "ref": purl(c["name"], c["version"]),
                "dependsOn": [purl(*key) for key in c["uses"]],
            }
            for c in crates
        ],
    }
    # Named after its contents, so that it is the same whenever they are.
    contents = json.dumps(bom, sort_keys=True)
    bom["serialNumber"] = f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, contents)}"
    json.dump(bom, sys.stdout, indent=1)
    print()


main()
