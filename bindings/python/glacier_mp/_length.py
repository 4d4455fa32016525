"""What sources that are read as a stream declare of their own length.

A connection that ends early looks like the end of the stream. A source that ends before its declared length is
therefore GLACIER_E_SOURCE_SHORT.
"""

from __future__ import annotations

import inspect
import io
import os
import stat
import tempfile
from contextlib import suppress
from typing import Any, NamedTuple, Optional

_COMPRESSED = "content-encoding"


class Declared(NamedTuple):
    """A length that a source declares before it is read.

    Attributes:
        size (int): the bytes from where the source stands to its end.
        exact (bool): whether it can have no more, as the body of an HTTP response. A file can still grow.
    """

    size: int
    exact: bool


def declared_by(source: Any) -> Optional[Declared]:
    """Returns the length that a source declares; None if it declares none, or may give other bytes than it counts."""
    for look in (_of_response, _of_file, _of_attributes):
        declared = look(source)
        if declared is not None:
            return declared if declared.size > 0 else None
    return None


def missing_of(source: Any) -> int:
    """Returns how many bytes an HTTP response has not received, after the source that reads it gave no more."""
    response = source
    # These classes read what they wrap to its end.
    for _ in range(_DEPTH):
        kind = type(response)
        if kind in (io.BufferedReader, io.BufferedRandom) or _is_response_of_requests(response):
            response = response.raw
        elif kind.__name__ == "GzipFile" and kind.__module__ == "gzip":
            response = response.fileobj
        else:
            break
    return _remaining(response) or 0


def _of_response(source: Any) -> Optional[Declared]:
    """Of an HTTP response, from what it counts down, or from its header."""
    own = source.raw if _is_response_of_requests(source) else source
    if _has_own(own, "length_remaining") or _is_response(own):
        # A class that decodes gives other bytes than it receives.
        decodes = bool(getattr(own, "decode_content", False)) or own is not source
        remaining = _remaining(own)
        if remaining is None or (decodes and _is_encoded(own)):
            return None
        return Declared(remaining, exact=True)
    headers = getattr(source, "headers", None) if _has_own(source, "headers") else None
    if headers is None or _is_encoded(source) or _header(headers, "transfer-encoding"):
        return None
    total = _number(_header(headers, "content-length"))
    return None if total is None else Declared(total - _position(source), exact=True)


def _of_file(source: Any) -> Optional[Declared]:
    """Of a regular file that io or tempfile opened, or a BytesIO. Other classes may give other bytes than the file."""
    file = source.file if type(source) is _TemporaryFile else source
    # A buffer over another class, such as GzipFile, has the descriptor of that one's own file.
    if type(getattr(file, "raw", file)) not in _UNBUFFERED or type(file) not in _FILES or _is_changed(source):
        return None
    with suppress(OSError, ValueError):
        if type(file) is io.BytesIO:
            return Declared(file.getbuffer().nbytes - file.tell(), exact=False)
        facts = os.fstat(file.fileno())
        if stat.S_ISREG(facts.st_mode):
            return Declared(facts.st_size - file.tell(), exact=False)
    return None


def _of_attributes(source: Any) -> Optional[Declared]:
    """Of any other file object, from the attributes that clients of HTTP look for too, in their order."""
    if not (hasattr(source, "read") or hasattr(source, "readinto")):
        # The len() of another iterable is no number of bytes.
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
    """What an HTTP response counts down: urllib3's length_remaining, or the length of http.client. A wrapper may hand
    these on."""
    with suppress(Exception):
        if _is_count(response.length_remaining):
            return int(response.length_remaining)
    with suppress(Exception):
        # A class that only has a length may mean another one: the whole, for example.
        if _is_response(response) and _is_count(response.length):
            return int(response.length)
    return None


def _is_response(source: Any) -> bool:
    """Whether it is a response of http.client, or of a library's copy of it, or hands on the attributes of one."""
    try:
        return isinstance(source.chunked, (bool, int)) and hasattr(source, "length") and hasattr(source, "will_close")
    except Exception:
        return False


def _is_response_of_requests(source: Any) -> bool:
    return _has_own(source, "raw") and _has_own(source, "iter_content")


def _is_encoded(source: Any) -> bool:
    """Whether the bytes are compressed on the wire."""
    encoding = _header(getattr(source, "headers", None), _COMPRESSED)
    return bool(encoding) and str(encoding).strip().lower() != "identity"


def _header(headers: Any, name: str) -> Any:
    """Returns a header field by its name; None if there is none."""
    with suppress(Exception):
        for spelling in (name, name.title()):
            value = headers.get(spelling)
            if value is not None:
                return value
    return None


def _position(source: Any) -> int:
    """Returns how far a source was read before; 0 if it does not know."""
    with suppress(Exception):
        return max(0, int(source.tell()))
    return 0


def _number(value: Any) -> Optional[int]:
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit():
        return int(value)
    return value if _is_count(value) else None


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_changed(source: Any) -> bool:
    """Whether the program has replaced a method that reads, of this object alone."""
    return not {"read", "read1", "readinto"}.isdisjoint(getattr(source, "__dict__", ()))


def _has_own(source: Any, name: str) -> bool:
    """Whether an attribute is of the object itself or of its class. A wrapper hands on those of what it wraps, but may
    give other bytes."""
    nothing = object()
    return inspect.getattr_static(source, name, nothing) is not nothing


_UNBUFFERED = (io.FileIO, io.BytesIO)
_FILES = (*_UNBUFFERED, io.BufferedReader, io.BufferedRandom)
_TemporaryFile: Any = tempfile._TemporaryFileWrapper

# Wrappers in wrappers, at most.
_DEPTH = 4
