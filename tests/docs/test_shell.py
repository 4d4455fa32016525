"""Every block of shell commands in the manual runs against a local Glacier, or says why it does not."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from local_glacier import KEY, MIB, ROOT, LocalGlacier, content
from pages import EMULATOR_PAGE, READMES, SHELL_PAGES, Snippet, snippets

PROGRAMS = Path(os.environ["GLACIER_EMULATOR"]).parent
# Programs of the reader, and what they print.
STUBS = {"pg_dump": "echo dump of $*", "my-program": "env"}
NOT_RUN = "not-run: "
# Stops a local Glacier that the block leaves behind if one of its commands fails.
STOP_EMULATOR = """trap 'kill "${GLACIER_EMULATOR_PID-}" 2>/dev/null || true' EXIT\n"""
BLOCKS = snippets(SHELL_PAGES, "sh")
RUN = [block for block in BLOCKS if not block.note.startswith(NOT_RUN)]


def stub(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.mark.parametrize("block", RUN, ids=str)
def test_runs_commands(block: Snippet, tmp_path: Path) -> None:
    home = tmp_path / "home"
    programs = tmp_path / "bin"
    for directory in (home, programs, tmp_path / "target"):
        directory.mkdir()
    (tmp_path / "target" / "release").symlink_to(PROGRAMS)
    for name in ("glacier-mp", "glacier-emulator"):
        (programs / name).symlink_to(PROGRAMS / name)
    for name, script in STUBS.items():
        stub(programs / name, script)
        stub(tmp_path / name, script)
    for name in ("backup.tar", "monday.tar", "tuesday.tar"):
        (tmp_path / name).write_bytes(content(2 * MIB))
    vaults = ["my-vault"] if block.page in READMES else ["backups", "examplevault"]
    local = LocalGlacier(*(f for vault in vaults for f in ("--vault", vault)))
    environment = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "HOME": str(home),
        "AWS_ENDPOINT_URL_GLACIER": local.endpoint,
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": KEY["aws_access_key_id"],
        "AWS_SECRET_ACCESS_KEY": KEY["aws_secret_access_key"],
    }
    try:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", STOP_EMULATOR + block.text],
            cwd=tmp_path,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )
    finally:
        local.close()
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_block_has_valid_syntax_and_a_reason_not_to_run(block: Snippet) -> None:
    subprocess.run(["bash", "-n", "-c", block.text], check=True)
    assert not block.note or (block.note.startswith(NOT_RUN) and len(block.note) > len(NOT_RUN)), block.note


@pytest.mark.parametrize("block", snippets(SHELL_PAGES, "sh", "console"), ids=str)
def test_targets_of_make_exist(block: Snippet) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = re.findall(r"^(?:\$ )?(?:sudo )?make ((?:[a-z-]+ )*[a-z-]+)(?= |$)", block.text, re.MULTILINE)
    for target in " ".join(named).split():
        assert re.search(rf"^(run-)?([a-z-]+ )*{target}( [a-z-]+)*:", makefile, re.MULTILINE), target


@pytest.mark.parametrize("block", snippets([EMULATOR_PAGE], "python"), ids=str)
def test_pytest_example_runs(block: Snippet, tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["glacier_mp.testing"]\n')
    (tmp_path / "test_example.py").write_text(block.text)
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "bindings" / "python")}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout, done.stdout


def test_enough_blocks_run() -> None:
    # Each page that has commands for users of the installed programs.
    pages = {block.page.name for block in RUN}
    assert {"command.md", "first-upload.md", "certificates.md", EMULATOR_PAGE.name} <= pages, pages
