"""Sources of archives, and the reading of streams."""

from __future__ import annotations

import io
import mmap
import os
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, Callable, Optional, Protocol, Union

from . import _arguments, _length
from ._calls import ON_READ
from ._ffi import E_INVALID, E_SOURCE_SHORT, LARGEST_ARCHIVE, NO_DESTROY, UNKNOWN_LENGTH, UploadHandle, error_of, lib
from ._memory import Memory

Data = Union[bytes, bytearray, memoryview, mmap.mmap]


class Readable(Protocol):
    """A file object: an object with a method read()."""

    def read(self, size: int, /) -> Optional[Data]:
        """Returns the next bytes, at most `size`; no bytes at the end."""


Source = Union[str, "os.PathLike[str]", "os.PathLike[bytes]", Data, Readable, Iterable[Data]]


class Stream(Protocol):
    """A source that is read once, from its current position to its end."""

    def next(self, size: int) -> memoryview:
        """Returns the next bytes, about `size` at most; no bytes at the end."""


def set_source(
    handle: UploadHandle, source: Source, archive_size: Optional[int], expected_size: Optional[int]
) -> Optional[Stream]:
    """Sets the source of an upload. Returns the stream for StreamReader; None for a path or memory."""
    if isinstance(source, (str, os.PathLike)):
        lib.glacier_upload_set_source_file(handle, _arguments.path("source", source))
        return None
    try:
        memory = Memory(source)
    except TypeError:
        stream = _stream(source)
        has_size = _set_stream(handle, source, archive_size, expected_size)
        # archive_size takes precedence over the length that the source declares.
        return stream if has_size else _LengthChecked(stream, source)
    handle.kept_alive.append(memory)
    lib.glacier_upload_set_source_memory(handle, memory.address, memory.length)
    return None


def check_journal(source: Any, journal: bytes) -> None:
    """Raises UsageError if the journal is the file that a file object reads.

    The library cannot detect it: it gets bytes from a callback.
    """
    if isinstance(source, tempfile.SpooledTemporaryFile):
        # Its method fileno() would move it to disk. The file has no name.
        return
    is_source = False
    with suppress(OSError, ValueError, TypeError, AttributeError):
        is_source = os.path.samestat(os.fstat(source.fileno()), os.stat(journal))
    if is_source:
        path = os.fsdecode(journal)
        raise error_of(E_INVALID, f"the journal {path!r} is the source file: set another path for the journal")


def _set_stream(handle: UploadHandle, source: Any, archive_size: Optional[int], expected_size: Optional[int]) -> bool:
    """Sets the read callback. Returns whether the program has set archive_size."""
    declared = None if archive_size is not None else _length.declared_length(source)
    total = UNKNOWN_LENGTH
    if declared is not None and declared.exact:
        total = declared.size
    elif declared is not None and expected_size is None and declared.size <= LARGEST_ARCHIVE:
        lib.glacier_upload_set_expected_size(handle, declared.size)
    lib.glacier_upload_set_source_callback(handle, ON_READ, total, None, NO_DESTROY)
    return archive_size is not None


class CancelCount:
    """The number of cancels of an upload. Any thread and a signal handler may change it."""

    def __init__(self) -> None:
        self.value = 0


class StreamReader:
    """Reads a stream for one call."""

    def __init__(self, stream: Stream, cancels: CancelCount) -> None:
        self._stream = stream
        self._cancels = cancels
        self._ended = False
        self._pending = _NO_BYTES

    def read(self, size: int) -> memoryview:
        """Returns the next bytes, at most `size`; no bytes at the end."""
        deadline, cancels = time.monotonic() + _COALESCE_SECONDS, self._cancels.value
        if not self._pending:
            self._pending = self._next(size)
        if len(self._pending) < min(size, _COALESCE_SIZE):
            self._coalesce(size, deadline, cancels)
        # Release a piece that is returned whole: its owner may reuse or resize the memory.
        piece = self._pending[:size]
        self._pending = self._pending[size:] if len(self._pending) > size else _NO_BYTES
        return piece

    def _coalesce(self, size: int, deadline: float, cancels: int) -> None:
        """Combines small pieces, because each response to the library costs two thread switches.

        It stops at the deadline, and after a cancel (the number of cancels is no longer `cancels`). The library may not
        need more bytes, so this method must not wait for a slow source.
        """
        combined = bytearray(self._pending)
        self._pending = _NO_BYTES
        while (
            not self._ended and len(combined) < size and time.monotonic() < deadline and self._cancels.value == cancels
        ):
            combined += self._next(size - len(combined))
        self._pending = memoryview(combined)

    def _next(self, size: int) -> memoryview:
        if self._ended:
            return _NO_BYTES
        piece = self._stream.next(size)
        self._ended = not piece
        return piece


