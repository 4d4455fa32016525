"""File objects in non-blocking mode: an archive never has a part of the source only."""

from __future__ import annotations

import _pyio  # type: ignore[import-not-found]
import array
import asyncio
import bz2
import fcntl
import gzip
import io
import lzma
import os
import signal
import socket
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Callable, Optional

import pytest

from glacier_mp import LocalError, StoppedError, Upload, UsageError
from local import MIB, VAULT, Glacier, child_environment, content, wait_until

DATA = content(2 * MIB + 77_777)
PIECE = 50_001


class Connection:
    """A pipe or socket. Its reading end is in non-blocking mode."""

    def __init__(self, kind: str = "pipe") -> None:
        self.sockets: tuple[socket.socket, ...] = ()
        self.is_abandoned = False
        if kind == "pipe":
            self.reader, self.writer = os.pipe()
        else:
            self.sockets = socket.socketpair()
            self.reader, self.writer = (end.fileno() for end in self.sockets)
        os.set_blocking(self.reader, False)

    def unread(self) -> int:
        count = array.array("i", [0])
        fcntl.ioctl(self.reader, termios.FIONREAD, count)
        return count[0]

    def send(self, data: bytes) -> None:
        """Writes bytes, and waits until they are read. A further read would block."""
        view = memoryview(data)
        while view and not self.is_abandoned:
            view = view[os.write(self.writer, view) :]
        wait_until(lambda: self.is_abandoned or self.unread() == 0)

    def end(self) -> None:
        if self.sockets:
            self.sockets[1].close()
        elif self.writer >= 0:
            os.close(self.writer)
        self.writer = -1


@contextmanager
def sending(connection: Connection, *parts: bytes) -> Iterator[None]:
    """Sends the parts on another thread. Each time the reader has read all bytes, there are none for some time."""

    def send() -> None:
        with suppress(OSError):
            for part in parts:
                for start in range(0, len(part), PIECE):
                    connection.send(part[start : start + PIECE])
        connection.end()

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    try:
        yield
    finally:
        connection.is_abandoned = True
        thread.join()


class Wrapper:
    """A wrapper that forwards all methods."""

    def __init__(self, file: Any) -> None:
        self.file = file

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


class Derived(io.BufferedReader):
    """A class that inherits all methods."""


class OwnRead(io.BufferedReader):
    def read(self, size: Optional[int] = -1, /) -> bytes:
        return super().read(size)


class OwnRead1(io.BufferedReader):
    def read1(self, size: int = -1, /) -> bytes:
        return super().read1(size)


class CountsReads(io.FileIO):
    """A raw file that counts its reads."""

    reads = 0

    def readinto(self, buffer: Any) -> Any:
        self.reads += 1
        return super().readinto(buffer)


class EveryOtherTime(io.FileIO):
    """A raw file that often returns None although its descriptor is readable."""

    reads = 0

    def readinto(self, buffer: Any) -> Any:
        self.reads += 1
        return None if self.reads % 2 else super().readinto(buffer)


class NoDescriptor(io.RawIOBase):
    """A raw file without a descriptor. After its first bytes there are none yet."""

    reads = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> Any:
        self.reads += 1
        if self.reads > 1:
            return None
        buffer[:3] = b"abc"
        return 3


def makefile(connection: Connection, buffering: Optional[int] = None) -> Any:
    # The descriptor stays open until the file is closed.
    with connection.sockets[0] as reader:
        return reader.makefile("rb", buffering=buffering)


WAITING: dict[str, tuple[str, Callable[[Connection], Any]]] = {
    "pipe": ("pipe", lambda connection: os.fdopen(connection.reader, "rb")),
    "pipe unbuffered": ("pipe", lambda connection: os.fdopen(connection.reader, "rb", buffering=0)),
    "socket": ("socket", makefile),
    "socket unbuffered": ("socket", lambda connection: makefile(connection, 0)),
    "forwarding": ("pipe", lambda connection: Wrapper(os.fdopen(connection.reader, "rb"))),
    "derived": ("pipe", lambda connection: Derived(io.FileIO(connection.reader))),
    "own read": ("pipe", lambda connection: OwnRead(io.FileIO(connection.reader))),
    "ready without bytes": ("pipe", lambda connection: io.BufferedReader(EveryOtherTime(connection.reader), MIB)),
}


@pytest.mark.parametrize("how", ["run", "run_async"])
@pytest.mark.parametrize("kind", WAITING)
def test_waits_for_bytes(glacier: Glacier, kind: str, how: str) -> None:
    connected_by, opened = WAITING[kind]
    connection = Connection(connected_by)
    with (
        closing(opened(connection)) as file,
        glacier.client() as client,
        Upload(client, VAULT, file, part_size=MIB) as upload,
        sending(connection, DATA),
    ):
        archive = upload.run() if how == "run" else asyncio.run(upload.run_async())
    assert glacier.archive(archive.archive_id) == DATA


