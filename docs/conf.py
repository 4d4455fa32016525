"""Configuration of the manual. `make docs` builds it."""

import os
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "docs" / "manual"), str(ROOT / "bindings" / "python")]

from c_header import Header  # noqa: E402

project = "libglacier_mp"
author = "the authors of libglacier_mp"
version = release = re.search(r'^version = "(.*)"', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)[1]

extensions = ["myst_parser", "hawkmoth", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["README.md", "manual", "requirements.txt", "man"]
# A link that leads nowhere is an error: `make docs` treats warnings as errors.
nitpicky = True
nitpick_ignore_regex = [("c:identifier", r"u?int\d+_t|size_t"), ("py:.*", r".*"), ("cpp:.*", r".*")]

# Quotes and hyphens in text are those of programs.
smartquotes = False

html_theme = "furo"
html_title = f"libglacier_mp {version}"
html_static_path = []

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

hawkmoth_root = str(ROOT)
hawkmoth_compiler = "gcc"
hawkmoth_clang = [f"-I{ROOT}/include"]
hawkmoth_clang_cpp = ["-std=c++17"]

autodoc_member_order = "bysource"
autodoc_typehints = "description"

HEADER = Header(ROOT / "include" / "glacier_mp.h")


def _convert_comment(app, lines, transform, options):
    lines[:] = HEADER.to_rest("\n".join(lines)).splitlines()


# Pages of the manual that are files elsewhere in the repository.
PAGES = {
    "tests/emulator/README.md": "reference/emulator.md",
    "bindings/python/README.md": "reference/python.md",
    "bindings/python": "reference/python.md",
    "bindings/node/README.md": "reference/node.md",
    "bindings/node": "reference/node.md",
    "include/glacier_mp.h": "reference/c/index.rst",
}
# A link to a relative path, without its fragment.
LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((?!\w+:|#)([^)#\s]+)(#[^)\s]*)?\)")


def _redirect_links(app, docname, source):
    """Points links out of docs/ at the pages of the manual. A file that is no page keeps its name without a link."""
    origin = ORIGINS.get(docname, ROOT / "docs" / docname)
    here = (ROOT / "docs" / docname).parent

    def redirect(match):
        text, target, fragment = match[1], match[2], match[3] or ""
        path = (origin.parent / target).resolve()
        if not path.exists():
            return match[0]
        page = PAGES.get(str(path.relative_to(ROOT)))
        page = ROOT / "docs" / page if page else path
        if page.is_relative_to(ROOT / "docs") and page.suffix in (".md", ".rst", ".svg"):
            return f"[{text}]({os.path.relpath(page, here)}{fragment})"
        return text

    if docname in ORIGINS:
        source[0] = origin.read_text(encoding="utf-8")
    if str(app.env.doc2path(docname, base=False)).endswith(".md"):
        source[0] = LINK.sub(redirect, source[0])


# Pages whose text is a file elsewhere in the repository.
ORIGINS = {
    "reference/emulator": ROOT / "tests" / "emulator" / "README.md",
    "reference/node": ROOT / "bindings" / "node" / "README.md",
}


def setup(app):
    app.connect("source-read", _redirect_links)
    HEADER.write_pages(ROOT / "docs" / "reference" / "c")
    app.connect("hawkmoth-process-docstring", _convert_comment)
