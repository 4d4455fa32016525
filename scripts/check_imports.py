"""Fails if modules of a crate import each other in a circle. `make check` runs it for the library and the command.

A path is an import if it begins with crate, self, super or a child module, also outside of a `use` declaration. It
counts for the module whose file has the item, or for the module that re-exports it. Test modules are left out.

usage: check_imports.py [DIRECTORY]
       DIRECTORY: the sources of the crate; default: src
"""

from __future__ import annotations

import re
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TEST_MODULES = {"tests", "model_tests"}
INLINE_TESTS = re.compile(r"#\[cfg\(test\)\]\n(pub(\(crate\))? )?mod \w+ \{.*", re.S)
COMMENT = re.compile(r"//.*")
# `pub(in crate::http)` imports nothing.
VISIBILITY = re.compile(r"\bpub\([^)]*\)")
USE = re.compile(r"\buse\s+([^;]+);")
PATH = re.compile(r"\b(?:crate|self|super)(?:::\w+)+")


def modules(directory: Path) -> dict[tuple[str, ...], Path]:
    """Returns the file of each module by the path of the module in the crate."""
    found = {}
    for file in directory.rglob("*.rs"):
        *parents, name = file.relative_to(directory).with_suffix("").parts
        module = (*parents, name) if name not in {"mod", "lib", "main"} else tuple(parents)
        if not TEST_MODULES & set(module):
            found[module] = file
    return found


def expanded(path: str) -> list[str]:
    """Returns the single paths of a path with braces, such as a::b and a::c of a::{b, c}."""
    prefix, brace, rest = path.partition("{")
    if not brace:
        return [path.strip()]
    parts, depth, start = [], 0, 0
    for position, character in enumerate(rest):
        if depth == 0 and character in ",}":
            parts.append(rest[start:position].strip())
            start = position + 1
        depth += {"{": 1, "}": -1}.get(character, 0)
    return [single for part in parts if part for single in expanded(prefix.strip() + part)]


def imports(module: tuple[str, ...], file: Path, known: dict[tuple[str, ...], Path]) -> set[tuple[str, ...]]:
    code = VISIBILITY.sub("pub", COMMENT.sub("", INLINE_TESTS.sub("", file.read_text())))
    declared = [path for tree in USE.findall(code) for path in expanded(" ".join(tree.split()))]
    imported = set()
    for path in [*declared, *PATH.findall(USE.sub("", code))]:
        first, *rest = path.split("::")
        roots = {"crate": (), "self": module, "super": module[:-1]}
        if (*module, first) in known:
            base, rest = module, [first, *rest]
        elif first in roots:
            base = roots[first]
        else:
            continue
        while rest and rest[0] == "super":
            base, rest = base[:-1], rest[1:]
        target = (*base, *rest)
        while target and target not in known:
            target = target[:-1]
        if target != module:
            imported.add(target)
    return imported


def main() -> int:
    directory = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "src"
    known = modules(directory)
    try:
        TopologicalSorter({module: imports(module, file, known) for module, file in known.items()}).prepare()
    except CycleError as error:
        circle = " -> ".join("::".join(module) for module in reversed(error.args[1]))
        print(f"{directory} has a circle of imports: {circle}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