STDIN_PROGRAM = """
import signal, sys
from glacier_mp import Client, Config
from local import MIB, VAULT, settings
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    print(Client(Config(**settings(sys.argv[1]))).upload(VAULT, sys.stdin.buffer, part_size=MIB).archive_id)
except KeyboardInterrupt:
    print("stopped")
"""


def started(glacier: Glacier, connection: Connection) -> subprocess.Popen[str]:
    """Starts a program that uploads its standard input. This process has set the mode."""
    command = [sys.executable, "-c", STDIN_PROGRAM, glacier.endpoint]
    environment = child_environment()
    return subprocess.Popen(command, stdin=connection.reader, stdout=subprocess.PIPE, text=True, env=environment)


def test_waits_if_another_process_has_set_the_mode_of_standard_input(glacier: Glacier) -> None:
    connection = Connection()
    child = started(glacier, connection)
    with sending(connection, DATA):
        output, _ = child.communicate()
    os.close(connection.reader)
    assert glacier.archive(output.strip()) == DATA


def test_ctrl_c_ends_the_wait(glacier: Glacier) -> None:
    connection = Connection()
    child = started(glacier, connection)
    connection.send(b"data")
    child.send_signal(signal.SIGINT)
    output, _ = child.communicate()
    connection.end()
    os.close(connection.reader)
    assert output == "stopped\n"
    assert glacier.archives() == []


@pytest.mark.parametrize("modes", [[True, False], [False, True]], ids=["to non-blocking", "to blocking"])
def test_mode_that_changes_during_a_read_ends_no_archive(
    glacier: Glacier, monkeypatch: pytest.MonkeyPatch, modes: list[bool]
) -> None:
    connection = Connection()
    get_blocking = os.get_blocking
    monkeypatch.setattr(os, "get_blocking", lambda file: modes.pop(0) if modes else get_blocking(file))
    with os.fdopen(connection.reader, "rb") as file, glacier.client() as client, ThreadPoolExecutor(1) as pool:
        running = pool.submit(client.upload, VAULT, file)
        wait_until(lambda: len(modes) < 2)
        with sending(connection, b"data"):
            assert glacier.archive(running.result().archive_id) == b"data"


def test_terminal_is_not_read_after_its_end(glacier: Glacier) -> None:
    main, terminal = os.openpty()
    os.write(main, b"first\n\x04second\n\x04\x04")
    with open(terminal, "rb") as file, glacier.client() as client:
        archive = client.upload(VAULT, file)
    os.close(main)
    assert glacier.archive(archive.archive_id) == b"first\n"


def pair(connection: Connection) -> Any:
    return io.BufferedRWPair(io.FileIO(connection.reader, closefd=False), io.FileIO(os.devnull, "w"))


def buffered(connection: Connection) -> Any:
    return open(connection.reader, "rb", closefd=False)


def plain(data: bytes) -> bytes:
    return data


UNCERTAIN: dict[str, tuple[Callable[[Connection], Any], Callable[[bytes], bytes]]] = {
    "pair": (pair, plain),
    "own read1": (lambda connection: OwnRead1(io.FileIO(connection.reader, closefd=False)), plain),
    "in Python": (lambda connection: _pyio.BufferedReader(io.FileIO(connection.reader, closefd=False)), plain),
    "bz2": (lambda connection: bz2.BZ2File(buffered(connection)), bz2.compress),
    "lzma": (lambda connection: lzma.LZMAFile(buffered(connection)), lzma.compress),  # noqa: SIM115
    "buffered bz2": (lambda connection: io.BufferedReader(bz2.BZ2File(buffered(connection))), bz2.compress),
}


@pytest.mark.parametrize("kind", UNCERTAIN)
def test_rejects_source_whose_end_is_uncertain(glacier: Glacier, kind: str) -> None:
    opened, encode = UNCERTAIN[kind]
    connection = Connection()
    os.write(connection.writer, encode(b"data"))
    with opened(connection) as file, glacier.client() as client, pytest.raises(BlockingIOError, match="non-blocking"):
        client.upload(VAULT, file)
    connection.end()
    os.close(connection.reader)
    assert glacier.archives() == []


