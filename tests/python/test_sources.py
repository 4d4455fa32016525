"""Stream sources: file objects, and iterables of bytes."""

from __future__ import annotations

import array
import bz2
import codecs
import gzip
import io
import itertools
import os
import socket
import subprocess
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable, Optional

import pytest

from glacier_mp import GlacierError, LocalError, Progress, StoppedError, Upload, UsageError, source
from local import MIB, VAULT, Glacier, content, wait_until

SIZE = 2 * MIB + 77_777
DATA = content(SIZE)
PART = "UploadMultipartPart"
COMPLETE = "CompleteMultipartUpload"


def pieces(data: bytes, *sizes: int) -> Iterator[bytes]:
    """Yields pieces of the data, of these sizes in turn."""
    start = 0
    for size in itertools.cycle(sizes):
        if start >= len(data):
            return
        yield data[start : start + size]
        start += size


class OnlyRead:
    """A file object with read() only. It returns fewer bytes than requested."""

    def __init__(self, data: bytes = DATA) -> None:
        self.rest = data
        self.reads = 0

    def read(self, size: int) -> bytes:
        self.reads += 1
        assert 0 < size <= MIB
        taken = self.rest[: min(size, 99_999)]
        self.rest = self.rest[len(taken) :]
        return taken


class OnlyReadInto:
    def __init__(self) -> None:
        self.file = io.BytesIO(DATA)

    def readinto(self, buffer: Any) -> int:
        return self.file.readinto(memoryview(buffer)[:70_001])


class ReadsMore:
    """A file object that returns more bytes than requested."""

    def __init__(self) -> None:
        self.file = io.BytesIO(DATA)

    def read(self, size: int) -> bytes:
        return self.file.read(2 * size + 1)


class ReadsMoreAtOnce(ReadsMore):
    def read1(self, size: int) -> bytes:
        return self.read(size)


class Raw(io.RawIOBase):
    def __init__(self) -> None:
        self.file = io.BytesIO(DATA)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self.file.readinto(memoryview(buffer)[:70_001])


class Buffered(io.BufferedIOBase):
    """A buffered file that does not override read1."""

    def __init__(self) -> None:
        self.file = io.BytesIO(DATA)

    def read(self, size: Optional[int] = -1, /) -> bytes:
        return self.file.read(size)


SECRET = bytes(reversed(range(256)))


class DecodedWrapper:
    """A wrapper whose read() returns other bytes than the wrapped file."""

    def __init__(self) -> None:
        self.file = io.BytesIO(DATA.translate(SECRET))

    def read(self, size: int) -> bytes:
        return self.file.read(size).translate(SECRET)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


class DecodedSubclass(io.BytesIO):
    def read(self, size: Optional[int] = -1, /) -> bytes:
        return super().read(size).translate(SECRET)


def with_replaced_read(path: Path) -> Any:
    class File(io.BytesIO):
        pass

    file = File(DATA.translate(SECRET))
    file.read = lambda size=-1: io.BytesIO.read(file, size).translate(SECRET)  # type: ignore[method-assign]
    return file


def through_pipe(path: Path) -> Any:
    process = subprocess.Popen(["cat", path], stdout=subprocess.PIPE)
    threading.Thread(target=process.wait).start()
    return process.stdout


def through_socket(buffering: Optional[int]) -> Any:
    ours, theirs = socket.socketpair()

    def send() -> None:
        with theirs:
            theirs.sendall(DATA)

    threading.Thread(target=send).start()
    with ours:
        return ours.makefile("rb", buffering=buffering)


def temporary(path: Path) -> Any:
    file = tempfile.NamedTemporaryFile()  # noqa: SIM115
    file.write(DATA)
    file.seek(0)
    return file


def at_an_offset(path: Path) -> Any:
    file = io.BytesIO(b"head" + DATA)
    file.seek(4)
    return file


def reusing(*sizes: int) -> Iterator[bytearray]:
    """Yields one buffer repeatedly, with other content and another size."""
    buffer = bytearray()
    for piece in pieces(DATA, *sizes):
        buffer += piece
        yield buffer
        buffer.clear()


