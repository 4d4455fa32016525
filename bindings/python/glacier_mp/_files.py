"""Reading of file objects, in blocking and in non-blocking mode.

read() and readinto() return None if there are no bytes yet. read1() of a buffered file then returns no bytes, as at the
end. An end is therefore confirmed before it becomes the end of an archive.
"""

from __future__ import annotations

import io
import os
import select
import socket
import time
from typing import Any, Callable, Optional

from ._arguments import kind_of, shown, whole_number

Read = Callable[[int], Any]


class FileReader:
    """Reads a file object, from its current position to its end."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._read = _read_function(file)
        self._was_ready = False

    def read(self, size: int) -> Any:
        """Returns the next bytes, about `size` at most; no bytes at the end; None if there are no bytes yet."""
        data = self._read(size)
        if data is not None:
            self._was_ready = False
        return data

    def wait(self) -> None:
        """Waits until there may be bytes, at most 100 ms."""
        try:
            descriptor = self._file.fileno()
        except (AttributeError, io.UnsupportedOperation):
            raise BlockingIOError(
                "the source is in non-blocking mode and has no file descriptor to wait for: set it to blocking mode"
            ) from None
        if self._was_ready:
            # There were no bytes although the descriptor was ready: another process read them, or they are incomplete.
            time.sleep(_WAIT_SECONDS)
        self._was_ready = _is_readable(descriptor)


_WAIT_SECONDS = 0.1


def _is_readable(descriptor: int) -> bool:
    """Waits until a read does not block, at most 100 ms. Returns whether it does not block.

    gevent and eventlet replace these functions, so other greenlets keep running. eventlet removes poll.
    """
    if not hasattr(select, "poll"):
        return bool(select.select([descriptor], [], [], _WAIT_SECONDS)[0])
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(_WAIT_SECONDS * 1000))


def _read_function(file: Any) -> Read:
    """Returns a function that reads from a file object by the most derived of read1, read and readinto.

    read1 is preferred: it returns the bytes that are available, where read waits for the requested number. But if a
    class overrides one method only, the others may return the bytes of its base class or of a file that it wraps.
    """
    classes = type(file).__mro__
    for owner, namespace in ((None, getattr(file, "__dict__", {})), *zip(classes, map(vars, classes))):
        if "read1" in namespace:
            return _confirmed_read1(file) if owner in _BUFFERED else _checked(file, file.read1)
        for name in ("read", "readinto"):
            if name in namespace:
                return _method_as_read(file, name)
    return _method_as_read(file, "read" if hasattr(file, "read") else "readinto")


# The classes of io whose read1 returns no bytes if there are none yet.
_BUFFERED = (io.BufferedReader, io.BufferedRandom, io.BufferedRWPair)


def _method_as_read(file: Any, name: str) -> Read:
    read: Read = getattr(file, name) if name == "read" else _readinto_as_read(file)
    return read


def _readinto_as_read(file: Any) -> Read:
    readinto = file.readinto

    def read(size: int) -> Optional[memoryview]:
        buffer = bytearray(size)
        length = readinto(buffer)
        return None if length is None else memoryview(buffer)[: checked_length(length, size)]

    return read


def checked_length(length: Any, size: int) -> int:
    """Returns the number of bytes that readinto() of a source returned."""
    number = whole_number(length)
    if number is None:
        raise TypeError(f"readinto() of the source returned {shown(length)}, not a number of bytes")
    if not 0 <= number <= size:
        raise ValueError(
            f"readinto() of the source returned {shown(number)}, but must return a number from 0 to {size}"
        )
    return number


def _confirmed_read1(file: Any) -> Read:
    """Returns read1 of a class of io, with an end that is certain: the raw file or read() reports it too.

    A raw file in blocking mode is not read again: it may be a terminal, or a tape with another file after this one.
    """
    raw = getattr(file, "raw", None)
    read1: Read = file.read1
    read: Read = file.read if raw is None else _checked(raw, _readinto_as_read(raw))

    def read_or_none(size: int) -> Any:
        # Another process can change the mode at any time.
        was_blocking = _is_blocking(raw)
        data = read1(size)
        return data if data or (was_blocking and _is_blocking(raw)) else read(size)

    return read_or_none


def _is_blocking(raw: Any) -> bool:
    return type(raw) is io.FileIO and os.get_blocking(raw.fileno())


def _checked(file: Any, read: Read) -> Read:
    """Returns a read function of a class that may take "no bytes yet" in the file that it wraps for the end.

    Such classes are decompressors, and buffered files with a read1 of their own.
    """

    def read_checked(size: int) -> Any:
        data = read(size)
        if data is not None and not data and _wraps_non_blocking(file):
            raise BlockingIOError(
                f"the source, {kind_of(file)}, reads a file in non-blocking mode, so its end is not certain: set "
                "that file to blocking mode"
            )
        return data

    return read_checked


def _wraps_non_blocking(file: Any) -> bool:
    """Returns whether a file object wraps a file or socket in non-blocking mode."""
    layer = _wrapped(file)
    for _ in range(_MAX_LAYERS):
        if layer is None or getattr(layer, "closed", False):
            return False
        if isinstance(layer, io.FileIO):
            return not os.get_blocking(layer.fileno())
        if isinstance(layer, socket.SocketIO):
            # The descriptor of a socket with a timeout, or of gevent, is in non-blocking mode, but its reads wait.
            return bool(layer._sock.gettimeout() == 0)  # type: ignore[attr-defined]
        layer = _wrapped(layer)
    return False


def _wrapped(file: Any) -> Any:
    """Returns the file object that another one reads; None if it is unknown."""
    return next((value for name in _LAYER_NAMES if (value := getattr(file, name, None)) is not None), None)


# The attributes of io, gzip, bz2, http.client, tempfile and gevent.
_LAYER_NAMES = ("raw", "fileobj", "_fp", "fp", "file", "io")
_MAX_LAYERS = 6
