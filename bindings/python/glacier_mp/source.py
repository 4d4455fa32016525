"""Sources: what the bytes of an archive come from, and how the library gets at them."""

from __future__ import annotations

import io
import mmap
import os
import time
from collections.abc import Iterable, Iterator
from typing import Any, Callable, Optional, Protocol, Union

from . import _arguments, _length
from ._calls import ON_READ
from ._ffi import E_SOURCE_SHORT, LARGEST_ARCHIVE, NO_DESTROY, UNKNOWN_LENGTH, UploadHandle, error_of, lib

Data = Union[bytes, bytearray, memoryview, mmap.mmap]


class Readable(Protocol):
    """A file object, as far as it is needed: its read() gives bytes, and none at the end."""

    def read(self, size: int, /) -> Optional[Data]:
        """The next bytes, at most so many."""


Source = Union[str, "os.PathLike[str]", "os.PathLike[bytes]", Data, Readable, Iterable[Data]]


class Stream(Protocol):
    """A source that is read once, from where it stands to its end."""

    def next(self, most: int) -> memoryview:
        """The next bytes, about so many at most; none at the end."""


def set_source(
    handle: UploadHandle, source: Source, archive_size: Optional[int], expected_size: Optional[int]
) -> Optional[Stream]:
    """Sets the library's source. Returns the stream that it is read from by Reading; None for a path or memory."""
    if isinstance(source, (str, os.PathLike)):
        lib.glacier_upload_set_source_file(handle, _arguments.path("source", source))
        return None
    try:
        memory = _arguments.Memory(source)
    except TypeError:
        stream = _stream(source)
        # The archive_size takes the place of what the source says of its length.
        return stream if _set_stream(handle, source, archive_size, expected_size) else _Complete(stream, source)
    handle.held.append(memory)
    lib.glacier_upload_set_source_memory(handle, memory.address, memory.length)
    return None


def _set_stream(handle: UploadHandle, source: Any, archive_size: Optional[int], expected_size: Optional[int]) -> bool:
    """Sets the read callback; True if the program has set the archive_size."""
    declared = None if archive_size is not None else _length.declared_by(source)
    total = UNKNOWN_LENGTH
    if declared is not None and declared.exact:
        total = declared.size
    elif declared is not None and expected_size is None and declared.size <= LARGEST_ARCHIVE:
        lib.glacier_upload_set_expected_size(handle, declared.size)
    lib.glacier_upload_set_source_callback(handle, ON_READ, total, None, NO_DESTROY)
    return archive_size is not None


class Reading:
    """How one call reads a stream."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._ended = False
        self._rest = _NOTHING

    def read(self, most: int) -> memoryview:
        """The next bytes, at most so many; none at the end."""
        until = time.monotonic() + _GATHERED_FOR
        if not self._rest:
            self._rest = self._next(most)
        if len(self._rest) < min(most, _SMALL):
            self._gather(most, until)
        # What was taken whole is let go: its owner may want to use the memory again, or to resize it.
        taken, self._rest = self._rest[:most], self._rest[most:] if len(self._rest) > most else _NOTHING
        return taken

    def _gather(self, most: int, until: float) -> None:
        """Puts small pieces together, because each answer to the library costs two changes of threads; but those only
        that come at once: after a piece that was waited for the library may want no more."""
        gathered = bytearray(self._rest)
        self._rest = _NOTHING
        while not self._ended and len(gathered) < most and time.monotonic() < until:
            gathered += self._next(most - len(gathered))
        self._rest = memoryview(gathered)

    def _next(self, most: int) -> memoryview:
        if self._ended:
            return _NOTHING
        piece = self._stream.next(most)
        self._ended = not piece
        return piece


class _FileObject:
    """What comes from a file object, from where it stands on."""

    def __init__(self, file: Any) -> None:
        self._read = _reader_of(file)

    def next(self, most: int) -> memoryview:
        data = self._read(most)
        if data is None:
            raise BlockingIOError("the source has no bytes yet: its read() must wait for them")
        return _as_bytes(data)


class _Pieces:
    """What comes from an iterable; pieces without a byte are passed over."""

    def __init__(self, pieces: Iterable[Any]) -> None:
        self._pieces = pieces
        self._iterator: Optional[Iterator[Any]] = None

    def next(self, most: int) -> memoryview:
        # Not before the first bytes are wanted: a call that is refused leaves a generator as it is.
        if self._iterator is None:
            self._iterator = iter(self._pieces)
        return next(filter(None, map(_as_bytes, self._iterator)), _NOTHING)


class _Complete:
    """A stream that fails if it ends before the length that its source declares."""

    def __init__(self, stream: Stream, source: Any) -> None:
        self._stream = stream
        self._source = source
        self._begun = False
        self._declared: Optional[int] = None
        self._taken = 0

    def next(self, most: int) -> memoryview:
        if not self._begun:
            # Not before: the program may have moved the file's position since it made the Upload.
            declared = _length.declared_by(self._source)
            self._declared = None if declared is None else declared.size
            self._begun = True
        piece = self._stream.next(most)
        self._taken += len(piece)
        if not piece:
            self._check_end()
        return piece

    def _check_end(self) -> None:
        if self._declared is not None and self._taken < self._declared:
            raise error_of(
                E_SOURCE_SHORT,
                f"the source ended after {self._taken} of the {self._declared} bytes that it declares: read it again "
                "from its first byte, or set archive_size if it has no more",
            )
        missing = _length.missing_of(self._source)
        if missing:
            raise error_of(
                E_SOURCE_SHORT,
                f"the source, an HTTP response, ended {missing} bytes before its Content-Length: request it again",
            )


# Pieces of less are put together, for so many seconds.
_SMALL = 1 << 18
_GATHERED_FOR = 0.001

_NOTHING = memoryview(b"")


def _stream(source: Any) -> Stream:
    if isinstance(source, io.TextIOBase):
        raise TypeError("source is a text file: open it for bytes, as by open(path, 'rb')")
    if hasattr(source, "read") or hasattr(source, "readinto"):
        return _FileObject(source)
    if isinstance(source, Iterable):
        return _Pieces(source)
    raise TypeError(f"source must be a path, bytes-like, a file object or an iterable of bytes, not {_kind(source)}")


def _reader_of(file: Any) -> Callable[[int], Any]:
    """By read1, which waits for some bytes, where read waits for all that it was asked for; but if a class has changed
    one of them, by that: what its base or the file that it wraps would give may be other bytes."""
    for place in (getattr(file, "__dict__", {}), *map(vars, type(file).__mro__)):
        for name in ("read1", "read", "readinto"):
            if name in place:
                return _by(file, name)
    return _by(file, "read" if hasattr(file, "read") else "readinto")


def _by(file: Any, name: str) -> Callable[[int], Any]:
    method: Callable[[Any], Any] = getattr(file, name)
    if name != "readinto":
        return method

    def read(most: int) -> Optional[memoryview]:
        buffer = bytearray(most)
        length = method(buffer)
        return None if length is None else memoryview(buffer)[:length]

    return read


def _as_bytes(data: Any) -> memoryview:
    try:
        view = memoryview(data)
    except TypeError:
        raise TypeError(f"the source gave {_kind(data)}, not bytes") from None
    return view.cast("B") if view.nbytes else _NOTHING


def _kind(value: object) -> str:
    return type(value).__name__
