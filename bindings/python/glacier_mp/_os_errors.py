"""The errno of a failure with GLACIER_E_IO.

The C ABI has no errno. The library ends its text with the system's error number, as "(os error 2)". If a text has none,
the number is what opening the file returns now.
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
def paths_named(*paths: Optional[bytes]) -> Iterator[None]:
    """Raises a GLACIER_E_IO from inside as an OSError, of that of `paths` which its text names."""
    try:
        yield
    except GlacierError as error:
        if error.code != E_IO or isinstance(error, OSError):
            raise
        found = _named([path for path in paths if path is not None], error.message)
        number = _number_in(error.message)
        if number is None and found is not None:
            number = _number_now(found)
        filename = None if found is None else os.fsdecode(found)
        raise os_error(error, number, None if number is None else os.strerror(number), filename) from None


def _named(paths: list[bytes], message: str) -> Optional[bytes]:
    """Returns the path that the text names last before the system's error; of two that end there, the longer. If there
    is only one path, it is that one."""
    before, is_of_system, _ = message.partition(" (os error")
    if is_of_system:
        # Without the system's own text for the error.
        before = before.rpartition(": ")[0]

    def place(path: bytes) -> tuple[int, int]:
        # The text has control characters and others that cannot be printed in an escaped form.
        text = path.decode("utf-8", "replace")
        pattern = "".join(re.escape(c) if c.isprintable() else r"\\[a-z0-9{}]+?" for c in text)
        pattern = rf"(?<!\w){pattern}(?!\w)"
        return max(((found.end(), len(text)) for found in re.finditer(pattern, before)), default=(-1, 0))

    best = max(paths, key=place, default=None)
    return best if best is not None and (len(paths) == 1 or place(best)[0] >= 0) else None


def _number_in(message: str) -> Optional[int]:
    found = re.search(r"\(os error ([0-9]+)\)", message)
    return int(found.group(1)) if found else None


def _number_now(path: bytes) -> Optional[int]:
    """The error number of opening the file for reading; None if it can be opened."""
    try:
        # A FIFO or a terminal is neither waited for nor taken over.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError as error:
        return error.errno
    try:
        return EISDIR if stat.S_ISDIR(os.fstat(descriptor).st_mode) else None
    finally:
        os.close(descriptor)
