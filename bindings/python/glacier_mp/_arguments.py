"""Python's values for C's types: what would be cut or wrap around unseen is a ValueError or TypeError here."""

from __future__ import annotations

import ctypes
import math
import operator
import os
import weakref
from datetime import datetime
from typing import Any, Union

StrPath = Union[str, bytes, "os.PathLike[str]", "os.PathLike[bytes]"]

HASH_LENGTH = 32


def text(name: str, value: str) -> bytes:
    """A text as UTF-8."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, not {type(value).__name__}")
    return _without_nul(name, value.encode())


def path(name: str, value: StrPath) -> bytes:
    """The name of a file, in the bytes that the system has it in."""
    return _without_nul(name, os.fsencode(value))


def u32(name: str, value: int) -> int:
    """A count that C holds in 32 bits."""
    return _unsigned(name, value, 32)


def u64(name: str, value: int) -> int:
    """A count that C holds in 64 bits."""
    return _unsigned(name, value, 64)


def milliseconds(name: str, seconds: float) -> int:
    """A time; what is less than a millisecond counts as one."""
    if not (math.isfinite(seconds) and seconds >= 0):
        raise ValueError(f"{name} must be a number of seconds, 0 or more, not {seconds}")
    return u64(name, math.ceil(seconds * 1000))


def unix_time(name: str, value: Union[datetime, float]) -> int:
    """A point in time in whole seconds; never 0, which C takes for none."""
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(f"{name} must have a time zone: {value!r} may be any of a day's hours")
        value = value.timestamp()
    if not math.isfinite(value) or not 1 <= value < 1 << 63:
        raise ValueError(f"{name} must be a time after 1970-01-01, not {value}")
    return int(value)


def tree_hash(name: str, value: Union[str, bytes]) -> Any:
    """A tree hash, from 64 hexadecimal digits or 32 bytes."""
    try:
        digest = bytes.fromhex(value) if isinstance(value, str) else bytes(value)
    except (TypeError, ValueError):
        digest = b""
    if len(digest) != HASH_LENGTH:
        raise ValueError(f"{name} must be a tree hash: 64 hexadecimal digits, or 32 bytes")
    return hash_buffer(digest)


def hash_buffer(content: bytes = b"", count: int = 1) -> Any:
    """Room for tree hashes, one behind the other, as C wants it."""
    return (ctypes.c_uint8 * (HASH_LENGTH * count))(*content)


class Memory:
    """The memory of a bytes-like object, held for as long as this is.

    Held means exported: a bytearray cannot be resized meanwhile, nor an mmap closed.
    """

    def __init__(self, data: Any) -> None:
        view = _Buffer()
        ctypes.pythonapi.PyObject_GetBuffer(ctypes.py_object(data), ctypes.byref(view), _SIMPLE)
        weakref.finalize(self, ctypes.pythonapi.PyBuffer_Release, ctypes.byref(view)).atexit = False
        self.address = view.buf
        self.length = view.len


def _unsigned(name: str, value: int, bits: int) -> int:
    number = operator.index(value)
    if not 0 <= number < 1 << bits:
        raise ValueError(f"{name} must be from 0 to {(1 << bits) - 1}, not {number}")
    return number


def _without_nul(name: str, value: bytes) -> bytes:
    if b"\0" in value:
        raise ValueError(f"{name} must not have a NUL character")
    return value


class _Buffer(ctypes.Structure):
    """Py_buffer. A memoryview does the same, but does not tell the address of memory that is read-only."""

    _fields_ = [
        ("buf", ctypes.c_void_p),
        ("obj", ctypes.c_void_p),
        ("len", ctypes.c_ssize_t),
        ("itemsize", ctypes.c_ssize_t),
        ("readonly", ctypes.c_int),
        ("ndim", ctypes.c_int),
        ("format", ctypes.c_char_p),
        ("shape", ctypes.c_void_p),
        ("strides", ctypes.c_void_p),
        ("suboffsets", ctypes.c_void_p),
        ("internal", ctypes.c_void_p),
    ]


_SIMPLE = 0
