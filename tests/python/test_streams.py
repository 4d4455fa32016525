"""Streaming uploads: write() and finish(), and the file object."""

from __future__ import annotations

import array
import ctypes
import gc
import gzip
import io
import itertools
import shutil
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable

import pytest

from glacier_mp import GlacierError, LocalError, Progress, State, StoppedError, TreeHash, Upload, UsageError, stream
from local import MIB, VAULT, Glacier, content, wait_until

PART = "UploadMultipartPart"
COMPLETE = "CompleteMultipartUpload"


@contextmanager
def writing(glacier: Glacier, **settings: Any) -> Iterator[Upload]:
    with glacier.client() as client, Upload(client, VAULT, part_size=MIB, **settings) as upload:
        yield upload


@pytest.mark.parametrize("size", [999, 70_001, stream._BYPASS_SIZE - 1, stream._BYPASS_SIZE, 3 * MIB])
def test_writes_of_any_size_create_the_archive(glacier: Glacier, size: int) -> None:
    data = content(2 * MIB + 77_777)
    with writing(glacier) as upload:
        assert upload.write(b"") == 0
        for start in range(0, len(data), size):
            piece = data[start : start + size]
            assert upload.write(piece) == len(piece)
        archive = upload.finish()
        assert upload.finish() == archive
        assert upload.state is State.COMPLETED
    assert archive.checksum == TreeHash(data).finish().hex()
    assert glacier.archive(archive.archive_id) == data
    assert len(glacier.requests(PART)) == 3


def test_small_and_large_writes_keep_their_order(glacier: Glacier) -> None:
    data = content(3 * MIB)
    start = 0
    with writing(glacier) as upload:
        for size in itertools.cycle([5, stream._BYPASS_SIZE, 999, 70_001, stream._BYPASS_SIZE - 1, 2 * MIB]):
            if start >= len(data):
                break
            start += upload.write(data[start : start + size])
        archive = upload.finish()
    assert glacier.archive(archive.archive_id) == data


