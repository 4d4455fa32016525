"""Exceptions of callbacks that arrive when the archive exists, and exceptions that an awaiting task cannot receive."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from glacier_mp import Archive, Client, LocalError, Progress, State, Upload, UsageError
from local import MIB, VAULT, Glacier, content

PART = "UploadMultipartPart"


class CallbackError(Exception):
    pass


def fail_after_the_archive(upload: Upload) -> None:
    """A callback that fails once the archive exists."""
    if upload.state is State.COMPLETED:
        raise CallbackError("in the last callback")


def run(upload: Upload) -> Archive:
    return upload.run()


def start(upload: Upload) -> Archive:
    return upload.start().result()


def run_async(upload: Upload) -> Archive:
    return asyncio.run(upload.run_async())


@pytest.mark.parametrize("call", [run, start, run_async])
@pytest.mark.parametrize("kind", [CallbackError, KeyboardInterrupt, UsageError])
def test_exception_after_the_archive_was_created_has_the_archive(
    glacier: Glacier, call: Callable[[Upload], Archive], kind: type[BaseException]
) -> None:
    def report(progress: Progress) -> None:
        if upload.state is State.COMPLETED:
            raise kind("in the last callback")

    with glacier.client() as client, Upload(client, VAULT, content(MIB), progress=report) as upload:
        with pytest.raises(kind) as caught:
            call(upload)
        archive = caught.value.archive  # type: ignore[attr-defined]
    assert archive == Archive(upload.archive_id or "", upload.archive_location, upload.checksum)
    assert glacier.archive(archive.archive_id) == content(MIB)
    if sys.version_info >= (3, 11):
        (note,) = caught.value.__notes__
        assert archive.archive_id in note


def test_exception_of_the_last_callback_of_other_calls_has_the_archive(glacier: Glacier) -> None:
    def report(progress: Progress) -> None:
        fail_after_the_archive(upload)

    with glacier.client() as client:
        for end in ("finish", "complete", "run again"):
            upload = Upload(client, VAULT, b"data" if end == "run again" else None, part_size=MIB, progress=report)
            if end == "finish":
                upload.write(b"data")
            elif end == "complete":
                upload.initiate()
                upload.put_part(0, b"data")
            for _ in range(2):
                with pytest.raises(CallbackError) as caught:
                    (upload.run if end == "run again" else getattr(upload, end))()
                assert caught.value.archive.archive_id == upload.archive_id  # type: ignore[attr-defined]
            upload.close()
    assert len(glacier.archives()) == 3


def test_client_upload_does_not_lose_the_archive(glacier: Glacier) -> None:
    def report(progress: Progress) -> None:
        if glacier.archives():
            raise CallbackError

    with glacier.client() as client, pytest.raises(CallbackError) as caught:
        client.upload(VAULT, b"data", progress=report)
    archive = caught.value.archive  # type: ignore[attr-defined]
    assert [each["archive_id"] for each in glacier.archives()] == [archive.archive_id]


def test_exception_without_an_archive_has_none(glacier: Glacier) -> None:
    def report(progress: Progress) -> None:
        if progress.parts_in_flight:
            raise CallbackError

    glacier.fault("stall", PART)
    with glacier.client() as client, pytest.raises(CallbackError) as caught:
        client.upload(VAULT, b"data", progress=report)
    assert not hasattr(caught.value, "archive") and not hasattr(caught.value, "__notes__")


def archive_of_error(upload: Upload, call: Callable[[Upload], Archive]) -> Archive:
    """The example of the class Upload, under "Callbacks"."""
    try:
        archive: Any = call(upload)
    except Exception as error:
        archive = getattr(error, "archive", None)
        if archive is None or archive.archive_id != upload.archive_id:
            raise
    assert isinstance(archive, Archive)
    return archive


class Failing(Upload):
    """An upload whose callback raises an exception once the archive exists."""

    def __init__(self, client: Client, error: Exception) -> None:
        def report(progress: Progress) -> None:
            if self.state is State.COMPLETED:
                raise error

        super().__init__(client, VAULT, b"data", progress=report)


@pytest.mark.parametrize("call", [run, start, run_async])
@pytest.mark.parametrize("kind", [CallbackError, StopIteration])
def test_exception_that_uploads_share_has_the_archive_of_the_last_one(
    glacier: Glacier, kind: type[Exception], call: Callable[[Upload], Archive]
) -> None:
    shared = kind("shared")

    class Source:
        def read(self, size: int) -> bytes:
            raise shared

    with glacier.client() as client:
        first, second = Failing(client, shared), Failing(client, shared)
        for upload in (first, second, first):
            assert archive_of_error(upload, call).archive_id == upload.archive_id
        with pytest.raises((kind, RuntimeError)) as caught:
            archive_of_error(Upload(client, VAULT, Source()), call)
    assert not hasattr(shared, "archive") and not hasattr(caught.value, "archive")
    if sys.version_info >= (3, 11):
        note_of_first, note_of_second = shared.__notes__
        assert str(first.archive_id) in note_of_first and str(second.archive_id) in note_of_second


@pytest.mark.parametrize("call", [run, start, run_async])
def test_archive_of_an_upload_in_a_source_is_not_that_of_the_outer_upload(
    glacier: Glacier, call: Callable[[Upload], Archive]
) -> None:
    with glacier.client() as client:
        inner = Failing(client, CallbackError("of the inner upload"))

        def source() -> Iterator[bytes]:
            yield b"outer"
            inner.run()

        outer = Upload(client, VAULT, source())
        with pytest.raises(CallbackError) as caught:
            archive_of_error(outer, call)
    assert not hasattr(caught.value, "archive")
    assert [each["archive_id"] for each in glacier.archives()] == [inner.archive_id]


def test_source_that_differs_from_the_archive_of_a_journal_is_an_error(glacier: Glacier, tmp_path: Path) -> None:
    with glacier.client() as client:
        with Upload(client, VAULT, b"one", journal=tmp_path / "journal") as upload:
            upload.run()
        with Upload(client, VAULT, b"two", journal=tmp_path / "journal") as upload:
            # The upload then has an archive, but not of this source.
            with pytest.raises(LocalError) as caught:
                archive_of_error(upload, run)
            assert upload.archive_id and caught.value.name == "GLACIER_E_SOURCE_CHANGED"


class SealedError(Exception):
    def __setattr__(self, name: str, value: object) -> None:
        raise TypeError("no attributes")


def test_exception_that_takes_no_attribute_is_raised_unchanged(glacier: Glacier) -> None:
    def report(progress: Progress) -> None:
        if upload.state is State.COMPLETED:
            raise SealedError

    with glacier.client() as client, Upload(client, VAULT, b"data", progress=report) as upload:
        with pytest.raises(SealedError):
            upload.run()
        if sys.version_info < (3, 11):
            assert upload.archive_id


@pytest.mark.parametrize("kind", [StopIteration, StopAsyncIteration, GeneratorExit])
@pytest.mark.parametrize("where", ["progress", "source"])
@pytest.mark.parametrize("how", ["run_async", "wrap_future"])
def test_awaited_run_ends_after_an_exception_of_iteration(
    glacier: Glacier, where: str, how: str, kind: type[BaseException]
) -> None:
    thrown = kind("in the callback")

    def fail(*facts: Any) -> bytes:
        raise thrown

    class Source:
        read = fail

    async def main() -> None:
        source: Any = Source() if where == "source" else content(MIB)
        with glacier.client() as client:
            upload = Upload(client, VAULT, source, progress=None if where == "source" else fail)
            run = upload.run_async() if how == "run_async" else asyncio.wrap_future(upload.start())
            with pytest.raises((kind, RuntimeError)) as caught:
                await asyncio.wait_for(run, 60)
        # An asyncio.Future rejects a StopIteration, so an awaiting task would never end.
        assert (caught.value.__cause__ if kind is StopIteration else caught.value) is thrown

    asyncio.run(main())
