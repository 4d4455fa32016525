"""Each program of examples/ uploads a file with progress, and reports an error."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Optional

import pytest

from local_glacier import KEY, MIB, REGION, ROOT, VAULT, LocalGlacier, content, wait_until
from programs import DISPLAY_FAILED, EXAMPLES, LANGUAGES, TIMEOUT, Program, program_with_defect

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
        command = f"{LANGUAGES[language].build} {LANGUAGES[language].run} VAULT FILE [JOURNAL]"
        command = command.replace("SRC/", "").replace("OUT/", "").replace("OUT", ".")
        # The test adds warnings and places of outputs. Each word of the page is in its command, in the same order.
        words = iter(command.split())
        assert all(word in words for word in shown.split() if word != "&&"), (language, shown, command)


def test_uploads_file_with_progress(program: Program, glacier: LocalGlacier, archive: Path) -> None:
    done = program.run(settings(glacier), VAULT, str(archive))
    assert done.returncode == 0, done.stderr
    assert glacier.archive(done.stdout.strip()) == archive.read_bytes()
    lines = done.stderr.splitlines()
    assert all(re.fullmatch(rf"\d+( of {SIZE})? bytes", line) for line in lines), done.stderr
    assert lines[-1] == f"{SIZE} of {SIZE} bytes"


def test_reports_error_with_name_and_message(program: Program, glacier: LocalGlacier, archive: Path) -> None:
    done = program.run(settings(glacier), "other-vault", str(archive))
    assert (done.returncode, done.stdout) == (1, "")
    assert re.search(r"^GLACIER_E_NOT_FOUND: .*other-vault", done.stderr, re.MULTILINE), done.stderr


def test_omits_a_total_that_is_not_known(program: Program, glacier: LocalGlacier, tmp_path: Path) -> None:
    missing = tmp_path / "fehlt-ü"
    done = program.run(settings(glacier), VAULT, str(missing))
    assert (done.returncode, done.stdout) == (1, "")
    *progress, error = done.stderr.splitlines()
    assert progress
    assert set(progress) == {"0 bytes"}
    assert re.match(rf"GLACIER_E_IO: .*{re.escape(str(missing))}", error), error
    assert glacier.requests() == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["SIGKILL", "SIGINT"])
def test_resumes_with_the_journal_after_a_signal(
    program: Program, glacier: LocalGlacier, archive: Path, tmp_path: Path, number: signal.Signals
) -> None:
    arguments = (VAULT, str(archive), str(tmp_path / "journal-ü"))
    # The archive has two parts.
    stalled = 0
    glacier.fault("stall", "UploadMultipartPart", part=stalled, always=True)
    with program.start(settings(glacier), *arguments) as running:
        try:
            acknowledged = first_acknowledged(running.stderr)
            wait_until(glacier.stalled, running)
            (upload,) = glacier.uploads()
            running.send_signal(number)
            output, errors = running.communicate(timeout=TIMEOUT)
        finally:
            running.kill()
    assert (output, acknowledged) == ("", f"{SIZE - upload['part_size']} of {SIZE} bytes"), errors
    assert running.returncode not in (0, -signal.SIGABRT, 128 + signal.SIGABRT), errors
    assert "fatal runtime error" not in errors
    if number == signal.SIGINT:
        assert LANGUAGES[program.language].after_sigint in f"status {running.returncode}: {errors}"
    glacier.clear_faults()
    earlier = len(glacier.requests("UploadMultipartPart"))

    done = program.run(settings(glacier), *arguments)
    assert done.returncode == 0, done.stderr
    assert glacier.archive(done.stdout.strip()) == archive.read_bytes()
    assert [request["part"] for request in glacier.requests("UploadMultipartPart")[earlier:]] == [stalled]
    assert len(glacier.requests("InitiateMultipartUpload")) == 1


def first_acknowledged(stderr: Optional[IO[str]]) -> str:
    """Reads the progress until a part is acknowledged, and returns that line."""
    assert stderr is not None
    return next((line.strip() for line in stderr if not line.startswith("0 ")), "no part was acknowledged")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_prints_the_archive_id_if_standard_error_cannot_be_written(
    program: Program, glacier: LocalGlacier, archive: Path
) -> None:
    with open("/dev/full", "w") as full:
        done = program.run(settings(glacier), VAULT, str(archive), stderr=full)
    assert done.returncode == 0
    assert glacier.archive(done.stdout.strip()) == archive.read_bytes()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_fails_with_exit_status_if_standard_error_cannot_be_written(
    program: Program, glacier: LocalGlacier, archive: Path
) -> None:
    with open("/dev/full", "w") as full:
        done = program.run(settings(glacier), "other-vault", str(archive), stderr=full)
    assert (done.returncode, done.stdout) == (1, "")


@pytest.mark.parametrize("language", sorted(name for name in LANGUAGES if LANGUAGES[name].defect))
def test_raises_an_exception_of_the_callback_again(
    language: str, glacier: LocalGlacier, archive: Path, tmp_path: Path
) -> None:
    # Without GLACIER_STOP, the upload does not end.
    glacier.fault("stall", "UploadMultipartPart", always=True)
    done = program_with_defect(language, tmp_path).run(settings(glacier), VAULT, str(archive))
    assert done.returncode > 0, done.stderr
    assert DISPLAY_FAILED in done.stdout + done.stderr
    # Messages of Rust, PHP and SBCL about an exception that left the callback.
    assert not re.search("fatal runtime error|FFI callbacks|foreign function", done.stdout + done.stderr), done.stderr
    assert "GLACIER_E_CALLBACK" not in done.stderr
    assert glacier.archives() == []


def test_reports_error_in_racket_after_a_collection_in_the_callback(
    glacier: LocalGlacier, archive: Path, tmp_path: Path
) -> None:
    # The collector moves memory while the library holds the address of the error pointer.
    program = program_with_defect("racket", tmp_path, "(collect-garbage)")
    done = program.run(settings(glacier), "other-vault", str(archive))
    assert (done.returncode, done.stdout) == (1, "")
    assert re.search(r"^0 of .*\nGLACIER_E_NOT_FOUND: .*other-vault", done.stderr, re.MULTILINE | re.DOTALL), (
        done.stderr
    )


def test_uploads_in_racket_if_standard_error_is_a_full_pipe(
    glacier: LocalGlacier, archive: Path, tmp_path: Path
) -> None:
    # A callback runs in atomic mode. Racket ends a program that blocks there.
    reader, writer = os.pipe()
    with open(reader), open(writer, "wb", buffering=0) as full:
        os.set_blocking(writer, False)
        while full.write(bytes(4096)):
            pass
        os.set_blocking(writer, True)
        done = Program("racket", tmp_path).run(settings(glacier), VAULT, str(archive), stderr=full)
    assert done.returncode == 0
    assert glacier.archive(done.stdout.strip()) == archive.read_bytes()


def test_reports_usage(program: Program) -> None:
    done = program.run({})
    assert (done.returncode, done.stdout) == (2, "")
    assert "VAULT FILE [JOURNAL]" in done.stderr
