#!/usr/bin/env python3
"""The packages of a stick as a CycloneDX list, and where their sources are.

sbom.py VERSION EPOCH PROGRAM LICENCES <FACTS     the list, as JSON
sbom.py --sources <FACTS                          the sources, as text

FACTS has a line for each package: its SHA-256, then the fields that dpkg-deb prints,
separated by tabs.
"""

import datetime
import hashlib
import json
import pathlib
import re
import sys
import urllib.parse
import uuid


def read_facts():
    packages = []
    for line in sys.stdin:
        sha256, *fields = line.rstrip("\n").rstrip("\t").split("\t")
        package = dict(field.split(": ", 1) for field in fields if ": " in field)
        package["sha256"] = sha256
        # Source: NAME, or NAME (VERSION) if the version is another.
        source = re.fullmatch(r"(\S+)(?: \((.*)\))?", package.get("Source", package["Package"]))
        package["source"] = (source[1], source[2] or package["Version"])
        # What signed packages are signatures for, and what is linked in: linux (= 6.1.1-1).
        built = re.findall(r"(\S+) \(= ([^)]*)\)", package.get("Built-Using", ""))
        package["sources"] = [package["source"], *built]
        packages.append(package)
    return sorted(packages, key=lambda package: package["Package"])


def licences(path):
    """The short names in a copyright file, if it is written for programs."""
    text = path.read_text(encoding="utf-8", errors="replace")
    if not re.match(r"\s*Format(-Specification)?:", text):
        return []
    names = re.findall(r"^License:[ \t]*(\S.*)$", text, re.MULTILINE)
    return sorted({name.strip() for name in names})


def bill(version, epoch, program, folder):
    program_sha256 = hashlib.sha256(pathlib.Path(program).read_bytes()).hexdigest()
    components = []
    for package in read_facts():
        name, number, arch = package["Package"], package["Version"], package["Architecture"]
        quoted = urllib.parse.quote(number, safe=".~+-")
        purl = f"pkg:deb/debian/{urllib.parse.quote(name, safe='.+-')}@{quoted}?arch={arch}"
        component = {
            "type": "library",
            "bom-ref": purl,
            "name": name,
            "version": number,
            "purl": purl,
            "hashes": [{"alg": "SHA-256", "content": package["sha256"]}],
            "properties": [
                {"name": "debian:source", "value": ", ".join(map(" ".join, package["sources"]))},
                {"name": "licences", "value": f"lifeboat/licences/{name}.txt on the stick"},
            ],
        }
        found = licences(pathlib.Path(folder) / f"{name}.txt")
        if found:
            component["licenses"] = [{"license": {"name": licence}} for licence in found]
        components.append(component)
    content = json.dumps([version, program_sha256, components])
    time = datetime.datetime.fromtimestamp(int(epoch), datetime.timezone.utc)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, content)}",
        "version": 1,
        "metadata": {
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": {
                "type": "operating-system",
                "name": "Lifeboat rescue stick",
                "version": version,
                "components": [
                    {
                        "type": "application",
                        "name": "lifeboat",
                        "version": version,
                        "hashes": [{"alg": "SHA-256", "content": program_sha256}],
                    }
                ],
            },
        },
        "components": components,
    }


def sources():
    names = sorted({one for package in read_facts() for one in package["sources"]})
    lines = "\n".join(f"  {name}={version}" for name, version in names)
    return f"""The source of the packages on this stick

The programs on this stick, other than Lifeboat, are Debian's packages, unchanged. Many
are under the GNU General Public License, which gives everyone who gets the stick the
right to their source. Debian's snapshot archive keeps the source of every version:
https://snapshot.debian.org (for each: /package/NAME/VERSION/). On a Debian with "deb-src" in
apt's sources, this downloads one:

  apt-get source --download-only NAME=VERSION

If you hand out sticks outside of your company, keep these sources and hand them out on
request. They are:

{lines}
"""


def main():
    if sys.argv[1:] == ["--sources"]:
        print(sources(), end="")
    elif len(sys.argv) == 5:
        print(json.dumps(bill(*sys.argv[1:]), indent=1, ensure_ascii=False))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
