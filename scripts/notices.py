"""Writes the license notices of the software inside the shared library and the command to THIRD-PARTY-NOTICES.

The notices are those of the crates that Cargo.lock selects for Linux, and of the Rust standard library. `make notices`
runs this script. tests/python/test_packaging.py runs it with --check.

usage: notices.py [--check]
       --check: write nothing; exit with status 1 if a file is not current

environment: CARGO: the program cargo; default: cargo
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
# pip needs a copy beside pyproject.toml.
OUTPUTS = (ROOT / "THIRD-PARTY-NOTICES", ROOT / "bindings" / "python" / "THIRD-PARTY-NOTICES")
# Written by hand, from the file COPYRIGHT-library.html of Rust 1.95, and the license files of the crates inside std, of
# compiler_builtins and of Zig 0.17.
STANDARD_LIBRARY = ROOT / "scripts" / "rust-std-notices.txt"
PLATFORMS = ("x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu")
LICENSE_FILE = re.compile(r"(?i)(licen[sc]e|copying|notice|copyright)")
RULE = "-" * 80
# The crates of this repository that packages contain, and their names for users. glacier-emulator is in no package.
PACKAGED = {"glacier_mp": "the shared library", "glacier-mp": "the command glacier-mp"}
INTRODUCTION = """\
libglacier_mp is licensed under MIT or Apache-2.0, at your choice. The shared library and the command glacier-mp also
contain the software below, under the licenses below.
"""


def main() -> None:
    notices = "\n".join([INTRODUCTION, *map(section, crates_inside()), STANDARD_LIBRARY.read_text("utf-8")])
    if "--check" not in sys.argv[1:]:
        for path in OUTPUTS:
            path.write_text(notices, "utf-8")
        return
    for path in OUTPUTS:
        if not path.exists() or path.read_text("utf-8") != notices:
            sys.exit(f"{path.relative_to(ROOT)} does not match the crates in Cargo.lock: run make notices")


def crates_inside() -> list[tuple[dict[str, Any], list[str]]]:
    """Returns the crates inside the library and the command, by name and version, each with the names of these."""
    packages: dict[str, dict[str, Any]] = {}
    users: dict[str, list[str]] = {}
    for platform in PLATFORMS:
        metadata = cargo_metadata(platform)
        packages.update({package["id"]: package for package in metadata["packages"]})
        for crate, name in PACKAGED.items():
            for identifier in dependencies(metadata, crate):
                names = users.setdefault(identifier, [])
                if name not in names:
                    names.append(name)
    # Only crates of a registry are software of others.
    inside = [(packages[identifier], names) for identifier, names in users.items() if packages[identifier]["source"]]
    return sorted(inside, key=lambda crate: (crate[0]["name"], crate[0]["version"]))


def cargo_metadata(platform: str) -> dict[str, Any]:
    command = [os.environ.get("CARGO", "cargo"), "metadata", "--locked", "--format-version", "1"]
    output = subprocess.run([*command, "--filter-platform", platform], cwd=ROOT, check=True, stdout=subprocess.PIPE)
    metadata: dict[str, Any] = json.loads(output.stdout)
    return metadata


def dependencies(metadata: dict[str, Any], crate: str) -> set[str]:
    """Returns the identifiers of the crates whose code is inside a crate of this repository."""
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    pending = [package["id"] for package in metadata["packages"] if package["name"] == crate]
    seen = set(pending)
    while pending:
        for dependency in nodes[pending.pop()]["deps"]:
            is_normal = any(kind["kind"] is None for kind in dependency["dep_kinds"])
            # The code of a procedural macro runs in the compiler only.
            is_macro = any("proc-macro" in target["kind"] for target in packages[dependency["pkg"]]["targets"])
            if is_normal and not is_macro and dependency["pkg"] not in seen:
                seen.add(dependency["pkg"])
                pending.append(dependency["pkg"])
    return seen


def section(crate: tuple[dict[str, Any], list[str]]) -> str:
    """Returns the notices of one crate."""
    package, users = crate
    name = f"{package['name']} {package['version']}"
    files = license_files(package)
    if not files:
        sys.exit(f"the crate {name} has no license file: add its notice to scripts/notices.py")
    texts = ["\n".join(line.rstrip() for line in file.read_text("utf-8").strip("\n").splitlines()) for file in files]
    return "\n\n".join([f"{RULE}\n{name}\nIn: {', '.join(users)}\nLicense: {package['license']}", *texts]) + "\n"


def license_files(package: dict[str, Any]) -> list[Path]:
    """Returns the license files of a crate: that of the MIT license if the crate offers it, otherwise all."""
    directory = Path(package["manifest_path"]).parent
    top = [path for path in directory.iterdir() if path.is_file() and LICENSE_FILE.match(path.name)]
    if "MIT" in re.split(r" OR |/", package["license"] or ""):
        mit = [path for path in top if "mit" in path.name.lower()]
        if mit:
            return mit
    below = [path for path in directory.glob("third_party/**/*") if path.is_file() and LICENSE_FILE.match(path.name)]
    return sorted(top) + sorted(below)


if __name__ == "__main__":
    main()
