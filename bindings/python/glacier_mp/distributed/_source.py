"""The source of an upload from several workers, and what one process sees of it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Callable, Optional, Union

from ..source import Data
from ..treehash import TreeHash

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

ReadRange = Callable[[int, int], Union["ReadableBuffer", IO[bytes]]]
"""Called with an offset and a length in bytes. Returns these bytes, or a binary file object that supplies them."""

DistributedSource = Union[str, "os.PathLike[str]", ReadRange]
"""A path that all workers see, or a function that reads a range of the source."""

# The bytes of one sample, and the number of samples. They are spread over the source, the first and the last included.
_SAMPLE_SIZE = 1 << 20
_SAMPLES = 16
# A large read is fast, and no part of 4 GiB is kept in memory to be hashed.
_PIECE_SIZE = 16 << 20


@dataclass(frozen=True)
class View:
    """What one process sees of the source. Two processes that see the same file have equal sizes and samples.

    Attributes:
        where (str): the process, for messages.
        size (int): the size of the source in bytes.
        samples (tuple of bytes): the SHA-256 hashes of samples that are spread over the source.
    """

    where: str
    size: int
    samples: tuple[bytes, ...]

    def difference(self, other: View) -> Optional[str]:
        """Returns how the other view differs, or None if it does not."""
        if other.size != self.size:
            return f"{other.where} sees {other.size} bytes, but {self.where} sees {self.size} bytes"
        for (offset, length), mine, its in zip(_sample_ranges(self.size), self.samples, other.samples):
            if mine != its:
                return f"bytes {offset} to {offset + length} of {other.where} differ from those of {self.where}"
        return None


def view_of(source: DistributedSource, size: Optional[int], where: str) -> View:
    """Returns what this process sees of the source. `size` is that of a function, which has no size of its own."""
    if isinstance(source, (str, os.PathLike)):
        size = os.stat(source).st_size
    assert size is not None
    samples = [hashlib.sha256(read_range(source, *sample)).digest() for sample in _sample_ranges(size)]
    return View(where, size, tuple(samples))


def read_range(source: DistributedSource, offset: int, length: int) -> Data:
    """Returns a range of the source. It is in memory once, if the function returns a bytes-like object or a file.

    Raises:
        EOFError: the source has fewer bytes.
        OSError, Exception: the source cannot be read.
    """
    if isinstance(source, (str, os.PathLike)):
        with open(source, "rb", buffering=0) as file:
            file.seek(offset)
            data: Data = _read(file, length)
    else:
        result: Any = source(offset, length)
        if hasattr(result, "read"):
            with closing(result):
                data = _read(result, length)
        else:
            data = memoryview(result).cast("B")
    if len(data) != length:
        raise EOFError(f"the source has {len(data)} bytes at offset {offset} instead of {length}")
    return data


def tree_hash_of(source: DistributedSource, offset: int, length: int) -> str:
    """Returns the tree hash of a range of the source, 64 hexadecimal digits."""
    tree_hash = TreeHash()
    for start in range(offset, offset + length, _PIECE_SIZE):
        tree_hash.update(read_range(source, start, min(_PIECE_SIZE, offset + length - start)))
    return tree_hash.finish().hex()


def _sample_ranges(size: int) -> Iterator[tuple[int, int]]:
    last = max(size - _SAMPLE_SIZE, 0)
    for offset in sorted({last * i // (_SAMPLES - 1) for i in range(_SAMPLES)}):
        yield offset, min(_SAMPLE_SIZE, size - offset)


def _read(file: Any, length: int) -> memoryview:
    """Reads until the length or the end: one read of a pipe or socket may return less."""
    data = memoryview(bytearray(length))
    filled = 0
    while filled < length:
        if hasattr(file, "readinto"):
            count = file.readinto(data[filled:])
        else:
            piece = file.read(length - filled)
            count = len(piece)
            data[filled : filled + count] = piece
        if not count:
            break
        filled += count
    return data[:filled]