SOURCES: dict[str, Callable[[Path], Any]] = {
    "open": lambda path: path.open("rb"),
    "open unbuffered": lambda path: path.open("rb", buffering=0),
    "BytesIO": lambda path: io.BytesIO(DATA),
    "at an offset": at_an_offset,
    "pipe": through_pipe,
    "socket": lambda path: through_socket(None),
    "socket unbuffered": lambda path: through_socket(0),
    "temporary": temporary,
    "gzip": lambda path: gzip.GzipFile(fileobj=io.BytesIO(gzip.compress(DATA, 1))),
    "bz2": lambda path: bz2.BZ2File(io.BytesIO(bz2.compress(DATA, 1))),
    "raw": lambda path: Raw(),
    "buffered": lambda path: Buffered(),
    "only read": lambda path: OnlyRead(),
    "read returns more": lambda path: ReadsMore(),
    "read1 returns more": lambda path: ReadsMoreAtOnce(),
    "only readinto": lambda path: OnlyReadInto(),
    "wrapping": lambda path: DecodedWrapper(),
    "derived": lambda path: DecodedSubclass(DATA.translate(SECRET)),
    "replaced read": with_replaced_read,
    "generator": lambda path: pieces(DATA, 1, 999, 300_000, 2 * MIB),
    "list": lambda path: list(pieces(DATA, 70_001)),
    "one piece": lambda path: [DATA],
    "empty pieces": lambda path: [b"", DATA[:5], b"", b"", DATA[5:], b""],
    "kinds of pieces": lambda path: [
        bytearray(DATA[:8]),
        memoryview(DATA)[8:16],
        array.array("d", DATA[16:24]),
        DATA[24:],
    ],
    "reused buffer": lambda path: reusing(999, 300_000, 70_001, 2 * MIB),
    "reused large buffer": lambda path: reusing(300_000),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "archive"
    path.write_bytes(DATA)
    return path


@pytest.mark.parametrize("kind", SOURCES)
def test_uploads_every_kind_of_stream(glacier: Glacier, path: Path, kind: str) -> None:
    read = SOURCES[kind](path)
    with glacier.client() as client:
        archive = client.upload(VAULT, read, part_size=MIB)
    assert glacier.archive(archive.archive_id) == DATA
    assert len(glacier.requests(PART)) == 3
    if isinstance(read, io.IOBase):
        assert not read.closed
        read.close()


@pytest.mark.parametrize("how", ["run", "transfer"])
def test_source_is_read_on_the_calling_thread(glacier: Glacier, how: str) -> None:
    threads = set()

    def read() -> Iterator[bytes]:
        threads.add(threading.current_thread())
        yield DATA

    with glacier.client() as client, Upload(client, VAULT, read(), part_size=MIB) as upload:
        getattr(upload, how)()
        assert upload.progress().parts_done == 3
    assert threads == {threading.current_thread()}


def test_coalesces_small_pieces(glacier: Glacier, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    read = source.StreamReader.read

    def counted(self: source.StreamReader, size: int, is_stopping: Callable[[], bool]) -> Optional[memoryview]:
        piece = read(self, size, is_stopping)
        assert piece is not None
        sizes.append(len(piece))
        return piece

    monkeypatch.setattr(source.StreamReader, "read", counted)
    with glacier.client() as client:
        archive = client.upload(VAULT, pieces(DATA, 100), part_size=MIB)
    assert glacier.archive(archive.archive_id) == DATA
    assert sum(sizes) == SIZE
    assert len(sizes) < SIZE / 100 / 10


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (io.StringIO("text"), "text file"),
        (5, "int"),
        (object(), "object"),
        (None.__class__, "type"),
    ],
)
def test_constructor_rejects_invalid_sources(glacier: Glacier, wrong: Any, says: str) -> None:
    with glacier.client() as client, pytest.raises(TypeError, match=says):
        Upload(client, VAULT, wrong)
    with glacier.client() as client, Path(__file__).open() as file, pytest.raises(TypeError, match="'rb'"):
        Upload(client, VAULT, file)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        (lambda: codecs.getreader("utf-8")(io.BytesIO(b"text")), "str"),
        (lambda: tempfile.NamedTemporaryFile("w+"), "str"),  # noqa: SIM115
        (lambda: ["text"], "str"),
        (lambda: [b"data", 5], "int"),
        (lambda: [b"data", None], "NoneType"),
    ],
)
def test_rejects_source_that_returns_no_bytes(glacier: Glacier, wrong: Callable[[], Any], kind: str) -> None:
    with glacier.client() as client, pytest.raises(TypeError, match=f"returned {kind}, not bytes"):
        client.upload(VAULT, wrong())
    assert glacier.requests() == []


