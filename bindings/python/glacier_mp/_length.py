"""The lengths that stream sources declare.

A connection that ends early looks like the end of the stream. A source that ends before its declared length therefore
fails with GLACIER_E_SOURCE_SHORT.
"""

from __future__ import annotations

import inspect
import io
import os
import stat
import tempfile
from contextlib import suppress
from typing import Any, NamedTuple, Optional


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
        elif kind.__name__ == "GzipFile" and kind.__module__ == "gzip":
            response = response.fileobj
        else:
            break
    return _remaining(response) or 0


def _response_length(source: Any) -> Optional[Declared]:
    """Returns the length of an HTTP response, from its count of remaining bytes or from its header."""
    raw = source.raw if _is_response_of_requests(source) else source
    if _has_own(raw, "length_remaining") or _is_response(raw):
        # A class that decodes the content returns other bytes than it receives.
        decodes = bool(getattr(raw, "decode_content", False)) or raw is not source
        remaining = _remaining(raw)
        if remaining is None or (decodes and _is_encoded(raw)):
            return None
        return Declared(remaining, exact=True)
    headers = getattr(source, "headers", None) if _has_own(source, "headers") else None
    if headers is None or _is_encoded(source) or _header(headers, "transfer-encoding"):
        return None
    total = _number(_header(headers, "content-length"))
    return None if total is None else Declared(total - _position(source), exact=True)


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
    total: Optional[int] = None
    with suppress(TypeError, ValueError, OverflowError):
        total = len(source)
    for name in ("len", "length", "content_length", "size"):
        if total is None and _has_own(source, name):
            with suppress(Exception):
                total = _number(getattr(source, name))
    return None if total is None else Declared(total - _position(source), exact=False)


def _remaining(response: Any) -> Optional[int]:
    """Returns the number of bytes that an HTTP response has still to receive.

    It is length_remaining of urllib3, or length of http.client. A wrapper may forward these attributes.
    """
    with suppress(Exception):
        if _is_count(response.length_remaining):
            return int(response.length_remaining)
    with suppress(Exception):
        # In other classes `length` may have another meaning, such as the total length.
        if _is_response(response) and _is_count(response.length):
            return int(response.length)
    return None


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
    encoding = _header(getattr(source, "headers", None), "content-encoding")
    return bool(encoding) and str(encoding).strip().lower() != "identity"


def _header(headers: Any, name: str) -> Any:
    """Returns the value of a header field; None if there is none."""
    with suppress(Exception):
        for spelling in (name, name.title()):
            value = headers.get(spelling)
            if value is not None:
                return value
    return None


def _position(source: Any) -> int:
    """Returns the current position of a source; 0 if it is unknown."""
    with suppress(Exception):
        return max(0, int(source.tell()))
    return 0


def _number(value: Any) -> Optional[int]:
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit():
        return int(value)
    return value if _is_count(value) else None


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


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

_MAX_WRAPPERS = 4
