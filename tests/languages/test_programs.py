"""Each program of examples/ uploads a file with progress, and reports an error."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_glacier import KEY, MIB, REGION, ROOT, VAULT, LocalGlacier, content
from programs import EXAMPLES, JNA, LANGUAGES, Program

SIZE = 20 * MIB + 1


@pytest.fixture(scope="session", params=sorted(LANGUAGES))
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Program:
    return Program(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("archive") / "données.bin"
    path.write_bytes(content(SIZE))
    return path


@pytest.fixture
def glacier() -> Iterator[LocalGlacier]:
    local = LocalGlacier()
    yield local
    local.close()


def settings(glacier: LocalGlacier) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL_GLACIER": glacier.endpoint,
        "AWS_REGION": REGION,
        "AWS_ACCESS_KEY_ID": KEY["aws_access_key_id"],
        "AWS_SECRET_ACCESS_KEY": KEY["aws_secret_access_key"],
    }


def test_runs_each_program() -> None:
    assert sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir()) == sorted(LANGUAGES)


def test_page_shows_the_commands_that_run() -> None:
    page = (ROOT / "docs" / "languages.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\|.*\| \[`(\w+)/.*\| `([^`]+)` \|$", page, re.MULTILINE)
    assert sorted(language for language, _ in rows) == sorted(LANGUAGES)
    for language, shown in rows:
        command = f"{LANGUAGES[language].build} {LANGUAGES[language].run} VAULT FILE"
        command = command.replace(JNA, "jna.jar").replace("SRC/", "").replace("OUT/", "").replace("OUT", ".")
        # The test adds warnings and places of outputs. Each word of the page is in its command, in the same order.
        words = iter(command.split())
        assert all(word in words for word in shown.split() if word != "&&"), (language, shown, command)


def test_uploads_file_with_progress(program: Program, glacier: LocalGlacier, archive: Path) -> None:
    done = program.run(settings(glacier), VAULT, str(archive))
    assert done.returncode == 0, done.stderr
    assert glacier.archive(done.stdout.strip()) == archive.read_bytes()
    lines = done.stderr.splitlines()
    assert all(re.fullmatch(r"\d+ of \d+ bytes", line) for line in lines), done.stderr
    assert lines[-1] == f"{SIZE} of {SIZE} bytes"


def test_reports_error_with_name_and_message(program: Program, glacier: LocalGlacier, archive: Path) -> None:
    done = program.run(settings(glacier), "other-vault", str(archive))
    assert (done.returncode, done.stdout) == (1, "")
    assert re.search(r"^GLACIER_E_NOT_FOUND: .*other-vault", done.stderr, re.MULTILINE), done.stderr


def test_reports_error_before_anything_is_sent(program: Program, glacier: LocalGlacier, tmp_path: Path) -> None:
    missing = tmp_path / "fehlt-ü"
    done = program.run(settings(glacier), VAULT, str(missing))
    assert (done.returncode, done.stdout) == (1, "")
    assert re.search(rf"^GLACIER_E_IO: .*{re.escape(str(missing))}", done.stderr, re.MULTILINE), done.stderr
    assert glacier.requests() == []


def test_reports_usage(program: Program) -> None:
    done = program.run({})
    assert (done.returncode, done.stdout) == (2, "")
    assert "VAULT FILE" in done.stderr
