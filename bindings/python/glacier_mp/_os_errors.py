"""Conversion of GLACIER_E_IO errors to OSError.

The C ABI reports no errno. If the operating system reported an error, the library's message ends with its number, as
in "(os error 2)". If the message has no number, opening the file again gives it.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EISDIR
from typing import Optional

from ._ffi import E_IO
from .errors import GlacierError, os_error


@contextmanager
def os_errors_for(*paths: Optional[bytes], has_other_paths: bool = False) -> Iterator[None]:
    """Converts a GLACIER_E_IO error to an OSError. Its filename is the one of `paths` that the message contains.

    If there is only one path, it is the filename even if the message does not contain it, unless has_other_paths.
    """
    try:
        yield
    except GlacierError as error:
        if error.code != E_IO or isinstance(error, OSError):
            raise
        given = [path for path in paths if path is not None]
        number = _number_in(error.message, given)
        path = given[0] if len(given) == 1 and not has_other_paths else _path_in(error.message, given, number)
        errno = None if number is None else int(number.group(1))
        if errno is None and path is not None:
            errno = _errno_of_open(path)
        filename = None if path is None else os.fsdecode(path)
        raise os_error(error, errno, None if errno is None else os.strerror(errno), filename) from None


def _number_in(message: str, paths: list[bytes]) -> Optional[re.Match[str]]:
    """Returns the place of the operating system's number in the message: the last one that is not part of a path."""
    numbers = list(re.finditer(r"\(os error ([0-9]{1,9})\)", message))
    in_paths = [place.span() for path in paths for place in _places_of(path, message)]
    outside = [
        number
        for number in numbers
        if not any(start <= number.start() and number.end() <= end for start, end in in_paths)
    ]
    return next(reversed(outside or numbers), None)


def _path_in(message: str, paths: list[bytes], number: Optional[re.Match[str]]) -> Optional[bytes]:
    """Returns the path that occurs last in the message, before the operating system's text.

    If two paths end at the same position, returns the longer one.
    """
    # Remove the operating system's text.
    before = message if number is None else message[: number.start()].rpartition(": ")[0]
    # Remove the place of a setting, such as "(ca_bundle in line 2 of PATH)": the file of the setting was read.
    before = re.sub(r" \(\w+ in line [0-9]+ of .*\)", "", before)

    def end_and_length(path: bytes) -> tuple[int, int]:
        return max(((place.end(), len(path)) for place in _places_of(path, before)), default=(-1, 0))

    best = max(paths, key=end_and_length, default=None)
    return best if best is not None and end_and_length(best)[0] >= 0 else None


def _places_of(path: bytes, message: str) -> Iterator[re.Match[str]]:
    """Returns the places of a path in a message."""
    # The message has control characters and most other unprintable characters in escaped form.
    text = path.decode("utf-8", "replace")
    pattern = "".join(re.escape(c) if c.isprintable() else rf"(?:{re.escape(c)}|\\[a-z0-9{{}}]+?)" for c in text)
    return re.finditer(rf"(?<!\w){pattern}(?!\w)", message)


def _errno_of_open(path: bytes) -> Optional[int]:
    """Returns the errno of opening the file for reading; None if that succeeds."""
    try:
        # O_NONBLOCK: do not wait for a writer of a FIFO. O_NOCTTY: do not acquire a controlling terminal.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError as error:
        return error.errno
    try:
        return EISDIR if stat.S_ISDIR(os.fstat(descriptor).st_mode) else None
    finally:
        os.close(descriptor)
