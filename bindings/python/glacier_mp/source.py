"""Sources of archives, and the reading of streams."""

from __future__ import annotations

import array
import io
import mmap
import os
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Callable, Optional, Protocol, Union

from . import _arguments, _length
from ._calls import ON_READ
from ._ffi import E_INVALID, E_SOURCE_SHORT, LARGEST_ARCHIVE, NO_DESTROY, UNKNOWN_LENGTH, UploadHandle, error_of, lib
from ._files import FileReader
from ._memory import Memory

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

    # Every bytes-like object.
    Data = ReadableBuffer
else:
    Data = Union[bytes, bytearray, memoryview, array.array, mmap.mmap]


class Readable(Protocol):
    """A file object: an object with a method read()."""

    def read(self, size: int, /) -> Optional[Data]:
        """Returns the next bytes, at most `size`; no bytes at the end."""


Source = Union[str, "os.PathLike[str]", "os.PathLike[bytes]", Data, Readable, Iterable[Data]]


class Stream(Protocol):
    """A source that is read once, from its current position to its end."""

    def next(self, size: int) -> Optional[memoryview]:
        """Returns the next bytes, about `size` at most; no bytes at the end; None if there are no bytes yet."""

    def wait(self) -> None:
        """Waits until there may be bytes, at most 100 ms. It is called only after next() returned None."""


def set_source(
    handle: UploadHandle, source: Source, archive_size: Optional[int], expected_size: Optional[int]
) -> Optional[Stream]:
    """Sets the source of an upload. Returns the stream for StreamReader; None for a path or memory."""
    if isinstance(source, (str, os.PathLike)):
        lib.glacier_upload_set_source_file(handle, _arguments.path("source", source))
        return None
    memory = None
    with suppress(TypeError):
        memory = Memory(source)
    if memory is None:
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
    with suppress(OSError, ValueError, TypeError, AttributeError, OverflowError):
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
    """The number of cancels and aborts of an upload. Any thread and a signal handler may change it."""

    def __init__(self) -> None:
        self.value = 0


class StreamReader:
    """Reads a stream for one call."""

    def __init__(self, stream: Stream, cancels: CancelCount) -> None:
        self._stream = stream
        self._cancels = cancels
        self._cancels_before = cancels.value
        self._ended = False
        self._pending = _NO_BYTES
        # Whether a cancel ended the wait for bytes.
        self.was_canceled = False

    def read(self, size: int, is_stopping: Callable[[], bool]) -> Optional[memoryview]:
        """Returns the next bytes, at most `size`; no bytes at the end; None if the wait for bytes was stopped.

        A cancel, or is_stopping() after it became true, stops the wait within 100 ms.
        """
        deadline = time.monotonic() + _COALESCE_SECONDS
        if not self._pending and not self._wait_for_bytes(size, is_stopping):
            return None
        if len(self._pending) < min(size, _COALESCE_SIZE):
            self._coalesce(size, deadline)
        # Release a piece that is returned whole: its owner may reuse or resize the memory.
        piece = self._pending[:size]
        self._pending = self._pending[size:] if len(self._pending) > size else _NO_BYTES
        return piece

    def _wait_for_bytes(self, size: int, is_stopping: Callable[[], bool]) -> bool:
        """Gets the next bytes, or the end. Returns False if the wait was stopped."""
        while (piece := self._next(size)) is None:
            self.was_canceled = self._is_canceled()
            if self.was_canceled or is_stopping():
                return False
            self._stream.wait()
        self._pending = piece
        return True

    def _coalesce(self, size: int, deadline: float) -> None:
        """Combines small pieces, because each response to the library costs two thread switches.

        It stops at the deadline, after a cancel, and if there are no bytes yet. The library may not need more bytes, so
        this method must not wait for a slow source.
        """
        combined = bytearray(self._pending)
        self._pending = _NO_BYTES
        while not self._ended and len(combined) < size and time.monotonic() < deadline and not self._is_canceled():
            piece = self._next(size - len(combined))
            if piece is None:
                break
            combined += piece
            # Release it before the next one: its owner may resize the memory.
            del piece
        self._pending = memoryview(combined)

    def _is_canceled(self) -> bool:
        return self._cancels.value != self._cancels_before

    def _next(self, size: int) -> Optional[memoryview]:
        if self._ended:
            return _NO_BYTES
        piece = self._stream.next(size)
        self._ended = piece is not None and not piece
        return piece


class _FileStream:
    """The bytes of a file object, from its current position."""

    def __init__(self, file: Any) -> None:
        self._reader = FileReader(file)
        self.wait = self._reader.wait

    def next(self, size: int) -> Optional[memoryview]:
        data = self._reader.read(size)
        return None if data is None else _as_bytes(data)


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

    def wait(self) -> None:
        """Returns at once: there are always bytes until the end."""


class _LengthChecked:
    """A stream that fails if it ends before the length that its source declares."""

    def __init__(self, stream: Stream, source: Any) -> None:
        self._stream = stream
        self._source = source
        self._started = False
        self._declared: Optional[int] = None
        self._bytes_read = 0

    def next(self, size: int) -> Optional[memoryview]:
        if not self._started:
            # The program may have changed the file position since it created the Upload.
            declared = _length.declared_length(self._source)
            self._declared = None if declared is None else declared.size
            self._started = True
        piece = self._stream.next(size)
        if piece is not None:
            self._bytes_read += len(piece)
            if not piece:
                self._check_end()
        return piece

    def wait(self) -> None:
        self._stream.wait()

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
    raise TypeError(
        f"source must be a path, bytes-like, a file object or an iterable of bytes, not {_arguments.kind_of(source)}"
    )


def _as_bytes(data: Any) -> memoryview:
    try:
        view = memoryview(data)
    except TypeError:
        raise TypeError(f"the source returned {_arguments.kind_of(data)}, not bytes") from None
    return view.cast("B") if view.nbytes else _NO_BYTES
