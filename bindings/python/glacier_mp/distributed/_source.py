"""The source of an upload from several workers, and what one process sees of it."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import re
import stat
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Callable, Optional, Union

from .. import _headers
from .._arguments import shown
from .._files import checked_length
from ..source import Data
from ..treehash import TreeHash
from ._errors import SourceChangedError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

ReadRange = Callable[[int, int], Union["ReadableBuffer", IO[bytes]]]
"""Called with an offset and a length in bytes. Returns these bytes, or a binary file object that ends after them."""

DistributedSource = Union[str, "os.PathLike[str]", ReadRange]
"""A path that all workers see, or a function that reads a range of the source."""

# The bytes of one sample, and the number of samples. They are spread over the source, the first and the last included.
_SAMPLE_SIZE = 1 << 20
_SAMPLES = 16
# A large read is fast, and no part of 4 GiB is kept in memory to be hashed.
_PIECE_SIZE = 16 << 20
# The minimum age of trusted file times. File systems round times by up to 2 s, so two modifications in quick succession
# can leave the same times.
_TRUSTED_AGE_NS = 2_000_000_000
# The types of file systems in /proc/self/mountinfo whose ctime may be a copy of the mtime.
_WITHOUT_CTIME = frozenset(
    [
        "vfat",
        "msdos",
        "exfat",
        "hfs",
        "affs",
        "adfs",
        "omfs",
        "minix",
        "afs",
        "openafs",
        "9p",
        "fuse",
        "fuseblk",
        "virtiofs",
        "cifs",
        "smb3",
        "smbfs",
        "vboxsf",
    ]
)


@dataclass(frozen=True)
class Version:
    """What shows that the source changed without reading all of it.

    Attributes:
        validator (str): of a file its modification time, of HTTP responses their ETag and Last-Modified. Another one
            means that the source changed. Empty for a function that returns anything else.
        changed_ns (int): the ctime of a file in nanoseconds. Another one means that the source may have changed: a
            chmod changes it too. 0 for a function.
        is_trusted (bool): whether every later modification changes the validator or the ctime.
    """

    validator: str
    changed_ns: int = 0
    is_trusted: bool = True


@dataclass(frozen=True)
class View:
    """What one process sees of the source. If two see the same file, their sizes, samples and validators are equal.

    Attributes:
        where (str): the process, for messages.
        size (int): the size of the source in bytes.
        samples (tuple of bytes): the SHA-256 hashes of samples that are spread over the source.
        version (Version): its version.
    """

    where: str
    size: int
    samples: tuple[bytes, ...]
    version: Version

    def difference(self, other: View) -> Optional[str]:
        """Returns how a later view differs, or None if it does not."""
        if other.size != self.size:
            return f"{other.where} sees {other.size} bytes, but {self.where} saw {self.size} bytes"
        for (offset, length), mine, its in zip(_sample_ranges(self.size), self.samples, other.samples):
            if mine != its:
                return f"bytes {offset} to {offset + length} of {other.where} differ from those of {self.where}"
        if other.version.validator != self.version.validator:
            before, now = _shown(self.version.validator), _shown(other.version.validator)
            return f"{other.where} sees {now}, but {self.where} saw {before}"
        return None


class SourceReader:
    """Reads ranges of the source, all of the same version. Several threads may use it.

    Args:
        source (DistributedSource): the source.
        size (int): its size in bytes.
        validator (str): the expected validator. None: that of the first range, which only one thread may read.
    """

    def __init__(self, source: DistributedSource, size: int, validator: Optional[str] = None) -> None:
        self._source = source
        self._size = size
        self.validator = validator

    def read(self, offset: int, length: int) -> Data:
        """Returns a range of the source. It is in memory once, if the function returns a bytes-like object or a file.

        Raises:
            EOFError: the source has fewer bytes, or the function supplies more than this range.
            OSError, Exception: the source cannot be read or has another validator, or an HTTP response another range.
        """
        if isinstance(self._source, (str, os.PathLike)):
            with _open(self._source) as file:
                self._check_validator(_validator_of(os.fstat(file.fileno())))
                file.seek(offset)
                data = _read(file, length)
        else:
            result: Any = self._source(offset, length)
            if hasattr(result, "read"):
                with closing(result):
                    self._check_validator(_check_response(result, offset, length, self._size))
                    data = _read(result, length + 1)
            else:
                self._check_validator("")
                data = memoryview(result).cast("B")
        if len(data) > length:
            raise EOFError(f"the function supplies more than the {length} bytes at offset {offset}")
        if len(data) < length:
            raise EOFError(f"the source has {len(data)} bytes at offset {offset} instead of {length}")
        return data

    def tree_hash(self, offset: int, length: int) -> str:
        """Returns the tree hash of a range of the source, 64 hexadecimal digits."""
        tree_hash = TreeHash()
        for start in range(offset, offset + length, _PIECE_SIZE):
            tree_hash.update(self.read(start, min(_PIECE_SIZE, offset + length - start)))
        return tree_hash.finish().hex()

    def _check_validator(self, found: str) -> None:
        if self.validator is None:
            self.validator = found
        if found != self.validator:
            raise SourceChangedError(
                f"it has {_shown(found)}, but had {_shown(self.validator)}: the source was replaced or modified"
            )


def view_of(source: DistributedSource, size: Optional[int], where: str) -> View:
    """Returns what this process sees of the source. `size` is that of a function, which has no size of its own."""
    version = None
    if isinstance(source, (str, os.PathLike)):
        size, version = file_version(source)
    assert size is not None
    reader = SourceReader(source, size, None if version is None else version.validator)
    samples = [hashlib.sha256(reader.read(*sample)).digest() for sample in _sample_ranges(size)]
    return View(where, size, tuple(samples), version or Version(reader.validator or ""))


def file_version(path: Union[str, os.PathLike[str]]) -> tuple[int, Version]:
    """Returns the size of a file in bytes, and its version."""
    # A network file system may cache the metadata of a path, but not those of a file that was just opened.
    with _open(path) as file:
        is_synced = _sync(file.fileno())
        status = os.fstat(file.fileno())
    age = time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns)
    is_trusted = is_synced and age >= _TRUSTED_AGE_NS and _keeps_ctime(status.st_dev)
    return status.st_size, Version(_validator_of(status), status.st_ctime_ns, is_trusted)


def _open(path: Union[str, os.PathLike[str]]) -> io.FileIO:
    """Opens a regular file for reading, without a buffer.

    Raises:
        OSError: the path cannot be opened, or is not a regular file.
    """
    return open(path, "rb", buffering=0, opener=_open_regular)


def _open_regular(path: str, flags: int) -> int:
    # O_NONBLOCK: do not wait for a writer of a FIFO. O_NOCTTY: do not acquire a controlling terminal.
    descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        mode = os.fstat(descriptor).st_mode
        # open() itself rejects a directory.
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            raise OSError(f"{shown(path)} is not a regular file")
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _sync(descriptor: int) -> bool:
    """Brings a file to the disk. Returns whether its pages are clean then.

    A store through a shared mapping changes the times only if the page was clean. fsync cleans all pages. Read-only
    file systems such as squashfs and isofs have no fsync operation, and no modified pages.
    """
    try:
        os.fsync(descriptor)
    except OSError as error:
        return error.errno == errno.EINVAL and bool(os.fstatvfs(descriptor).f_flag & os.ST_RDONLY)
    return True


def _keeps_ctime(device: int) -> bool:
    """Returns whether each change of a file changes its ctime: its file system is none of those that may not store it.

    The library has the same list, of the types that fstatfs returns.
    """
    number = f"{os.major(device)}:{os.minor(device)}"
    with suppress(OSError), open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as mounts:
        for line in mounts:
            mount, _, kind = line.partition(" - ")
            if mount.split()[2] == number:
                return kind.split()[0].partition(".")[0] not in _WITHOUT_CTIME
    return True


def _validator_of(status: os.stat_result) -> str:
    return f"modification time {status.st_mtime_ns} ns"


def _shown(validator: str) -> str:
    return f"a source with {validator}" if validator else "a source without ETag and Last-Modified"


def _check_response(result: Any, offset: int, length: int, size: int) -> str:
    """Returns the validator of an HTTP response, or an empty one for another object.

    Raises:
        OSError: the HTTP response does not have exactly this range of the source.
    """
    status = getattr(result, "status", getattr(result, "status_code", None))
    headers = getattr(result, "headers", None)
    if not isinstance(status, int) or headers is None:
        return ""
    if status == 206:
        text = _field(headers, "Content-Range")
        # Python refuses to convert more than 4,300 digits.
        found = re.fullmatch(r"bytes (\d{1,20})-(\d{1,20})/(\d{1,20}|\*)", text.strip(), re.ASCII | re.IGNORECASE)
        expected = (offset, offset + length - 1, size)
        if found is None or tuple(size if field == "*" else int(field) for field in found.groups()) != expected:
            raise SourceChangedError(
                f"the HTTP response has Content-Range {shown(text)}, but 'bytes {offset}-{offset + length - 1}/{size}'"
                " was requested"
            )
    elif status != 200 or (offset, length) != (0, size):
        raise OSError(
            f"the HTTP response to a request for {length} bytes at offset {offset} has status {status}, but must have"
            " 206: use a server that supports Range"
        )
    fields = ((name, _field(headers, name)) for name in ("ETag", "Last-Modified"))
    return ", ".join(f"{name} {value}" for name, value in fields if value)


def _field(headers: Any, name: str) -> str:
    """Returns the value of a header field; empty if there is none."""
    return ", ".join(map(str, _headers.values(headers, name.lower())))


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
            # No bytes yet is an end here: a range is read from a file in blocking mode.
            count = checked_length(file.readinto(data[filled:]) or 0, length - filled)
        else:
            piece = file.read(length - filled)
            count = len(piece)
            data[filled : filled + count] = piece
        if not count:
            break
        filled += count
    return data[:filled]
