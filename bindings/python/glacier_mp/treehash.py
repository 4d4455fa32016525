"""Tree hashes: the service's checksum of parts and archives."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Optional

from . import _arguments
from ._calls import ON_PROGRESS, Call, ReportProgress
from ._ffi import TreeHashHandle, lib
from ._os_errors import paths_named
from .source import Data

# A large buffer is hashed in pieces: between them Python can handle signals.
_PIECE = 64 << 20


class TreeHash:
    """The tree hash of bytes that come piece by piece: SHA-256 over 1 MiB leaves, folded in pairs.

        tree_hash = TreeHash()
        tree_hash.update(b"...")
        tree_hash.finish().hex()

    Source: developer guide, "Computing Checksums". One thread uses it at a time; a second one gets GLACIER_E_BUSY.

    Args:
        data (bytes-like): the first bytes.
    """

    def __init__(self, data: Data = b"") -> None:
        self._handle: TreeHashHandle = lib.glacier_treehash_new()
        self.update(data)

    def update(self, data: Data) -> None:
        """Adds bytes. How they are cut into calls makes no difference. The global lock is free meanwhile."""
        memory = _arguments.Memory(data)
        for start in range(0, memory.length, _PIECE):
            length = min(_PIECE, memory.length - start)
            lib.glacier_treehash_update(self._handle, memory.address + start, length)

    def finish(self) -> bytes:
        """The tree hash of all bytes added, 32 bytes; then it is ready for the next. Of no bytes it is the SHA-256 of
        nothing."""
        out = _arguments.hash_buffer()
        lib.glacier_treehash_finish(self._handle, out)
        return bytes(out)

    @staticmethod
    def combine(checksums: Iterable[bytes]) -> bytes:
        """Folds the tree hashes of the parts of an archive, 32 bytes each, into that of the archive.

        It is right for parts of one size that is a power of two of MiB, of which the last may be short.

        Raises:
            UsageError: there is none.
            ValueError: one is not 32 bytes long.
        """
        digests = [bytes(_arguments.tree_hash("checksums", checksum)) for checksum in checksums]
        out = _arguments.hash_buffer()
        lib.glacier_treehash_combine(_arguments.hash_buffer(b"".join(digests), len(digests)), len(digests), out)
        return bytes(out)

    @staticmethod
    def file(path: _arguments.StrPath, *, threads: int = 0, progress: Optional[ReportProgress] = None) -> bytes:
        """The tree hash of a regular file, 32 bytes, computed with several threads, 0 for one a core.

        progress is called at least 4 times a second with a Progress in which bytes_total, bytes_hashed and elapsed
        are filled. An exception in it stops the hashing and is raised.

        Raises:
            LocalError: it cannot be read or is not a regular file (GLACIER_E_IO: it is an OSError too), or it changed
                meanwhile.
        """
        out = _arguments.hash_buffer()
        name = _arguments.path("path", path)
        count = _arguments.u32("threads", threads)
        with paths_named(name):
            Call(lib.glacier_treehash_file, name, count, ON_PROGRESS, None, out, progress=progress).result()
        return bytes(out)