@pytest.mark.parametrize("opened", [NoDescriptor, lambda: io.BufferedReader(NoDescriptor())], ids=["raw", "buffered"])
def test_rejects_source_without_a_descriptor_to_wait_for(glacier: Glacier, opened: Callable[[], Any]) -> None:
    with glacier.client() as client, pytest.raises(BlockingIOError, match="no file descriptor"):
        client.upload(VAULT, opened())
    assert glacier.archives() == []


def test_truncated_gzip_stream_is_no_archive(glacier: Glacier) -> None:
    connection = Connection()
    os.write(connection.writer, gzip.compress(b"data")[:-9])
    with buffered(connection) as file, glacier.client() as client, pytest.raises((TypeError, EOFError)):
        client.upload(VAULT, gzip.GzipFile(fileobj=file))
    connection.end()
    os.close(connection.reader)
    assert glacier.archives() == []


@pytest.mark.parametrize("encode", [None, bz2], ids=["plain", "bz2"])
def test_reads_a_socket_with_a_timeout(glacier: Glacier, encode: Any) -> None:
    """Its descriptor is in non-blocking mode, but its reads wait."""
    connection = Connection("socket")
    connection.sockets[0].settimeout(100)
    data = encode.compress(DATA) if encode else DATA
    with makefile(connection) as file, glacier.client() as client, sending(connection, data):
        archive = client.upload(VAULT, encode.BZ2File(file) if encode else file, part_size=MIB)
    assert glacier.archive(archive.archive_id) == DATA


@pytest.mark.parametrize("data", [b"data", DATA], ids=["new", "initiated"])
def test_cancel_ends_the_wait(glacier: Glacier, data: bytes) -> None:
    connection = Connection()
    with (
        os.fdopen(connection.reader, "rb") as file,
        glacier.client() as client,
        Upload(client, VAULT, file, part_size=MIB) as upload,
        ThreadPoolExecutor(1) as pool,
    ):
        running = pool.submit(upload.run)
        connection.send(data)
        if data is DATA:
            wait_until(lambda: upload.upload_id)
        upload.cancel()
        error = running.exception()
        assert isinstance(error, StoppedError)
        assert error.name == "GLACIER_E_CANCELED"
        assert (error.upload_id, error.resumable) == (upload.upload_id, data is DATA)
        # The cancel does not stop the next call.
        upload.abort()
    connection.end()
    assert glacier.archives() == []


def test_refused_abort_does_not_end_the_wait(glacier: Glacier) -> None:
    connection = Connection()
    with (
        CountsReads(connection.reader) as file,
        glacier.client() as client,
        Upload(client, VAULT, file, part_size=MIB) as upload,
        ThreadPoolExecutor(1) as pool,
    ):
        running = pool.submit(upload.run)
        connection.send(b"data")
        with pytest.raises(UsageError) as caught:
            upload.abort()
        assert caught.value.name == "GLACIER_E_BUSY"
        # The wait looks for a cancel after each read without bytes.
        reads_before = file.reads
        wait_until(lambda: file.reads > reads_before + 1 or running.done())
        connection.end()
        assert glacier.archive(running.result().archive_id) == b"data"


def read_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "glacier_mp"]


@pytest.mark.parametrize("how", ["close", "drop", "cancel the task"])
def test_stop_of_a_background_run_ends_the_wait(glacier: Glacier, how: str) -> None:
    connection = Connection()

    async def stopped(upload: Upload) -> None:
        task = asyncio.ensure_future(upload.run_async())
        await asyncio.get_running_loop().run_in_executor(None, connection.send, b"data")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with os.fdopen(connection.reader, "rb") as file, glacier.client() as client:
        upload = Upload(client, VAULT, file)
        if how == "cancel the task":
            asyncio.run(stopped(upload))
        else:
            future = upload.start()
            connection.send(b"data")
            if how == "close":
                upload.close()
                assert isinstance(future.exception(), StoppedError)
            del future
        del upload
        wait_until(lambda: not read_threads())
    connection.end()
    assert glacier.archives() == []


def test_declared_length_is_checked_after_a_wait(glacier: Glacier) -> None:
    connection = Connection()

    class Sized(io.BufferedReader):
        size = 9

    file = Sized(io.FileIO(connection.reader))
    with file, glacier.client() as client, sending(connection, b"data"), pytest.raises(LocalError) as caught:
        client.upload(VAULT, file)
    assert caught.value.name == "GLACIER_E_SOURCE_SHORT"


def test_reads_a_regular_file_in_non_blocking_mode(glacier: Glacier, tmp_path: Path) -> None:
    path = tmp_path / "archive"
    path.write_bytes(DATA)
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file, glacier.client() as client:
        archive = client.upload(VAULT, file, part_size=MIB)
    assert glacier.archive(archive.archive_id) == DATA
