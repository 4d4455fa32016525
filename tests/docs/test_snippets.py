"""Every program in the manual runs against a local Glacier, or is a fragment that compiles."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from local_glacier import KEY, MIB, ROOT, LocalGlacier, content
from pages import PAGES, READMES, SHELL_PAGES, Snippet, snippets

LIBRARY = Path(os.environ["GLACIER_MP_LIBRARY"])
# Blocks of these languages are not programs. test_shell.py runs commands, and other suites what the others show.
OTHER = {"cmake", "console", "ini", "js", "json", "meson", "sh", "text", "toml"}
# A fragment in C uses these variables.
FRAGMENT = """
#include <glacier_mp.h>
#include <stdio.h>
int main(void) {{
    {declarations}
    {fragment}
    if (err != NULL) {{ fprintf(stderr, "%s\\n", glacier_error_message(err)); return 1; }}
    return 0;
}}
"""
DECLARATIONS = {
    "err": "glacier_error_t *err = NULL;",
    "config": "glacier_config_t *config = glacier_config_new();",
    "client": "glacier_client_t *client = NULL; glacier_client_new(config, &client, &err);",
    "upload": 'glacier_upload_t *upload = NULL; glacier_upload_new(client, "examplevault", &upload, &err);',
}


@pytest.fixture
def glacier(request: pytest.FixtureRequest) -> Iterator[LocalGlacier]:
    """Starts the local Glacier as the page of the program does."""
    call = getattr(request.node, "callspec", None)
    from_readme = call is not None and "snippet" in call.params and call.params["snippet"].page in READMES
    local = LocalGlacier(*(["--vault", "my-vault"] if from_readme else []))
    yield local
    local.close()


class Run(Protocol):
    """Runs a command that must succeed, and returns its output."""

    def __call__(self, *command: object) -> str: ...


@pytest.fixture
def run(glacier: LocalGlacier, tmp_path: Path) -> Run:
    (tmp_path / "backup.tar").write_bytes(content(4 * MIB))
    linked = tmp_path / "lib"
    linked.mkdir()
    for name in ("libglacier_mp.so", "libglacier_mp.so.0"):
        (linked / name).symlink_to(LIBRARY)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "PYTHONPATH": str(ROOT / "bindings" / "python"),
        "GLACIER_MP_LIBRARY": str(LIBRARY),
        "LD_LIBRARY_PATH": str(linked),
        "AWS_ENDPOINT_URL_GLACIER": glacier.endpoint,
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": KEY["aws_access_key_id"],
        "AWS_SECRET_ACCESS_KEY": KEY["aws_secret_access_key"],
    }

    def run(*command: object) -> str:
        words = [str(word) for word in command]
        done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def test_finds_every_block() -> None:
    for page in SHELL_PAGES:
        openings = re.findall(r"^```\w", page.read_text(encoding="utf-8"), re.MULTILINE)
        assert len(snippets([page])) == len(openings), page


def test_links_name_files_of_the_repository() -> None:
    # Directories that only `make docs` writes, or whose pages only `make docs` makes readable.
    built = ROOT / "docs" / "reference"
    for page in {*SHELL_PAGES, *PAGES, ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", ROOT / "tests" / "README.md"}:
        text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
        for link in re.findall(r"\]\((?!\w+:|#)([^)#\s]+)", text):
            target = (page.parent / link).resolve()
            assert target.exists(), f"{page}: {link}"
            assert not target.is_relative_to(built), f"{page}: {link}"


@pytest.mark.parametrize("size", [1, 20_000_000, 3 * 16 * MIB])
def test_several_machines_divide_each_size(size: int, run: Run, tmp_path: Path) -> None:
    (tmp_path / "backup.tar").write_bytes(content(size))
    (snippet,) = snippets([ROOT / "docs" / "several-machines.md"], "python")
    run(sys.executable, "-c", snippet.text)


def test_knows_every_language() -> None:
    known = OTHER | {"python", "c", "cpp"}
    unknown = [snippet for snippet in snippets(PAGES) if snippet.language not in known]
    assert not unknown


@pytest.mark.parametrize("snippet", snippets(PAGES, "python"), ids=str)
def test_runs_python(snippet: Snippet, run: Run, tmp_path: Path) -> None:
    if "import boto3" in snippet.text:
        # Only make test-clients installs it.
        compile(snippet.text, str(snippet), "exec")
        return
    program = tmp_path / "program.py"
    program.write_text(snippet.text, encoding="utf-8")
    run(sys.executable, "-W", "error", program)


@pytest.mark.parametrize("snippet", snippets(PAGES, "c", "cpp"), ids=str)
def test_compiles_and_runs_c(snippet: Snippet, run: Run, tmp_path: Path) -> None:
    compiler = ["cc", "-std=c99", "-xc"] if snippet.language == "c" else ["c++", "-std=c++17", "-xc++"]
    text = snippet.text
    if "int main(" not in text:
        names = [name for name in DECLARATIONS if not re.search(rf"\b{name} = ", text)]
        text = FRAGMENT.format(declarations="\n    ".join(DECLARATIONS[name] for name in names), fragment=text)
    source = tmp_path / "program.src"
    source.write_text(text, encoding="utf-8")
    flags = ["-Wall", "-Wextra", "-Werror", f"-I{ROOT}/include", f"-I{ROOT}/bindings/cpp", f"-L{tmp_path}/lib"]
    run(*compiler, *flags, "-o", tmp_path / "program", source, "-lglacier_mp", "-pthread")
    run(tmp_path / "program")


def test_page_of_errors_has_every_error() -> None:
    header = (ROOT / "include" / "glacier_mp.h").read_text(encoding="utf-8")
    page = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    # A cell shortens the names after its first one: "`GLACIER_E_INVALID`, `_NULL`".
    cells = re.findall(r"^\| (`GLACIER_E_.*?`) \|", page, re.MULTILINE)
    documented = {name.removeprefix("GLACIER_E") for cell in cells for name in re.findall(r"`(\w+)`", cell)}
    errors = set(re.findall(r"^    GLACIER_E(_\w+) = ", header, re.MULTILINE))
    assert documented == errors


def test_table_of_plans_is_true(run: Run) -> None:
    page = (ROOT / "docs" / "costs-and-limits.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) (GB|TB) \| (\d+) (MiB|GiB) \| ([\d,]+) \| ([\d,]+) \|$", page, re.MULTILINE)
    assert len(rows) == 4
    for size, unit, part_size, part_unit, parts, requests in rows:
        total = int(size) * {"GB": 10**9, "TB": 10**12}[unit]
        program = f"import glacier_mp; p = glacier_mp.plan({total}); print(p.part_size, p.part_count, p.request_count)"
        expected = [int(part_size) * {"MiB": 2**20, "GiB": 2**30}[part_unit], parts, requests]
        assert run(sys.executable, "-c", program).split() == [str(value).replace(",", "") for value in expected]