@pytest.mark.parametrize("number", [-1, -MIB, 5 * MIB, 1.5, "1", True, False])
def test_rejects_wrong_number_of_bytes_read(glacier: Glacier, number: Any) -> None:
    numbers = [5, number, 0]

    class Wrong:
        def readinto(self, buffer: Any) -> Any:
            return numbers.pop(0)

    wrong: Any = Wrong()
    kind = ValueError if type(number) is int else TypeError
    with glacier.client() as client, pytest.raises(kind, match=rf"readinto\(\).* returned {number!r}, "):
        client.upload(VAULT, wrong)
    assert glacier.archives() == []


@pytest.mark.parametrize("buffered", [False, True])
def test_rejects_wrong_number_of_bytes_of_raw_file(glacier: Glacier, buffered: bool) -> None:
    class Wrong(io.RawIOBase):
        reads = 0

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            self.reads += 1
            return len(buffer) + 1 if self.reads == 1 else 0

    with glacier.client() as client, pytest.raises((OSError, ValueError), match="returned"):
        client.upload(VAULT, io.BufferedReader(Wrong()) if buffered else Wrong())
    assert glacier.archives() == []


def test_rejects_file_that_is_not_readable(glacier: Glacier, tmp_path: Path) -> None:
    with glacier.client() as client, (tmp_path / "file").open("wb") as file, pytest.raises(io.UnsupportedOperation):
        client.upload(VAULT, file)


@pytest.mark.parametrize("empty", [lambda: io.BytesIO(), lambda: [], lambda: iter([b""])])
def test_empty_source_initiates_no_upload(glacier: Glacier, empty: Callable[[], Any]) -> None:
    with glacier.client() as client, pytest.raises(UsageError) as caught:
        client.upload(VAULT, empty())
    assert caught.value.name == "GLACIER_E_INVALID"
    assert glacier.requests() == []


@pytest.mark.parametrize(
    ("size", "name"), [(SIZE, None), (SIZE - 1, "GLACIER_E_SOURCE_CHANGED"), (SIZE + 1, "GLACIER_E_SOURCE_SHORT")]
)
def test_source_must_have_the_archive_size(glacier: Glacier, size: int, name: Optional[str]) -> None:
    totals = set()

    def report(progress: Progress) -> None:
        totals.add(progress.bytes_total)

    with glacier.client() as client:
        try:
            client.upload(VAULT, OnlyRead(), part_size=MIB, archive_size=size, progress=report)
        except LocalError as error:
            assert error.name == name
        else:
            assert name is None
    assert totals <= {None, size}
    assert len(glacier.archives()) == (name is None)


class CallbackError(Exception):
    pass


def generator_fails(kind: type[BaseException]) -> Iterator[bytes]:
    yield DATA[: MIB + 1]
    raise kind("in the source")


class ReadFails:
    def __init__(self, kind: type[BaseException]) -> None:
        self.kind = kind
        self.rest = [DATA[:MIB], DATA[:1]]

    def read(self, size: int) -> bytes:
        if self.rest:
            return self.rest.pop(0)
        raise self.kind("in the source")


@pytest.mark.parametrize("kind", [CallbackError, OSError, KeyboardInterrupt, SystemExit, GeneratorExit, StopIteration])
@pytest.mark.parametrize("failing", [generator_fails, ReadFails])
def test_source_exception_is_raised_from_the_call(
    glacier: Glacier, failing: Callable[[type[BaseException]], Any], kind: type[BaseException]
) -> None:
    glacier.fault("stall", PART)
    with glacier.client() as client, Upload(client, VAULT, failing(kind), part_size=MIB) as upload:
        # Python converts a StopIteration that leaves a generator into a RuntimeError.
        expected = RuntimeError if (failing, kind) == (generator_fails, StopIteration) else kind
        with pytest.raises(expected) as caught:
            upload.run()
        if expected is kind:
            assert traceback.extract_tb(caught.value.__traceback__)[-1].name in ("read", "generator_fails")
            assert caught.value.__context__ is None
    assert glacier.archives() == []
    assert len(glacier.uploads()) == 1


