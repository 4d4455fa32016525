"""Streaming uploads: a buffer for small writes, and a file object."""

from __future__ import annotations

import io
import os
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Callable, Optional, Protocol

from . import _threads
from ._ffi import E_BUSY, E_STATE, NotCopyable, error_of
from ._memory import view_of
from .errors import GlacierError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

    from .source import CancelCount

    Send = Callable[[ReadableBuffer], object]

    class _File(io.BufferedIOBase, BinaryIO):
        """A class that type checkers accept as a binary file, like the classes of the module io."""
else:
    _File = io.BufferedIOBase


class Destination(Protocol):
    """The methods of Upload that UploadStream uses."""

    def write(self, data: ReadableBuffer) -> int: ...

    def finish(self) -> object: ...


class UploadStream(NotCopyable, _File):
    """A writable file object for an Upload, for use with shutil.copyfileobj, tarfile ("w|"), gzip and others. ::

        with upload.stream() as stream:
            shutil.copyfileobj(sys.stdin.buffer, stream)
        print(upload.archive_id)

    Leaving the ``with`` block without an exception calls Upload.finish(), which creates the archive. Leaving it with an
    exception does not, because an incomplete stream must not become an archive. close() and dropping the last reference
    do not create an archive either, because wrappers such as io.TextIOWrapper also close the stream after errors.
    Without a ``with`` block, call Upload.finish().

    A copy loop cannot detect a connection that ends early: set the Upload's archive_size if the size is known. In a
    file in non-blocking mode, such as a shared standard input, shutil.copyfileobj takes a lack of bytes for the end:
    make the file object the source of the Upload instead.

    The stream is not readable and not seekable. flush() does nothing: a part is sent when it is full. After close() all
    methods except close() raise ValueError. The Upload remains open.
    """

    def __init__(self, upload: Destination) -> None:
        self._upload = upload

    def writable(self) -> bool:
        """Returns True."""
        self._check_open()
        return True

    def write(self, data: ReadableBuffer, /) -> int:
        """Writes all of ``data`` by Upload.write. Returns the number of bytes."""
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


class WriteBuffer:
    """A buffer that coalesces small writes, because each library call starts a thread.

    A write of 4 KiB takes 90 µs as a library call and 2 µs into the buffer. Buffering delays no part, because parts
    have at least 1 MiB. One thread may write at a time. `send` passes bytes to the library.

    The library must see the first write after a change of its state, because it may reject the write: after the start,
    an error, a cancel, an abort or a fork. Such a write is not buffered.

    Args:
        cancels (CancelCount): the cancels and aborts of the upload.
    """

    def __init__(self, cancels: CancelCount) -> None:
        self._buffer = bytearray()
        self._cancels = cancels
        # The number of cancels and the process at the last write that the library accepted; None if it must see the
        # next write.
        self._accepted: Optional[tuple[int, int]] = None
        self._interrupted = False
        self._lock = _threads.allocate_lock()

    def write(self, data: ReadableBuffer, send: Send) -> int:
        """Takes all of `data`. Returns the number of bytes."""
        view = view_of(data)
        with self:
            # Taken before the write: a cancel during it affects the next one.
            now = (self._cancels.value, os.getpid())
            bypass = self._accepted != now or view.nbytes >= _BYPASS_SIZE
            if bypass or len(self._buffer) + view.nbytes > _CAPACITY:
                self._flush(send)
            if bypass:
                send(view)
                self._accepted = now
            else:
                self._buffer += view
        return view.nbytes

    def end(self, send: Send) -> None:
        """Sends the buffered bytes. The library rejects writes after the end."""
        with self:
            self._flush(send)
            self._accepted = None

    def _flush(self, send: Send) -> None:
        if self._buffer:
            send(self._buffer)
            self._buffer = bytearray()

    def __enter__(self) -> None:
        if not self._lock.acquire(blocking=False):
            raise error_of(E_BUSY, "another thread, or the call that runs this callback, is writing to the upload")
        if self._interrupted:
            self._lock.release()
            raise error_of(
                E_STATE,
                "a write was interrupted, and the number of bytes that it took is unknown: start the stream again with "
                "another Upload and the same journal or upload ID",
            )

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        # After its own errors the library knows the state of the stream.
        self._interrupted = kind is not None and not issubclass(kind, GlacierError)
        if kind is not None:
            self._accepted = None
        self._lock.release()


# In bytes. Writes of this size are not buffered: copying them costs as much as a library call.
_BYPASS_SIZE = 1 << 18

_CAPACITY = 1 << 20
