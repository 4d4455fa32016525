"""Converts the comments of the C header into reStructuredText.

The header is plain text for programmers who have only the header. This module creates one page per section of it. Sphinx
takes the declarations and their comments from the header through hawkmoth, which calls `to_rest` for each comment.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass, field
from pathlib import Path

# Names of the library in text, and the directive by which Sphinx links each.
_NAME = re.compile(r"\b(glacier_[a-z0-9_]*[a-z0-9]|GLACIER_[A-Z0-9_]*[A-Z0-9])\b")
_SECTION = re.compile(r"/\* ==== (.+?) =+(.*?)\*/", re.DOTALL)
_CONTRACT_SECTION = re.compile(r"^== (.+) ==$")
_LIST_ITEM = re.compile(r"- ")
_COLUMNS = re.compile(r"^ {4}(\S.*?) {2,}(\S.*)$")


@dataclass
class Section:
    """A section of the header: its introduction and its declarations."""

    title: str
    introduction: str
    names: list[tuple[str, str]] = field(default_factory=list)

    @property
    def page(self) -> str:
        return self.title.lower().replace(" ", "-")


class Header:
    """The header: its contract and its sections."""

    def __init__(self, path: Path) -> None:
        text = path.read_text(encoding="utf-8")
        self.path = path
        self.contract = _contract(_plain(text[: text.index("*/")]))
        self.macros = _macros(text)
        self.sections = _sections(text)
        self._kinds = {name: kind for section in self.sections for kind, name in section.names}
        for name in re.findall(r"^    (GLACIER_\w+) = ", text, re.MULTILINE):
            self._kinds[name] = "enumerator"
        for _, names in self.macros:
            self._kinds.update(dict.fromkeys(names, "macro"))

    def to_rest(self, text: str) -> str:
        """Converts a comment."""
        return _Converter(self._kinds).convert(text)

    def write_pages(self, directory: Path) -> None:
        """Writes a page per section, and the index."""
        directory.mkdir(parents=True, exist_ok=True)
        pages = {"contract": self._contract_page(), "constants": self._constants_page()}
        for section in self.sections:
            pages[section.page] = self._section_page(section)
        pages["index"] = _INDEX + "".join(f"   {page}\n" for page in pages)
        for old in directory.glob("*.rst"):
            if old.stem not in pages:
                old.unlink()
        for page, text in pages.items():
            file = directory / f"{page}.rst"
            # Sphinx reads only pages that changed.
            if not file.exists() or file.read_text(encoding="utf-8") != text:
                file.write_text(text, encoding="utf-8")

    def _contract_page(self) -> str:
        page = _heading("Contract", "=")
        for title, text in self.contract:
            page += (_heading(title, "-") if title else "") + self.to_rest(text) + "\n\n"
        return page

    def _constants_page(self) -> str:
        page = _heading("Constants", "=")
        for comment, names in self.macros:
            # One description for all names of a group.
            page += "\n".join(f"{'.. c:macro:: ' if name == names[0] else ' ' * 14}{name}" for name in names)
            page += "\n\n" + textwrap.indent(self.to_rest(comment), "   ") + "\n\n"
        return page

    def _section_page(self, section: Section) -> str:
        page = _heading(section.title, "=") + self.to_rest(section.introduction) + "\n\n"
        for kind, name in section.names:
            members = "   :members:\n" if kind in ("struct", "enum") else ""
            page += f".. c:auto{kind}:: {name}\n   :file: include/{self.path.name}\n{members}\n"
        return page


def _contract(text: str) -> list[tuple[str, str]]:
    """Divides the first comment into its sections: titles and texts."""
    sections: list[tuple[str, list[str]]] = [("", [])]
    for line in text.splitlines():
        if title := _CONTRACT_SECTION.match(line):
            sections.append((title[1], []))
        else:
            sections[-1][1].append(line)
    return [(title, "\n".join(lines).strip("\n")) for title, lines in sections]


def _macros(text: str) -> list[tuple[str, list[str]]]:
    """Returns the macros: the comment of each group, and its names."""
    groups = re.findall(r"^/\* ([^*]+?) \*/\n((?:#define GLACIER_\w+ .*\n(?: {4}.*\n)*)+)", text, re.MULTILINE)
    return [(comment, re.findall(r"^#define (\w+)", lines, re.MULTILINE)) for comment, lines in groups]


def _sections(text: str) -> list[Section]:
    found = list(_SECTION.finditer(text))
    sections = []
    for match, following in zip(found, [*found[1:], None]):
        section = Section(match[1], _plain(match[2]).strip("\n"))
        body = text[match.end() : following.start() if following else text.index("} /* extern")]
        section.names = _declarations(body)
        if section.names:
            sections.append(section)
    return sections


def _declarations(text: str) -> list[tuple[str, str]]:
    """Returns kind and name of each declaration, in the order of the header."""
    code = re.sub(r"/\*.*?\*/", lambda comment: " " * len(comment[0]), text, flags=re.DOTALL)
    patterns = {
        "struct": r"^typedef struct \{.*?\} (\w+);",
        "enum": r"^typedef enum \{.*?\} (\w+);",
        "type": r"^typedef (?!struct \{|enum \{)[^;{]*?(?:\(\*(\w+)\)\([^;]*\)|(\w+));",
        "function": r"^(?!typedef)[\w *]+?\**(glacier_\w+)\([^;]*\);",
    }
    found = []
    for kind, pattern in patterns.items():
        for match in re.finditer(pattern, code, re.MULTILINE | re.DOTALL):
            found.append((match.start(), kind, next(name for name in match.groups() if name)))
    return [(kind, name) for _, kind, name in sorted(found)]


def _plain(comment: str) -> str:
    """Removes the stars of a comment."""
    lines = (re.sub(r"^ ?(/\*+|\*) ?", "", line) for line in comment.splitlines())
    return "\n".join(lines)


def _heading(title: str, underline: str) -> str:
    return f"{title}\n{underline * len(title)}\n\n"


class _Converter:
    def __init__(self, kinds: dict[str, str]) -> None:
        self._kinds = kinds

    def convert(self, text: str) -> str:
        blocks = re.split(r"\n[ ]*\n", textwrap.dedent(text).strip("\n"))
        return "\n\n".join(self._block(block) for block in _merge_code(blocks))

    def _block(self, block: str) -> str:
        if block.startswith("    "):
            columns = [_COLUMNS.match(line) for line in block.splitlines()]
            if columns[0] and not re.search(r"[;(){}]", block.splitlines()[0]):
                return self._table(block)
            return ".. code-block:: c\n\n" + textwrap.indent(textwrap.dedent(block), "   ")
        lines = block.splitlines()
        first = next((index for index, line in enumerate(lines) if _LIST_ITEM.match(line)), None)
        if first is not None:
            text = self._text("\n".join(lines[:first]))
            # A list ends at a line that is not indented.
            end = next(
                (i for i in range(first, len(lines)) if not _LIST_ITEM.match(lines[i]) and not lines[i].startswith("  ")),
                len(lines),
            )
            after = self._text("\n".join(lines[end:]))
            return "\n\n".join(part for part in (text, self._text("\n".join(lines[first:end])), after) if part)
        # These parts of a comment are paragraphs of their own.
        parts = re.split(r"\s*\b(?=(?:Results|Since): )", block)
        return "\n\n".join(self._labeled(part) for part in parts if part)

    def _labeled(self, part: str) -> str:
        label = re.match(r"(Results|Since): ", part)
        return f"**{label[1]}:** {self._text(part[label.end() :])}" if label else self._text(part)

    def _table(self, block: str) -> str:
        """Converts two columns, of which the second may continue in more lines."""
        rows: list[list[str]] = []
        for line in block.splitlines():
            if columns := _COLUMNS.match(line):
                rows.append([columns[1], columns[2]])
            elif rows:
                rows[-1][1] += " " + line.strip()
        cells = (f"   * - {self._text(name)}\n     - {self._text(text)}\n" for name, text in rows)
        return ".. list-table::\n   :widths: auto\n\n" + "".join(cells)

    def _text(self, text: str) -> str:
        """Converts text without blocks. Text between backticks is code."""
        pieces = text.split("`")
        return "".join(f"``{piece}``" if index % 2 else self._plain_text(piece) for index, piece in enumerate(pieces))

    def _plain_text(self, text: str) -> str:
        text = re.sub(r"([*|\\])", r"\\\1", text)
        # A name that ends with an underscore is a reference in reStructuredText.
        text = re.sub(r"(\w)_(?!\w)", r"\1\\_", text)
        return _NAME.sub(self._link, text)

    def _link(self, match: re.Match[str]) -> str:
        roles = {
            "function": "func", "type": "type", "struct": "struct", "enum": "enum", "enumerator": "enumerator", "macro": "macro"
        }
        kind = self._kinds.get(match[0])
        # Sphinx knows a typedef of an unnamed struct or enum by the name of the typedef.
        return f":c:{roles[kind]}:`{match[0]}`" if kind else f"``{match[0]}``"


def _merge_code(blocks: list[str]) -> list[str]:
    """Joins code that contains empty lines."""
    merged: list[str] = []
    for block in blocks:
        if merged and merged[-1].startswith("    ") and block.startswith("    "):
            merged[-1] += "\n\n" + block
        else:
            merged.append(block)
    return merged


_INDEX = """C
=

The reference is the content of ``glacier_mp.h``.

.. toctree::
   :maxdepth: 1

"""
