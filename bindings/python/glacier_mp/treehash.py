"""Tree hashes: the service's checksum of parts and archives."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Optional

from . import _arguments
from ._calls import ON_PROGRESS, Call, ReportProgress
from ._ffi import NotCopyable, TreeHashHandle, lib
from ._memory import Memory
from ._os_errors import os_errors_for
from .source import Data

# A large buffer is hashed in pieces, so that Python can handle signals between them.
_PIECE_SIZE = 64 << 20


class TreeHash(NotCopyable):
    """An incremental tree hash: SHA-256 hashes of 1 MiB leaves, combined in pairs up to a root. ::

        tree_hash = TreeHash()
        tree_hash.update(b"...")
        tree_hash.finish().hex()

    Source: developer guide, "Computing Checksums". Only one thread may use it at a time; another one gets UsageError
    with GLACIER_E_BUSY.

    Args:
        data (bytes-like): the first bytes. Default: no bytes.
    """

    def __init__(self, data: Data = b"") -> None:
        self._handle: TreeHashHandle = lib.glacier_treehash_new()
        self.update(data)

    def update(self, data: Data) -> None:
        """Adds bytes. Their division into calls does not affect the result. The GIL is released."""
        memory = Memory(data)
        for start in range(0, memory.length, _PIECE_SIZE):
            length = min(_PIECE_SIZE, memory.length - start)
            lib.glacier_treehash_update(self._handle, memory.address + start, length)

    def finish(self) -> bytes:
        """Returns the tree hash of all bytes added, 32 bytes, and resets the object.

        The tree hash of no bytes is the SHA-256 hash of no bytes.
        """
        out = _arguments.hash_buffer()
        lib.glacier_treehash_finish(self._handle, out)
        return bytes(out)

    @staticmethod
    def combine(checksums: Iterable[bytes]) -> bytes:
        """Returns the tree hash of an archive, 32 bytes, computed from the tree hashes of its parts.

        The parts must have the same size, a power of two times 1 MiB. The last part may be shorter.

        Args:
            checksums (iterable of bytes): the tree hashes of the parts in order, 32 bytes each.

        Raises:
            UsageError: checksums is empty.
            ValueError: a checksum is not 32 bytes long.
        """
        digests = [bytes(_arguments.tree_hash("checksums", checksum)) for checksum in checksums]
        out = _arguments.hash_buffer()
        lib.glacier_treehash_combine(_arguments.hash_buffer(b"".join(digests), len(digests)), len(digests), out)
        return bytes(out)

    @staticmethod
    def file(path: _arguments.StrPath, *, threads: int = 0, progress: Optional[ReportProgress] = None) -> bytes:
        """Returns the tree hash of a regular file, 32 bytes.

        Args:
            path (path): the file.
            threads (int): the number of threads. Default: 0, one per processor core.
            progress (callable): called at least 4 times a second with a Progress in which bytes_total, bytes_hashed and
                elapsed are set. An exception in it stops the hashing and is raised from this call.

        Raises:
            LocalError: the file cannot be read or is not a regular file (GLACIER_E_IO, which is also an OSError), or it
                changed during the call (GLACIER_E_SOURCE_CHANGED).
            TypeError, ValueError: a value has the wrong type or range.
            Exception: any exception that progress raised.
        """
        out = _arguments.hash_buffer()
        name = _arguments.path("path", path)
        count = _arguments.u32("threads", threads)
        if progress is not None:
            _arguments.callback("progress", progress)
        with os_errors_for(name):
            Call(lib.glacier_treehash_file, name, count, ON_PROGRESS, None, out, progress=progress).result()
        return bytes(out)
