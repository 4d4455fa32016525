"""The header fields of HTTP responses, in the forms that HTTP clients use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any


def values(headers: Any, name: str) -> list[Any]:
    """Returns the values of a header field, in order. Names are compared without case.

    Args:
        headers (mapping or collection of pairs): the fields. Names and values may be bytes. A value may be a list.
        name (str): the name, in lower case.
    """
    found: list[Any] = []
    with suppress(Exception):
        found = [value for field, value in _fields(headers) if str(_as_text(field)).lower() == name]
    for spelling in (name, name.title()):
        # Some classes have get() only.
        with suppress(Exception):
            found = found or list(flattened([headers.get(spelling)]))
    return list(flattened(found))


def _fields(headers: Any) -> Iterator[tuple[Any, Any]]:
    items = headers.items() if hasattr(headers, "items") else headers
    # Reading an iterator would consume it.
    for item in () if isinstance(headers, Iterator) else items:
        with suppress(TypeError, ValueError):
            field, value = item
            yield field, value


def flattened(found: Iterable[Any]) -> Iterator[Any]:
    """Yields the values in a value that may be a list of several, or None. bytes become text."""
    for value in found:
        if isinstance(value, (list, tuple)):
            yield from flattened(value)
        elif value is not None:
            yield _as_text(value)


def _as_text(value: Any) -> Any:
    return value.decode("latin-1") if isinstance(value, (bytes, bytearray)) else value
