"""Conversion of Python arguments to C types.

ctypes truncates or wraps some invalid values silently. These functions raise ValueError or TypeError instead.
"""

from __future__ import annotations

import ctypes
import math
import operator
import os
from datetime import datetime
from typing import Any, Union

StrPath = Union[str, bytes, "os.PathLike[str]", "os.PathLike[bytes]"]

HASH_LENGTH = 32


def text(name: str, value: str) -> bytes:
    """Returns a text as UTF-8."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, not {type(value).__name__}")
    return _without_nul(name, value.encode())


def path(name: str, value: StrPath) -> bytes:
    """Returns a path as bytes in the file system encoding."""
    return _without_nul(name, os.fsencode(value))


def u32(name: str, value: int) -> int:
    """Returns an integer that fits in a uint32_t."""
    return _unsigned(name, value, 32)


def u64(name: str, value: int) -> int:
    """Returns an integer that fits in a uint64_t."""
    return _unsigned(name, value, 64)


def milliseconds(name: str, seconds: float) -> int:
    """Returns a time in milliseconds, rounded up."""
    if not (math.isfinite(seconds) and seconds >= 0):
        raise ValueError(f"{name} must be a number of seconds, 0 or more, not {seconds}")
    return u64(name, math.ceil(seconds * 1000))


def unix_time(name: str, value: Union[datetime, float]) -> int:
    """Returns a point in time in whole seconds since 1970-01-01 UTC. It is never 0, which means "never" in C."""
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(f"{name} must have a time zone: {value!r} is ambiguous")
        value = value.timestamp()
    if not math.isfinite(value) or not 1 <= value < 1 << 63:
        raise ValueError(f"{name} must be a time after 1970-01-01, not {value}")
    return int(value)


def tree_hash(name: str, value: Union[str, bytes]) -> Any:
    """Returns a C array with a tree hash that is given as 64 hexadecimal digits or 32 bytes."""
    try:
        # bytes(value) would accept an int, as a number of zeros.
        digest = bytes.fromhex(value) if isinstance(value, str) else memoryview(value).tobytes()
    except (TypeError, ValueError):
        digest = b""
    if len(digest) != HASH_LENGTH:
        raise ValueError(f"{name} must be a tree hash: 64 hexadecimal digits or 32 bytes")
    return hash_buffer(digest)


def hash_buffer(content: bytes = b"", count: int = 1) -> Any:
    """Returns a C array for `count` tree hashes, initialized with `content`."""
    return (ctypes.c_uint8 * (HASH_LENGTH * count))(*content)


def _unsigned(name: str, value: int, bits: int) -> int:
    number = operator.index(value)
    if not 0 <= number < 1 << bits:
        raise ValueError(f"{name} must be from 0 to {(1 << bits) - 1}, not {number}")
    return number


def _without_nul(name: str, value: bytes) -> bytes:
    if b"\0" in value:
        raise ValueError(f"{name} must not contain a NUL character")
    return value