@pytest.mark.parametrize(
    "form",
    [
        bytes,
        bytearray,
        memoryview,
        lambda data: array.array("I", data),
        lambda data: memoryview(data).cast("d").cast("B").cast("H", (2, len(data) // 4)),
        lambda data: (ctypes.c_int * (len(data) // 4)).from_buffer_copy(data),
    ],
    ids=["bytes", "bytearray", "memoryview", "array", "two dimensions", "ctypes"],
)
@pytest.mark.parametrize("size", [4096, stream._BYPASS_SIZE])
def test_write_accepts_bytes_like_objects(glacier: Glacier, form: Callable[[bytes], Any], size: int) -> None:
    data = content(size)
    with writing(glacier) as upload:
        assert [upload.write(form(data)) for _ in range(3)] == [size] * 3
        archive = upload.finish()
    assert glacier.archive(archive.archive_id) == 3 * data


def test_buffer_can_be_reused_after_write(glacier: Glacier) -> None:
    data = bytearray(b"1" * 1000)
    with writing(glacier) as upload:
        for number in b"123":
            data[:] = bytes([number]) * len(data)
            upload.write(data)
            data.append(number)
            data.pop()
        archive = upload.finish()
    assert glacier.archive(archive.archive_id) == b"1" * 1000 + b"2" * 1000 + b"3" * 1000


def test_rejected_write_does_not_change_the_stream(glacier: Glacier) -> None:
    with writing(glacier) as upload:
        wrong: Any
        for wrong in ("text", 5, None, memoryview(b"data")[::2]):
            with pytest.raises((TypeError, BufferError)):
                upload.write(wrong)
            upload.write(b"data")
        archive = upload.finish()
    assert glacier.archive(archive.archive_id) == b"data" * 4


def test_rejects_calls_in_the_wrong_order(glacier: Glacier) -> None:
    with glacier.client() as client:
        with Upload(client, VAULT, b"data") as upload:
            with pytest.raises(UsageError) as caught:
                upload.write(b"data")
            assert caught.value.name == "GLACIER_E_STATE"
        with Upload(client, VAULT) as upload:
            with pytest.raises(UsageError) as caught:
                upload.finish()
            assert caught.value.name == "GLACIER_E_INVALID"
        assert glacier.requests() == []
        with Upload(client, VAULT, archive_size=8) as upload:
            upload.write(b"1234")
            for call in (upload.run, upload.transfer, upload.list_parts, upload.complete):
                with pytest.raises(UsageError) as caught:
                    call()
                assert caught.value.name in ("GLACIER_E_BUSY", "GLACIER_E_STATE")
            upload.write(b"5678")
            upload.finish()
            with pytest.raises(UsageError):
                upload.write(b"9")
    with pytest.raises(UsageError, match="closed"):
        upload.write(b"9")


@pytest.mark.parametrize(("size", "name"), [(7, "GLACIER_E_SOURCE_CHANGED"), (9, "GLACIER_E_SOURCE_SHORT")])
def test_stream_must_have_the_archive_size(glacier: Glacier, size: int, name: str) -> None:
    with writing(glacier, archive_size=size) as upload:
        upload.write(b"12345678")
        with pytest.raises(LocalError) as caught:
            upload.finish()
    assert caught.value.name == name
    assert glacier.archives() == []


def test_expected_size_selects_the_part_size(glacier: Glacier) -> None:
    for expected, part_size in ((200 << 30, 32 * MIB), (None, 64 * MIB)):
        with glacier.client() as client, Upload(client, VAULT, expected_size=expected) as upload:
            upload.write(b"data")
            upload.finish()
            assert upload.part_size == part_size


def test_rejects_memory_limit_below_two_parts(glacier: Glacier) -> None:
    with (
        glacier.client(memory_limit=2 * MIB - 1) as client,
        Upload(client, VAULT, part_size=MIB) as upload,
        pytest.raises(UsageError, match=str(2 * MIB)),
    ):
        upload.write(b"data")
    assert glacier.requests() == []


def test_blocked_write_has_bounded_memory_and_can_be_canceled(glacier: Glacier) -> None:
    glacier.fault("stall", PART, always=True)
    written: list[int] = []

    def write(upload: Upload) -> None:
        while True:
            written.append(upload.write(bytes(MIB)))

    with (
        glacier.client(memory_limit=3 * MIB) as client,
        Upload(client, VAULT, part_size=MIB) as upload,
        ThreadPoolExecutor(1) as pool,
    ):
        running = pool.submit(write, upload)
        wait_until(lambda: len(glacier.requests(PART)) >= 2)
        wait_until(lambda: upload.progress().parts_in_flight >= 2)
        with pytest.raises(UsageError) as caught:
            upload.write(b"from another thread")
        assert caught.value.name == "GLACIER_E_BUSY"
        upload.cancel()
        error = running.exception()
        assert isinstance(error, StoppedError)
        assert error.name == "GLACIER_E_CANCELED"
        assert error.upload_id == upload.upload_id
        assert len(written) <= 3
        with pytest.raises(GlacierError):
            upload.finish()


def test_failed_part_ends_the_stream(glacier: Glacier) -> None:
    glacier.respond_with_error(403, "AccessDeniedException", PART, always=True)
    with writing(glacier) as upload:
        with pytest.raises(GlacierError) as caught:
            while True:
                upload.write(bytes(70_001))
        assert (caught.value.name, caught.value.operation) == ("GLACIER_E_ACCESS", PART)
        assert caught.value.resumable
        assert caught.value.upload_id == upload.upload_id is not None
        glacier.clear_faults()
        for call in (lambda: upload.write(bytes(MIB)), upload.finish):
            with pytest.raises(GlacierError) as caught:
                call()
            assert caught.value.name == "GLACIER_E_ACCESS"


def test_finish_can_be_retried_after_complete_fails(glacier: Glacier) -> None:
    glacier.respond_with_error(403, "AccessDeniedException", COMPLETE)
    with writing(glacier) as upload:
        upload.write(b"data")
        with pytest.raises(GlacierError):
            upload.finish()
        archive = upload.finish()
    assert glacier.archive(archive.archive_id) == b"data"


def test_resumes_stream_from_its_first_byte(glacier: Glacier) -> None:
    data = content(3 * MIB + 5)
    with writing(glacier) as upload:
        upload.write(data[: 2 * MIB])
        wait_until(lambda: upload.progress().parts_done == 2)
        upload_id = upload.upload_id
    with glacier.client() as client, Upload(client, VAULT, upload_id=upload_id) as upload:
        shutil.copyfileobj(io.BytesIO(data), upload.stream())
        archive = upload.finish()
        assert upload.progress().bytes_resumed == 2 * MIB
    assert glacier.archive(archive.archive_id) == data
    ranges = [tuple(request["range"]) for request in glacier.requests(PART)]
    assert len(ranges) == len(set(ranges)) == 4


def test_abort_ends_the_stream(glacier: Glacier) -> None:
    glacier.fault("stall", PART, always=True)
    with writing(glacier) as upload:
        upload.write(bytes(MIB + 1))
        wait_until(lambda: glacier.requests(PART))
        upload.abort()
        assert upload.state is State.ABORTED
    assert glacier.uploads() == []


class CallbackError(Exception):
    pass


def test_callback_exception_ends_the_stream(glacier: Glacier) -> None:
    glacier.fault("stall", PART, always=True)

    def report(progress: Progress) -> None:
        if progress.parts_in_flight:
            raise CallbackError

    with glacier.client(memory_limit=2 * MIB) as client:
        upload = Upload(client, VAULT, part_size=MIB, progress=report)
        with pytest.raises(CallbackError):
            while True:
                upload.write(bytes(70_001))
        glacier.clear_faults()
        # The number of bytes taken by that write is unknown, so no archive may be created.
        for call in (lambda: upload.write(b"more"), upload.finish):
            with pytest.raises(UsageError, match="interrupted") as caught:
                call()
            assert caught.value.name == "GLACIER_E_STATE"
        assert glacier.archives() == []
        upload.abort()


def test_callbacks_run_on_the_writing_thread(glacier: Glacier) -> None:
    threads = set()

    def report(progress: Progress) -> None:
        threads.add(threading.current_thread())

    glacier.fault("delay_answer", PART, millis=300)
    with writing(glacier, progress=report) as upload:
        upload.write(b"data")
        upload.finish()
    assert threads == {threading.current_thread()}


def test_rejects_write_inside_a_callback_of_the_stream(glacier: Glacier) -> None:
    names: list[str] = []

    def report(progress: Progress) -> None:
        if upload.state is State.INITIATED and not names:
            for call in (lambda: upload.write(b"more"), upload.finish):
                with pytest.raises(UsageError) as caught:
                    call()
                names.append(caught.value.name)

    glacier.fault("delay_answer", PART, millis=300)
    with writing(glacier) as upload:
        upload._progress = report
        upload.write(b"data")
        archive = upload.finish()
    assert glacier.archive(archive.archive_id) == b"data"


def test_stream_works_with_copyfileobj(glacier: Glacier) -> None:
    data = content(2 * MIB + 3)
    with writing(glacier) as upload:
        with upload.stream() as file:
            shutil.copyfileobj(io.BytesIO(data), file)
            assert upload.archive_id is None
        assert upload.archive_id is not None
        assert glacier.archive(upload.archive_id) == data


def test_stream_works_with_tar_and_gzip(glacier: Glacier, tmp_path: Path) -> None:
    for name, size in (("one", 10), ("two", 700_001), ("three", 2 * MIB)):
        (tmp_path / name).write_bytes(content(size))
    with (
        writing(glacier) as upload,
        upload.stream() as file,
        gzip.GzipFile(fileobj=file, mode="wb", compresslevel=1) as packed,
        tarfile.open(fileobj=packed, mode="w|") as tar,
    ):
        tar.add(tmp_path, arcname="directory")
    assert upload.archive_id is not None
    with tarfile.open(fileobj=io.BytesIO(glacier.archive(upload.archive_id)), mode="r:gz") as tar:
        for name in ("one", "two", "three"):
            member = tar.extractfile(f"directory/{name}")
            assert member is not None
            assert member.read() == (tmp_path / name).read_bytes()


def test_stream_works_with_zip(glacier: Glacier) -> None:
    with writing(glacier) as upload:
        with zipfile.ZipFile(upload.stream(), "w") as packed:
            packed.writestr("member", b"data")
        archive = upload.finish()
    with zipfile.ZipFile(io.BytesIO(glacier.archive(archive.archive_id))) as packed:
        assert packed.read("member") == b"data"


@pytest.mark.parametrize("wrapper", [io.TextIOWrapper, io.BufferedWriter])
def test_stream_works_with_io_wrappers(glacier: Glacier, wrapper: Any) -> None:
    with writing(glacier) as upload:
        with upload.stream() as file, wrapper(file) as outer:
            outer.write("text" if wrapper is io.TextIOWrapper else b"text")
        assert glacier.archive(upload.archive_id or "") == b"text"


def leave_with(upload: Upload) -> None:
    with upload.stream() as file:
        file.write(b"incomplete")
        raise CallbackError


def leave_wrapper(upload: Upload) -> None:
    with upload.stream() as file, io.TextIOWrapper(file) as text:
        text.write("incomplete")
        raise CallbackError


def leave_tar(upload: Upload) -> None:
    with upload.stream() as file, tarfile.open(fileobj=file, mode="w|") as tar:
        tar.addfile(tarfile.TarInfo("name"))
        raise CallbackError


def leave_gzip(upload: Upload) -> None:
    with gzip.GzipFile(fileobj=upload.stream(), mode="wb") as packed:
        packed.write(b"incomplete")
        raise CallbackError


def forget(upload: Upload) -> None:
    io.BufferedWriter(upload.stream()).write(b"incomplete")
    gc.collect()
    raise CallbackError


def close(upload: Upload) -> None:
    file = upload.stream()
    file.write(b"incomplete")
    file.close()
    raise CallbackError


@pytest.mark.parametrize("leave", [leave_with, leave_wrapper, leave_tar, leave_gzip, forget, close])
def test_incomplete_stream_creates_no_archive(glacier: Glacier, leave: Callable[[Upload], None]) -> None:
    with writing(glacier) as upload:
        with pytest.raises(CallbackError):
            leave(upload)
        assert upload.state is State.NEW
    assert glacier.requests() == []


def test_stream_implements_the_file_interface(glacier: Glacier) -> None:
    with writing(glacier) as upload:
        file = upload.stream()
        assert isinstance(file, io.IOBase)
        assert (file.writable(), file.readable(), file.seekable(), file.isatty()) == (True, False, False, False)
        file.writelines([b"1", b"2"])
        file.flush()
        call: Callable[[], object]
        missing: list[Callable[[], object]] = [
            file.read,
            file.tell,
            file.fileno,
            file.detach,
            file.truncate,
            lambda: file.seek(0),
        ]
        for call in missing:
            with pytest.raises(io.UnsupportedOperation):
                call()
        with pytest.raises(TypeError):
            file.write("text")  # type: ignore[arg-type]
        assert "closed" not in repr(file)
        file.close()
        file.close()
        assert file.closed
        assert "closed" in repr(file)
        refused: list[Callable[[], object]] = [file.writable, file.flush, lambda: file.write(b"3"), file.__enter__]
        for call in refused:
            with pytest.raises(ValueError, match="closed"):
                call()
        # The upload is still open.
        upload.write(b"3")
        archive = upload.finish()
    assert glacier.archive(archive.archive_id) == b"123"