class _FileStream:
    """The bytes of a file object, from its current position."""

    def __init__(self, file: Any) -> None:
        self._read = _read_function(file)

    def next(self, size: int) -> memoryview:
        data = self._read(size)
        if data is None:
            raise BlockingIOError("read() of the source returned None: it must block until there are bytes")
        return _as_bytes(data)


class _IterableStream:
    """The bytes of an iterable. Empty pieces are skipped."""

    def __init__(self, pieces: Iterable[Any]) -> None:
        self._pieces = pieces
        self._iterator: Optional[Iterator[Any]] = None

    def next(self, size: int) -> memoryview:
        # Create the iterator at the first read: a call that fails earlier leaves a generator unchanged.
        if self._iterator is None:
            self._iterator = iter(self._pieces)
        return next(filter(None, map(_as_bytes, self._iterator)), _NO_BYTES)


class _LengthChecked:
    """A stream that fails if it ends before the length that its source declares."""

    def __init__(self, stream: Stream, source: Any) -> None:
        self._stream = stream
        self._source = source
        self._started = False
        self._declared: Optional[int] = None
        self._bytes_read = 0

    def next(self, size: int) -> memoryview:
        if not self._started:
            # The program may have changed the file position since it created the Upload.
            declared = _length.declared_length(self._source)
            self._declared = None if declared is None else declared.size
            self._started = True
        piece = self._stream.next(size)
        self._bytes_read += len(piece)
        if not piece:
            self._check_end()
        return piece

    def _check_end(self) -> None:
        if self._declared is not None and self._bytes_read < self._declared:
            raise error_of(
                E_SOURCE_SHORT,
                f"the source ended after {self._bytes_read} of the {self._declared} bytes that it declares: read it "
                "again from its first byte, or set archive_size if it is complete",
            )
        missing = _length.missing_bytes(self._source)
        if missing:
            raise error_of(
                E_SOURCE_SHORT,
                f"the source, an HTTP response, ended {missing} bytes before its Content-Length: request it again",
            )


# Pieces below this size, in bytes, are coalesced for at most this time.
_COALESCE_SIZE = 1 << 18
_COALESCE_SECONDS = 0.001

_NO_BYTES = memoryview(b"")


def _stream(source: Any) -> Stream:
    if isinstance(source, io.TextIOBase):
        raise TypeError("source is a text file: open it in binary mode, as in open(path, 'rb')")
    if hasattr(source, "read") or hasattr(source, "readinto"):
        return _FileStream(source)
    if isinstance(source, Iterable):
        return _IterableStream(source)
    raise TypeError(f"source must be a path, bytes-like, a file object or an iterable of bytes, not {_kind(source)}")


def _read_function(file: Any) -> Callable[[int], Any]:
    """Returns a function that reads from a file object by the most derived of read1, read and readinto.

    read1 is preferred: it returns the bytes that are available, where read waits for the requested number. But if a
    class overrides one method only, the others may return the bytes of its base class or of a file that it wraps.
    """
    for namespace in (getattr(file, "__dict__", {}), *map(vars, type(file).__mro__)):
        for name in ("read1", "read", "readinto"):
            if name in namespace:
                return _method_as_read(file, name)
    return _method_as_read(file, "read" if hasattr(file, "read") else "readinto")


def _method_as_read(file: Any, name: str) -> Callable[[int], Any]:
    method: Callable[[Any], Any] = getattr(file, name)
    if name != "readinto":
        return method

    def read(size: int) -> Optional[memoryview]:
        buffer = bytearray(size)
        length = method(buffer)
        return None if length is None else memoryview(buffer)[:length]

    return read


def _as_bytes(data: Any) -> memoryview:
    try:
        view = memoryview(data)
    except TypeError:
        raise TypeError(f"the source returned {_kind(data)}, not bytes") from None
    return view.cast("B") if view.nbytes else _NO_BYTES


def _kind(value: object) -> str:
    return type(value).__name__
