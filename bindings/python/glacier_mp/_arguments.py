"""Conversion of Python arguments to C types.

ctypes truncates or wraps some invalid values silently. These functions raise ValueError or TypeError instead. The
message names the parameter. It never contains a text or a path, because many of them are secrets or have a password.
"""

from __future__ import annotations

import ctypes
import math
import numbers
import operator
import os
import sys
from datetime import datetime
from typing import Any, Optional, TypeVar, Union

StrPath = Union[str, bytes, "os.PathLike[str]", "os.PathLike[bytes]"]

T = TypeVar("T")

HASH_LENGTH = 32


def text(name: str, value: str) -> bytes:
    """Returns a text as UTF-8."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, not {kind_of(value)}")
    return _without_nul(name, _encoded(name, value, "utf-8", "strict"))


def path(name: str, value: StrPath) -> bytes:
    """Returns a path as bytes in the file system encoding."""
    try:
        found = os.fspath(value)
    except TypeError:
        raise TypeError(f"{name} must be a path: a str, bytes or an os.PathLike, not {kind_of(value)}") from None
    if isinstance(found, str):
        # As os.fsencode.
        found = _encoded(name, found, sys.getfilesystemencoding(), sys.getfilesystemencodeerrors())
    return _without_nul(name, found)


def u32(name: str, value: int) -> int:
    """Returns an integer that fits in a uint32_t."""
    return _unsigned(name, value, 32)


def u64(name: str, value: int) -> int:
    """Returns an integer that fits in a uint64_t."""
    return _unsigned(name, value, 64)


def callback(name: str, value: T, expected: str = "callable") -> T:
    """Returns a callable. Otherwise the first call of it would fail, which may be after the archive was created."""
    if not callable(value):
        raise TypeError(f"{name} must be {expected}, not {kind_of(value)}")
    return value


def integer(name: str, value: int) -> int:
    """Returns an integer of any size."""
    number = whole_number(value)
    if number is None:
        raise TypeError(f"{name} must be an integer, not {kind_of(value)}")
    return number


def milliseconds(name: str, seconds: float) -> int:
    """Returns a time in milliseconds, rounded up."""
    number = _real(name, seconds, "a number of seconds")
    if not 0 <= number <= _LONGEST_SECONDS:
        raise ValueError(f"{name} must be a number of seconds from 0 to {_LONGEST_SECONDS}, not {shown(seconds)}")
    return math.ceil(number * 1000)


def unix_time(name: str, value: Union[datetime, float]) -> int:
    """Returns a point in time in whole seconds since 1970-01-01 UTC. It is never 0, which means "never" in C."""
    if isinstance(value, datetime):
        if value.utcoffset() is None:
            raise ValueError(f"{name} must have a time zone: {shown(value)} is ambiguous")
        value = value.timestamp()
    number = _real(name, value, "a datetime or a number of seconds since 1970-01-01 UTC")
    if not 1 <= number < 1 << 63:
        raise ValueError(f"{name} must be a time from 1 to 2^63 - 1 s after 1970-01-01 UTC, not {shown(value)}")
    return int(number)


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


def whole_number(value: object) -> Optional[int]:
    """Returns the value of an integer, such as an int or a numpy.int64; None for any other object.

    True and False are not numbers here, although bool is a subclass of int: True as a limit would mean 1.
    """
    if isinstance(value, bool):
        return None
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        return None


def shown(value: object) -> str:
    """Returns a value for a message: short, and without control or invisible characters."""
    number = whole_number(value)
    if number is not None and number.bit_length() > _SHOWN_BITS:
        # Python refuses to convert an integer of more than 4,300 digits to text.
        return f"an integer of {number.bit_length()} bits"
    # The repr of other objects may have control characters, which ascii() of the object would not escape.
    text = ascii(value) if isinstance(value, (str, bytes)) else ascii(repr(value))[1:-1]
    return text if len(text) <= _SHOWN_LENGTH else f"{text[:_SHOWN_LENGTH]}..."


def printable(text: str) -> str:
    """Returns a text for a message, with control and invisible characters in escaped form."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def kind_of(value: object) -> str:
    """Returns the name of an object's class for a message. A program can choose any characters for it."""
    return ascii(type(value).__name__)[1:-1]


# Timeouts have 64 bits, in milliseconds.
_LONGEST_SECONDS = ((1 << 64) - 1) // 1000

_SHOWN_BITS = 128
_SHOWN_LENGTH = 80


def _unsigned(name: str, value: int, bits: int) -> int:
    number = integer(name, value)
    if not 0 <= number < 1 << bits:
        raise ValueError(f"{name} must be from 0 to {(1 << bits) - 1}, not {shown(number)}")
    return number


def _real(name: str, value: Any, expected: str) -> float:
    """Returns a number as an int or a float: infinite if no float can hold it, NaN if it has no value."""
    number = whole_number(value)
    if number is not None:
        return number
    try:
        # Other objects that float() accepts are no numbers: a text, a numpy.bool_.
        if isinstance(value, numbers.Number) and not isinstance(value, bool):
            return float(value)  # type: ignore[arg-type]
    except OverflowError:
        return math.inf
    except ValueError:
        return math.nan
    except TypeError:
        # It is a complex number.
        pass
    raise TypeError(f"{name} must be {expected}, not {kind_of(value)}")


def _encoded(name: str, value: str, encoding: str, errors: str) -> bytes:
    try:
        return value.encode(encoding, errors)
    except UnicodeEncodeError as error:
        offset = error.start
    # Raised here, because an exception that is raised above would refer to the UnicodeEncodeError, which has the text.
    raise ValueError(f"{name} has a character at offset {offset} without {encoding} encoding, such as a lone surrogate")


def _without_nul(name: str, value: bytes) -> bytes:
    if b"\0" in value:
        raise ValueError(f"{name} must not contain a NUL character")
    return value
