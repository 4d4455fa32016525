"""Resuming with a journal, after SIGKILL, and sharing an upload by part ranges."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable

import pytest

from glacier_mp import GlacierError, IntegrityError, LocalError, Progress, State, Upload, UsageError
from local import MIB, VAULT, Glacier, child, child_environment, content, wait_until

PART = "UploadMultipartPart"
COMPLETE = "CompleteMultipartUpload"
DATA = content(3 * MIB + 5)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "archive"
    path.write_bytes(DATA)
    return path


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal-ä"


def ranges(glacier: Glacier) -> list[tuple[int, int]]:
    """Returns the ranges of the parts received, in order of arrival."""
    return [tuple(request["range"]) for request in glacier.requests(PART)]


def acknowledged(glacier: Glacier) -> list[tuple[int, int]]:
    return [tuple(request["range"]) for request in glacier.requests(PART) if request["status"] == 204]


@pytest.mark.parametrize("form", [Path, str, os.fsencode])
def test_same_call_resumes(glacier: Glacier, path: Path, journal: Path, form: Callable[[Path], Any]) -> None:
    glacier.respond_with_error(403, "AccessDeniedException", COMPLETE)
    with glacier.client() as client:

        def upload() -> Any:
            return client.upload(VAULT, path, part_size=MIB, journal=form(journal))

        with pytest.raises(GlacierError) as caught:
            upload()
        assert caught.value.resumable
        archive = upload()
        requests = len(glacier.requests())
        assert upload() == archive, "a completed upload sends nothing"
    assert len(glacier.requests()) == requests
    assert glacier.archive(archive.archive_id) == DATA
    assert len(ranges(glacier)) == len(set(ranges(glacier))) == 4


class CallbackError(Exception):
    pass


@pytest.mark.parametrize("kind", ["refused", "exception", "started", "written"])
def test_journal_is_unlocked_when_the_error_is_caught(glacier: Glacier, path: Path, journal: Path, kind: str) -> None:
    """An exception refers to the frames of its traceback. These must not keep the journal locked."""

    def report(progress: Progress) -> None:
        if kind == "exception" and progress.parts_done:
            raise CallbackError

    source = None if kind == "written" else path
    glacier.fault("delay_answer", PART, millis=200)
    glacier.respond_with_error(403, "AccessDeniedException", COMPLETE)
    with glacier.client() as client:
        try:
            with Upload(client, VAULT, source, part_size=MIB, journal=journal, progress=report) as upload:
                if kind == "written":
                    upload.write(DATA)
                    upload.finish()
                elif kind == "started":
                    upload.start().result()
                else:
                    upload.run()
        except (GlacierError, CallbackError) as error:
            assert error.__traceback__ is not None
            glacier.clear_faults()
            archive = client.upload(VAULT, path, journal=journal)
    assert glacier.archive(archive.archive_id) == DATA


def test_same_call_determines_an_unknown_outcome(glacier: Glacier, path: Path, journal: Path) -> None:
    glacier.fault("lost_answer", COMPLETE, then="close")
    with glacier.client() as client:
        with pytest.raises(GlacierError) as caught:
            client.upload(VAULT, path, journal=journal)
        assert (caught.value.name, caught.value.resumable) == ("GLACIER_E_OUTCOME_UNKNOWN", True)
        assert client.upload(VAULT, path, journal=journal).archive_id == glacier.archives()[0]["archive_id"]


def test_journal_in_use_is_locked(glacier: Glacier, path: Path, journal: Path) -> None:
    with glacier.client() as client:
        with Upload(client, VAULT, part_size=MIB, journal=journal) as first:
            first.initiate()
            with Upload(client, VAULT, path, journal=journal) as second, pytest.raises(LocalError) as caught:
                second.run()
            assert caught.value.name == "GLACIER_E_LOCKED"
            assert str(journal) in caught.value.message
        archive = client.upload(VAULT, path, journal=journal)
    assert archive.location is not None
    assert len(glacier.requests("InitiateMultipartUpload")) == 1


@pytest.mark.parametrize("how", ["same", "link"])
@pytest.mark.parametrize("buffering", [-1, 0])
def test_journal_must_not_be_the_file_of_a_file_object(
    glacier: Glacier, journal: Path, tmp_path: Path, buffering: int, how: str
) -> None:
    journal.touch()
    link = tmp_path / "link"
    link.symlink_to(journal)
    path = journal if how == "same" else link
    fails = pytest.raises(UsageError, match="is the source file")
    with open(journal, "rb", buffering) as source, glacier.client() as client, fails:
        client.upload(VAULT, source, journal=path)
    assert journal.read_bytes() == b""
    assert glacier.requests() == []


@pytest.mark.parametrize("field", ["archive_id", "location"])
@pytest.mark.parametrize("text", ["\x1b[2J", "a\nforged", "\x9b31m", "\u202e"])
def test_journal_with_control_characters_is_rejected(
    glacier: Glacier, path: Path, journal: Path, field: str, text: str
) -> None:
    with glacier.client() as client:
        client.upload(VAULT, path, journal=journal)
        *lines, last = journal.read_bytes().splitlines(keepends=True)
        record = json.loads(last[17:])
        record["completed"][field] = text
        document = json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode()
        checksum = hashlib.sha256(document).hexdigest()[:16]
        journal.write_bytes(b"".join(lines) + f"{checksum} ".encode() + document + b"\n")
        with pytest.raises(LocalError) as caught:
            client.upload(VAULT, path, journal=journal)
    assert caught.value.name == "GLACIER_E_JOURNAL"
    assert caught.value.message.isprintable()


def test_file_that_is_not_a_journal_is_not_changed(glacier: Glacier, path: Path, journal: Path) -> None:
    journal.write_text("not a journal")
    with glacier.client() as client:
        with pytest.raises(LocalError) as caught:
            client.upload(VAULT, path, journal=journal)
        assert caught.value.name == "GLACIER_E_JOURNAL"
        assert journal.read_text() == "not a journal"
        with pytest.raises(LocalError) as caught:
            client.upload(VAULT, path, journal=journal / "missing")
        assert caught.value.name == "GLACIER_E_IO"
    assert glacier.requests() == []


def test_rejects_journal_of_another_part_size_or_source(glacier: Glacier, path: Path, journal: Path) -> None:
    glacier.respond_with_error(403, "AccessDeniedException", COMPLETE)
    with glacier.client() as client:
        with pytest.raises(GlacierError):
            client.upload(VAULT, path, part_size=MIB, journal=journal)
        with pytest.raises(LocalError) as caught:
            client.upload(VAULT, path, part_size=2 * MIB, journal=journal)
        assert (caught.value.name, "part size" in caught.value.message) == ("GLACIER_E_JOURNAL", True)
        path.write_bytes(DATA[:-1] + b"!")
        with pytest.raises(LocalError) as caught:
            client.upload(VAULT, path, journal=journal)
        assert caught.value.name == "GLACIER_E_SOURCE_CHANGED"
        with Upload(client, VAULT, path, journal=journal) as upload:
            upload.abort()
            assert upload.state is State.ABORTED
    assert (glacier.uploads(), glacier.archives()) == ([], [])


KILLED = """
import sys
from glacier_mp import Client, Config, Upload
from local import MIB, VAULT, settings

