"""Bytes that a program writes: gathered on their way to the library, and as a file object."""

from __future__ import annotations

import io
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Callable, Optional

from . import _threads
from ._ffi import E_BUSY, E_STATE, error_of
from .errors import GlacierError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

    from .upload import Upload

    Push = Callable[[ReadableBuffer], object]

    class _File(io.BufferedIOBase, BinaryIO):
        """What a type checker takes for a file, as it does those of the module io."""
else:
    _File = io.BufferedIOBase


class UploadStream(_File):
    """The writable end of an Upload, as a file object: for shutil.copyfileobj, tarfile ("w|"), gzip and their like.

        with upload.stream() as stream:
            shutil.copyfileobj(sys.stdin.buffer, stream)
        print(upload.archive_id)

    Leaving the `with` block makes the archive, as Upload.finish() does, unless it is left by an exception: half of a
    stream never becomes an archive by itself. For the same reason close() alone does not make one, nor does the last
    reference to the object going: wrappers such as io.TextIOWrapper close it whatever happened. Whoever uses it without
    `with` calls finish() of the Upload.

    A copy loop does not notice a connection that ends early: set the Upload's archive_size if the size is known.

    It cannot be read, nor can it seek, and flush() does nothing: a part goes on its way when it is full. After close()
    everything but close() raises ValueError; the Upload is still open.
    """

    def __init__(self, upload: Upload) -> None:
        self._upload = upload

    def writable(self) -> bool:
        """True."""
        self._check_open()
        return True

    def write(self, data: ReadableBuffer, /) -> int:
        """Upload.write: takes all the bytes, and returns their number."""
        self._check_open()
        return self._upload.write(data)

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        try:
            if kind is None:
                self._upload.finish()
        finally:
            self.close()

    def __repr__(self) -> str:
        return f"<glacier_mp.UploadStream of {self._upload!r}{', closed' if self.closed else ''}>"

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("the stream is closed")


class Gather:
    """Small writes, gathered until they are worth a call of the library, which costs a thread here: for 4 KiB, 90 µs
    were measured, and 2 µs for gathering. Nothing goes out later by it, because a part has 1 MiB at least.

    One thread writes at a time. `push` gives bytes to the library.
    """

    def __init__(self) -> None:
        self._gathered = bytearray()
        self._begun = False
        self._torn = False
        self._in_use = _threads.allocate_lock()

    def write(self, data: ReadableBuffer, push: Push) -> int:
        """Takes bytes, and returns their number."""
        view = memoryview(data)
        if not view.c_contiguous:
            raise BufferError("what is written must be C-contiguous")
        with self:
            # The first goes straight: it shows at once what stands against the stream.
            straight = not self._begun or view.nbytes >= _STRAIGHT
            if straight or len(self._gathered) + view.nbytes > _ROOM:
                self._flush(push)
            if straight:
                push(view)
                self._begun = True
            else:
                self._gathered += view
        return view.nbytes

    def end(self, push: Push) -> None:
        """Gives the library what is gathered; what comes after the end is the library's to refuse."""
        with self:
            self._flush(push)
            self._begun = False

    def _flush(self, push: Push) -> None:
        if self._gathered:
            push(self._gathered)
            self._gathered = bytearray()

    def __enter__(self) -> None:
        if not self._in_use.acquire(blocking=False):
            raise error_of(E_BUSY, "the upload is being written to by another thread, or around this callback")
        if self._torn:
            self._in_use.release()
            raise error_of(
                E_STATE,
                "a write was interrupted, and how much it took cannot be known: begin the stream again, with another "
                "Upload and the same journal or upload ID",
            )

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        # Of the library's own errors it knows itself what they leave.
        self._torn = kind is not None and not issubclass(kind, GlacierError)
        self._in_use.release()


# Writes of so many bytes are not gathered: to copy them costs as much as a call.
_STRAIGHT = 1 << 18

_ROOM = 1 << 20