def test_cancel_ends_reading(glacier: Glacier, monkeypatch: pytest.MonkeyPatch) -> None:
    # Small pieces are combined for a short time only. The cancel ends this too.
    monkeypatch.setattr(source, "_COALESCE_SECONDS", 3600)
    reading, writing = os.pipe()
    read = []

    class Watched(io.FileIO):
        def read(self, size: Optional[int] = -1, /) -> Any:
            read.append(size)
            return super().read(size)

    with (
        Watched(reading) as file,
        glacier.client() as client,
        Upload(client, VAULT, file, part_size=MIB) as upload,
        ThreadPoolExecutor(1) as pool,
    ):
        running = pool.submit(upload.run)
        os.write(writing, b"data")
        wait_until(lambda: len(read) == 2)
        upload.cancel()
        # The pending read gets its bytes. There is no further read, even though the pending one was short.
        os.write(writing, b"data")
        error = running.exception()
        assert isinstance(error, StoppedError)
        assert error.name == "GLACIER_E_CANCELED"
        assert len(read) == 2
        os.close(writing)


def test_slow_source_does_not_delay_progress(glacier: Glacier) -> None:
    """Progress is reported while small pieces arrive slowly, before a buffer is full."""
    reports: list[Progress] = []

    def slow() -> Iterator[bytes]:
        reports.clear()
        yield b"1234"
        while len(reports) < 3:
            yield b"1234"
            time.sleep(0.01)

    with glacier.client() as client:
        client.upload(VAULT, slow(), progress=reports.append)


def restarted(glacier: Glacier, read: Any, parts: int = 3) -> None:
    glacier.respond_with_error(403, "AccessDeniedException", PART)
    with glacier.client(concurrency=1) as client, Upload(client, VAULT, read, part_size=MIB) as upload:
        with pytest.raises(GlacierError) as caught:
            upload.run()
        assert caught.value.resumable
        archive = upload.run()
    assert glacier.archive(archive.archive_id) == DATA


@pytest.mark.parametrize(
    "once", [OnlyRead, Raw, lambda: io.BytesIO(DATA), lambda: list(pieces(DATA, 999)), lambda: iter([DATA])]
)
def test_rejects_second_run_of_a_source_that_was_read(glacier: Glacier, once: Callable[[], Any]) -> None:
    """The rest of a source must never be uploaded as the whole."""
    with pytest.raises(UsageError, match="byte 0") as caught:
        restarted(glacier, once())
    assert caught.value.name == "GLACIER_E_STATE"
    assert glacier.archives() == []
    with glacier.client() as client:
        archive = client.upload(VAULT, once(), upload_id=caught.value.upload_id)
    assert glacier.archive(archive.archive_id) == DATA


def test_rejected_call_does_not_read_the_source(glacier: Glacier) -> None:
    """A call on another thread must not affect the source that is being read."""
    half = threading.Event()
    refused = threading.Event()

    class Slow(io.BytesIO):
        def read1(self, size: Optional[int] = -1, /) -> bytes:
            if self.tell() > MIB and not half.is_set():
                half.set()
                refused.wait()
            return super().read1(300_000)

    with (
        glacier.client() as client,
        Upload(client, VAULT, Slow(DATA), part_size=MIB) as upload,
        ThreadPoolExecutor(1) as pool,
    ):
        running = pool.submit(upload.run)
        half.wait()
        with pytest.raises(UsageError) as caught:
            upload.run()
        assert caught.value.name == "GLACIER_E_BUSY"
        refused.set()
        archive = running.result()
    assert glacier.archive(archive.archive_id) == DATA


def test_compares_source_with_the_archive_of_a_completed_journal(glacier: Glacier, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    read = OnlyRead()
    with glacier.client() as client:
        first = client.upload(VAULT, read, part_size=MIB, journal=journal)
        assert client.upload(VAULT, OnlyRead(), journal=journal) == first
        assert client.upload(VAULT, iter([DATA[:5], DATA[5:]]), journal=journal) == first
        # The first source has ended.
        for other in (read, iter([DATA[:-1]])):
            with pytest.raises(LocalError, match=first.archive_id) as caught:
                client.upload(VAULT, other, journal=journal)
            assert caught.value.name == "GLACIER_E_SOURCE_CHANGED"