endpoint, path, journal, how = sys.argv[1:]
with Client(Config(**settings(endpoint, concurrency=2))) as client:
    if how == "path":
        print(client.upload(VAULT, path, part_size=MIB, journal=journal).archive_id)
    elif how == "file object":
        with open(path, "rb") as file:
            print(client.upload(VAULT, file, part_size=MIB, journal=journal).archive_id)
    else:
        with Upload(client, VAULT, part_size=MIB, journal=journal) as upload, open(path, "rb") as file:
            while upload.write(file.read(70_001)):
                pass
            print(upload.finish().archive_id)
"""


@pytest.mark.parametrize("how", ["path", "file object", "stream"])
def test_new_process_resumes_after_sigkill(glacier: Glacier, path: Path, journal: Path, how: str) -> None:
    data = content(12 * MIB + 5)
    path.write_bytes(data)
    arguments = (glacier.endpoint, str(path), str(journal), how)
    for run_number in range(1, 4):
        glacier.fault("stall", PART, skip=3, always=True)
        command = [sys.executable, "-c", KILLED, *arguments]
        process = subprocess.Popen(command, env=child_environment(), stdout=subprocess.PIPE)
        done, stalled = 3 * run_number, 2 * run_number
        wait_until(lambda: (len(acknowledged(glacier)), len(glacier.stalled())) == (done, stalled), process)  # noqa: B023
        process.send_signal(signal.SIGKILL)
        process.communicate()
        glacier.clear_faults()
    ended = child(KILLED, *arguments)
    assert (ended.stderr, ended.returncode) == ("", 0)
    assert glacier.archive(ended.stdout.strip()) == data
    assert len(set(acknowledged(glacier))) == len(acknowledged(glacier)) == 13, "no stored part is sent again"
    assert len(glacier.requests("InitiateMultipartUpload")) == 1
    assert glacier.uploads() == []


@contextmanager
def shared(glacier: Glacier, **more: Any) -> Iterator[tuple[Any, str]]:
    """Yields a client and the ID of an initiated upload."""
    with glacier.client(**more) as client, Upload(client, VAULT, part_size=MIB) as upload:
        upload.initiate()
        assert upload.upload_id is not None
        yield client, upload.upload_id


def test_part_ranges_share_an_upload(glacier: Glacier, path: Path) -> None:
    with shared(glacier) as (client, upload_id):
        for part_range in ((0, 2), (1, 1), (2, None)):
            with Upload(client, VAULT, path, upload_id=upload_id, part_range=part_range) as upload:
                upload.transfer()
                assert upload.archive_id is None
        with Upload(client, VAULT, upload_id=upload_id, archive_size=len(DATA)) as upload:
            archive = upload.complete()
    assert glacier.archive(archive.archive_id) == DATA
    assert [first // MIB for first, _ in sorted(ranges(glacier))] == [0, 1, 2, 3], "a part of two ranges is sent once"


@pytest.mark.parametrize(
    ("part_range", "size", "names"),
    [
        ((0, 3), len(DATA), "part 3"),
        ((1, None), len(DATA), "part 0"),
        ((0, None), len(DATA) + 1, str(len(DATA) + 1)),
        ((0, None), len(DATA) - 1, ""),
        ((0, None), len(DATA) + MIB, ""),
    ],
)
def test_rejects_complete_of_an_incomplete_archive(
    glacier: Glacier, path: Path, part_range: Any, size: int, names: str
) -> None:
    with shared(glacier) as (client, upload_id):
        with Upload(client, VAULT, path, upload_id=upload_id, part_range=part_range) as upload:
            upload.transfer()
        with Upload(client, VAULT, upload_id=upload_id, archive_size=size) as upload:
            with pytest.raises(IntegrityError) as caught:
                upload.complete()
            assert caught.value.name == "GLACIER_E_INCOMPLETE"
            assert names in caught.value.message
        with Upload(client, VAULT, upload_id=upload_id) as upload, pytest.raises(UsageError) as invalid:
            upload.complete()
        assert invalid.value.name == "GLACIER_E_INVALID"
    assert glacier.archives() == []


def test_rejects_invalid_part_ranges(glacier: Glacier, path: Path) -> None:
    with shared(glacier) as (client, upload_id):
        with pytest.raises(UsageError) as caught:
            Upload(client, VAULT, path, upload_id=upload_id, part_range=(0, 0))
        assert caught.value.name == "GLACIER_E_INVALID"
        wrong: Any
        for wrong in ((-1, 1), (0, 1 << 32), (0, 1, 2)):
            with pytest.raises(ValueError):
                Upload(client, VAULT, path, upload_id=upload_id, part_range=wrong)
        for outside in ((4, 1), (0, 5), (4, None)):
            with Upload(client, VAULT, path, upload_id=upload_id, part_range=outside) as upload:
                with pytest.raises(UsageError) as caught:
                    upload.transfer()
                assert caught.value.name == "GLACIER_E_INVALID"
        for source, upload_id_ in ((path, None), ([DATA], upload_id)):
            with Upload(client, VAULT, source, upload_id=upload_id_, part_range=(0, 1)) as upload:
                with pytest.raises(UsageError) as caught:
                    upload.transfer()
                assert caught.value.name == "GLACIER_E_STATE"
                with pytest.raises(UsageError) as caught:
                    upload.run()
                assert caught.value.name == "GLACIER_E_STATE"
    assert ranges(glacier) == []


def test_checks_sizes_before_the_first_request(glacier: Glacier, path: Path) -> None:
    with glacier.client() as client:
        with pytest.raises(UsageError, match=str(len(DATA))) as caught:
            client.upload(VAULT, path, archive_size=len(DATA) + 1)
        assert caught.value.name == "GLACIER_E_INVALID"
        wrong: Any
        for wrong in ({"archive_size": 0}, {"expected_size": 0}):
            with pytest.raises(UsageError):
                client.upload(VAULT, path, **wrong)
        for wrong in ({"archive_size": -1}, {"expected_size": -1}):
            with pytest.raises(ValueError, match=next(iter(wrong))):
                client.upload(VAULT, path, **wrong)
    assert glacier.requests() == []
