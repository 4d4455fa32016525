"""The programs and commands in the pages of the manual."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from local_glacier import ROOT

# The pages whose programs upload to my-vault. The others upload to the vault of the local Glacier without options.
READMES = [ROOT / "README.md", ROOT / "bindings" / "cpp" / "README.md"]
# tests/dask runs the programs of distributed.md, which need Dask.
PAGES = [*READMES, *sorted(set((ROOT / "docs").glob("*.md")) - {ROOT / "docs" / "distributed.md"})]
EMULATOR_PAGE = ROOT / "tests" / "emulator" / "README.md"
# Pages with commands. tests/python and tests/node run the programs of the packages.
SHELL_PAGES = [
    *PAGES,
    ROOT / "docs" / "distributed.md",
    EMULATOR_PAGE,
    ROOT / "bindings" / "python" / "README.md",
    ROOT / "bindings" / "node" / "README.md",
]
# A block: its language, a note for the tests, its text. Renderers ignore the note.
FENCE = re.compile(r"^```(\w+)(?: +([^\n]+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Snippet:
    page: Path
    line: int
    language: str
    note: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def snippets(pages: list[Path], *languages: str) -> list[Snippet]:
    """Returns the blocks in these languages, or in all."""
    found = []
    for page in pages:
        text = page.read_text(encoding="utf-8")
        for match in FENCE.finditer(text):
            snippet = Snippet(page, text.count("\n", 0, match.start()) + 1, match[1], match[2] or "", match[3])
            if not languages or snippet.language in languages:
                found.append(snippet)
    return found
