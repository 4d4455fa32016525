"""The lengths that stream sources declare.

A connection that ends early looks like the end of the stream. A source that ends before its declared length therefore
fails with GLACIER_E_SOURCE_SHORT.
"""

from __future__ import annotations

import inspect
import io
import numbers
import os
import stat
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, NamedTuple, Optional

from . import _headers
from ._arguments import shown, whole_number
from ._ffi import UNKNOWN_LENGTH


class Declared(NamedTuple):
    """A length that a source declares before it is read.

    Attributes:
        size (int): the number of bytes from the current position to the end.
        exact (bool): whether the source cannot have more bytes. True for the body of an HTTP response; False for a
            file, which can grow.
    """

    size: int
    exact: bool


def declared_length(source: Any) -> Optional[Declared]:
    """Returns the length that a source declares.

    Returns None if it declares none, or if its read methods may return other bytes than those it counts.

    Raises:
        ValueError: it declares a length that is not valid, or several different ones.
    """
    for length_of in (_response_length, _file_length, _attribute_length):
        declared = length_of(source)
        if declared is not None:
            return declared if declared.size > 0 else None
    return None


def missing_bytes(source: Any) -> int:
    """Returns the number of bytes that an HTTP response has not received, after the source that reads it has ended."""
    response = source
    # These classes read the object that they wrap to its end.
    for _ in range(_MAX_WRAPPERS):
        kind = type(response)
        if kind in (io.BufferedReader, io.BufferedRandom) or _is_response_of_requests(response):
            response = response.raw
        elif (name := _DECOMPRESSORS.get((kind.__module__.split(".")[0], kind.__name__))) is not None:
            # Compressed data may have several members. The end of the data between two of them is no error.
            response = getattr(response, name)
        else:
            break
    return _remaining(response) or 0


def _response_length(source: Any) -> Optional[Declared]:
    """Returns the length of an HTTP response, from its count of remaining bytes or from its header."""
    raw = source.raw if _is_response_of_requests(source) else source
    if _has_own(raw, "length_remaining") or _is_response(raw):
        # A class that decodes the content returns other bytes than it receives.
        decodes = bool(getattr(raw, "decode_content", False)) or raw is not source
        if decodes and _is_encoded(raw):
            return None
        remaining = _remaining(raw)
        # http.client and urllib3 have no count if they do not understand the header.
        return _header_length(raw) if remaining is None else Declared(remaining, exact=True)
    if not _has_own(source, "headers") or _is_encoded(source):
        return None
    return _header_length(source)


def _header_length(response: Any) -> Optional[Declared]:
    """Returns the length in the header of an HTTP response.

    RFC 9110, section 8.6 allows a list of equal numbers, in one field or in several.
    """
    headers = getattr(response, "headers", None)
    if _headers.values(headers, "transfer-encoding"):
        return None
    total = _content_length("Content-Length", _headers.values(headers, "content-length"))
    return None if total is None else Declared(total - _position(response), exact=True)


def _file_length(source: Any) -> Optional[Declared]:
    """Returns the length of a regular file that io or tempfile opened, or of a BytesIO.

    Other classes may return other bytes than those of the file.
    """
    file = source.file if type(source) is _TemporaryFile else source
    # A buffer over another class, such as GzipFile, has the file descriptor of the compressed file.
    if type(getattr(file, "raw", file)) not in _UNBUFFERED or type(file) not in _FILES or _has_replaced_read(source):
        return None
    with suppress(OSError, ValueError):
        if type(file) is io.BytesIO:
            return Declared(file.getbuffer().nbytes - file.tell(), exact=False)
        status = os.fstat(file.fileno())
        if stat.S_ISREG(status.st_mode):
            return Declared(status.st_size - file.tell(), exact=False)
    return None


def _attribute_length(source: Any) -> Optional[Declared]:
    """Returns the length of any other file object, from the attributes that HTTP clients use, in the same order."""
    if not (hasattr(source, "read") or hasattr(source, "readinto")):
        # The len() of another iterable is not a number of bytes.
        return None
    total = _length_of_len(source)
    for name in ("len", "length", "content_length", "size"):
        if total is None and _has_own(source, name):
            total = _attribute(source, name)
    return None if total is None else Declared(total - _position(source), exact=False)


def _remaining(response: Any) -> Optional[int]:
    """Returns the number of bytes that an HTTP response has still to receive.

    It is length_remaining of urllib3, or length of http.client. A wrapper may forward these attributes.
    """
    remaining = _attribute(response, "length_remaining")
    # In other classes `length` may have another meaning, such as the total length.
    return _attribute(response, "length") if remaining is None and _is_response(response) else remaining


def _is_response(source: Any) -> bool:
    """Returns whether the source has the attributes of http.client.HTTPResponse, itself or forwarded by a wrapper."""
    try:
        return isinstance(source.chunked, (bool, int)) and hasattr(source, "length") and hasattr(source, "will_close")
    except Exception:
        return False


def _is_response_of_requests(source: Any) -> bool:
    return _has_own(source, "raw") and _has_own(source, "iter_content")


def _is_encoded(source: Any) -> bool:
    """Returns whether the response has a Content-Encoding, such as gzip."""
    encodings = _headers.values(getattr(source, "headers", None), "content-encoding")
    return any(str(encoding).strip().lower() not in ("", "identity") for encoding in encodings)


def _position(source: Any) -> int:
    """Returns the current position of a source; 0 if it is unknown."""
    with suppress(Exception):
        return max(0, int(source.tell()))
    return 0


def _length_of_len(source: Any) -> Optional[int]:
    try:
        return len(source)
    except OverflowError:
        raise _invalid("len()", "which exceeds sys.maxsize") from None
    except (TypeError, ValueError):
        return None


def _attribute(source: Any, name: str) -> Optional[int]:
    """Returns the number of bytes in an attribute; None if it has another meaning, such as the size of an image."""
    value = None
    with suppress(Exception):
        value = getattr(source, name)
    # A wrapper may forward any name, for example a mock. The attributes of a mock have __index__.
    if not (_has_own(source, name) or isinstance(value, numbers.Integral)):
        return None
    if name == "content_length" and isinstance(value, (str, bytes, list, tuple)):
        return _content_length(name, _headers.flattened([value]))
    return _number(name, value)


def _content_length(name: str, values: Iterable[Any]) -> Optional[int]:
    """Returns the number in the values of a Content-Length; None if there is no value."""
    found = set()
    for value in values:
        for element in value.split(",") if isinstance(value, str) else (value,):
            number = _number(name, element)
            if number is None:
                raise _invalid(name, shown(value))
            found.add(number)
    if len(found) > 1:
        raise _invalid(name, f"different values, {' and '.join(map(str, sorted(found)[:2]))}")
    return next(iter(found), None)


def _number(name: str, value: Any) -> Optional[int]:
    """Returns the value of a number of bytes; None for any other value."""
    text = value.decode("latin-1") if isinstance(value, bytes) else value
    if isinstance(text, str):
        digits = text.strip()
        # More digits are too large as well. Python refuses to convert more than 4,300.
        number = int(digits.lstrip("0")[:_MAX_DIGITS] or "0") if digits.isascii() and digits.isdigit() else None
    elif isinstance(value, float):
        number = int(value) if value.is_integer() else None
    else:
        number = whole_number(value)
    if number is None or number < 0:
        return None
    if number >= UNKNOWN_LENGTH:
        raise _invalid(name, shown(value))
    return number


def _invalid(name: str, value: str) -> ValueError:
    return ValueError(
        f"the source has an invalid {name}, {value}: it must be a number of bytes below 2^64 - 1; if the source is "
        "complete, set archive_size"
    )


def _has_replaced_read(source: Any) -> bool:
    """Returns whether the program has replaced a read method of this object."""
    return not {"read", "read1", "readinto"}.isdisjoint(getattr(source, "__dict__", ()))


def _has_own(source: Any, name: str) -> bool:
    """Returns whether the object or its class has an attribute.

    Attributes that a wrapper forwards do not count: the wrapper may return other bytes.
    """
    missing = object()
    return inspect.getattr_static(source, name, missing) is not missing


_UNBUFFERED = (io.FileIO, io.BytesIO)
_FILES = (*_UNBUFFERED, io.BufferedReader, io.BufferedRandom)
_TemporaryFile: Any = tempfile._TemporaryFileWrapper

# The attributes with the compressed files, by package and class.
_DECOMPRESSORS = {
    ("gzip", "GzipFile"): "fileobj",
    ("bz2", "BZ2File"): "_fp",
    ("lzma", "LZMAFile"): "_fp",
    ("compression", "ZstdFile"): "_fp",
}
_MAX_WRAPPERS = 4
# A number with this number of digits exceeds 2^64.
_MAX_DIGITS = 21
