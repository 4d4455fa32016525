"""Multipart uploads."""

from __future__ import annotations

import ctypes
import enum
import os
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Callable, Optional, TypeVar, Union

from . import _arguments
from ._calls import ON_PROGRESS, Call, ReportProgress
from ._ffi import (
    ALL_PARTS,
    E_BUSY,
    E_STATE,
    NO_DESTROY,
    NotCopyable,
    RawProgress,
    UploadHandle,
    decoded,
    error_of,
    free_unreachable_handles,
    lib,
)
from ._memory import Memory
from ._os_errors import os_errors_for
from .archive import Archive, set_archive
from .background import Background, in_background
from .errors import GlacierError, UsageError
from .progress import Progress, progress_of
from .source import CancelCount, Data, Source, StreamReader, check_journal, set_source
from .stream import UploadStream, WriteBuffer

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

    from .client import Client

T = TypeVar("T")

# Format types of numbers, as in f"{state:d}".
_NUMBER_FORMATS = frozenset("bcdeEfFgGnoxX%")


class State(enum.IntEnum):
    """The state of an upload. str(state) is its name, int(state) its number.

    - NEW: no working call has initiated an upload, or used the given upload_id or journal
    - INITIATED: the upload has an ID, and no part was sent. The service may not know a given upload_id
    - TRANSFERRING: this object is sending parts, or has sent some
    - COMPLETING: Complete was sent, and its response is pending or will be requested again
    - COMPLETED: the archive exists
    - ABORTED: the upload was deleted
    - UNKNOWN: Complete was sent, and it is unknown whether the archive exists
    """

    NEW = 0
    INITIATED = 1
    TRANSFERRING = 2
    COMPLETING = 3
    COMPLETED = 4
    ABORTED = 5
    UNKNOWN = 6

    @classmethod
    def _missing_(cls, value: object) -> Optional[State]:
        """Returns a State for a number that a later version of the library has added."""
        if not isinstance(value, int):
            return None
        state = int.__new__(cls, value)
        state._name_, state._value_ = f"STATE_{value}", value
        return state

    def __str__(self) -> str:
        """Returns the name."""
        return self.name

    def __format__(self, spec: str) -> str:
        return format(int(self) if spec[-1:] in _NUMBER_FORMATS else self.name, spec)


@dataclass(frozen=True)
class Part:
    """A stored part, from Upload.list_parts.

    Attributes:
        offset (int): the offset of its first byte in the archive.
        length (int): its length in bytes.
        checksum (str): its tree hash as computed by the service, 64 hexadecimal digits.
    """

    offset: int
    length: int
    checksum: str


class Upload(NotCopyable):
    """One multipart upload, and the archive that it creates.

    Upload a source with one call::

        with Upload(client, "my-vault", "backup.tar", journal="backup.journal") as upload:
            archive = upload.run()      # or start(), which returns a Future, or await run_async()

    Upload a stream that the program writes::

        with Upload(client, "my-vault", expected_size=200 << 30) as upload:
            with tarfile.open(fileobj=upload.stream(), mode="w|") as tar:
                tar.add("/home")
            archive = upload.finish()

    Use the service's operations directly, with your own threads::

        with Upload(client, "my-vault", part_size=1 << 20) as upload:
            upload.initiate()
            upload.put_part(0, first)       # 1 MiB; from any number of threads at once
            upload.put_part(1, last)        # 1 byte to 1 MiB
            archive = upload.complete()

    Share an upload between processes or machines. Each sends a range of the parts, and one completes the upload::

        with Upload(client, "my-vault", "backup.tar", upload_id=upload_id, part_range=(0, 500)) as upload:
            upload.transfer()
        with Upload(client, "my-vault", upload_id=upload_id, archive_size=size) as upload:
            archive = upload.complete()

    Resuming. Leaving the ``with`` block closes the object and never aborts the upload. An incomplete upload stays in
    the vault until abort(), or until 24 hours after its last part. To resume it, run the same object again, or create
    an Upload with the same source and the same journal or upload_id. Stored parts whose tree hash differs from the
    source's are sent again and replaced. Without a journal this is not an error, so a wrong source is detected only if
    it is smaller than the stored parts.

    Threads. The working calls are run, transfer, write, finish, initiate, put_part, list_parts, complete and abort. Any
    thread may make them, one at a time. Only put_part may run on several threads at once. During a background run only
    abort is allowed, and between the writes of a stream only write, finish and abort. Any other working call then
    raises UsageError with GLACIER_E_BUSY. cancel, close, progress, set_bandwidth_limit and the properties may be used
    at any time. On a closed object only cancel, close and the properties may be used; everything else raises
    UsageError. Nothing is sent and no file is opened before the first working call.

    Callbacks. They run on the thread of the working call. A callback may use cancel, close, progress,
    set_bandwidth_limit and the properties; working calls raise UsageError with GLACIER_E_BUSY.

    An exception in a callback stops the call and is raised from it. The last callbacks of a call may come after the
    archive was created. An exception in them, or of Ctrl-C at that time, is raised too. It then has the archive in the
    attribute ``archive``, an Archive, and Python 3.11 and later show the archive ID in its traceback. Do not upload the
    source again without a check of this attribute. Compare its archive ID with that of the upload, because callbacks
    of several uploads may raise the same exception::

        try:
            archive = upload.run()
        except Exception as error:
            archive = getattr(error, "archive", None)
            if archive is None or archive.archive_id != upload.archive_id:
                raise

    The property archive_id alone is no such check. It is also set if the source differs from the archive of a completed
    journal.

    Ctrl-C. Python raises KeyboardInterrupt in its main thread only. A program that uploads on other threads must catch
    it there and cancel each Upload.

    gevent and eventlet. After monkey patching, a greenlet that makes a call waits in its hub, and other greenlets keep
    running. Callbacks run in the greenlet that made the call, and may switch to others.

    Args:
        client (Client): the client.
        vault_name (str): an existing vault: 1 to 255 characters of A-Z a-z 0-9 _ - . (developer guide, "Creating a
            Vault").
        source (path, bytes-like, file object or iterable): the content of the archive, 1 byte to 42,949,672,960,000
            bytes (10,000 parts of 4 GiB). None for streams that are written, and for direct use of the operations.

            A str or os.PathLike is the path of a regular file, or of a symbolic link to one. bytes, bytearray,
            memoryview, array.array, mmap and other bytes-like objects are content, never a path. They must not change
            until the upload is completed. Until the Upload is closed, a bytearray cannot be resized and an mmap cannot
            be closed.

            A file object must have read() or readinto(). It is read from its current position to its end, and is not
            closed. In non-blocking mode the call waits for bytes; cancel, close and Ctrl-C end the wait. If the object
            has no file descriptor to wait for, or hides whether it has reached its end, as decompressors do, the call
            raises BlockingIOError, and no archive is created.

            Other iterables must return bytes-like objects of any size. Both are read on the thread of the call. An
            exception in them stops the call and is raised from it. Each part stays in memory until the service has
            stored it, so twice the part size must fit in the memory limit. They are read once: to resume after a
            failure, create another Upload with the journal or the upload ID and a source that starts at its first byte
            again.

            A file object or iterable that ends before its declared length raises LocalError with
            GLACIER_E_SOURCE_SHORT, and no archive is created. archive_size takes precedence over a declared length.
            These sources declare a length:

            - responses of http.client, urllib, urllib3 and requests: the rest of their Content-Length
            - other objects with headers, a mapping or pairs: Content-Length, unless the content is encoded
            - files of open() and tempfile, and io.BytesIO: their size. A file may grow
            - file objects with __len__, len, length, content_length or size in bytes, as a whole number or decimal
              digits: that length minus tell(). Attributes with other values, such as True, are ignored

            A Content-Length that is not a number of bytes, or that has several different numbers, raises ValueError
            unless archive_size is set. Without a declared length, a connection that ends early cannot be detected.
        archive_description (str): at most 1,024 printable ASCII characters (developer guide, "Initiate Multipart
            Upload"), without a space at either end. Encode other text in the program. Default: no description. Archives
            have no name.
        part_size (int): the part size in bytes, a power of two from 1,048,576 (1 MiB) to 4,294,967,296 (4 GiB). An
            upload has at most 10,000 parts (developer guide, "Uploading Large Archives in Parts"). Default: for a path,
            memory or an archive_size, the part size of plan(); for a stream, a part size for its declared length or
            expected_size, or else 67,108,864 (64 MiB), which allows 671,088,640,000 bytes; for direct use of the
            operations, 16,777,216 (16 MiB).
        upload_id (str): the ID of an existing upload to attach to. The part size and description are those of the
            existing upload: a different part_size fails in the first working call, and archive_description is ignored.
        journal (path): a file on a local disk from which a new process resumes after a crash without reading stored
            parts again. Calls that initiate or send parts create it; every working call continues the upload of an
            existing one. Use one journal for each upload, and pass the same path each time. If another Upload or
            process is using it, the call raises LocalError with GLACIER_E_LOCKED. A file that is not a journal, or is
            the journal of another upload, raises LocalError with GLACIER_E_JOURNAL and is not changed. The journal is
            never deleted. After success, run() compares the source with the archive and sends nothing. A source with
            other bytes raises LocalError with GLACIER_E_SOURCE_CHANGED.
        part_range (tuple of int): the parts of a path or memory that transfer() sends: the index of the first part,
            from 0, and the number of parts, or None for all up to the last.
        archive_size (int): the exact archive size in bytes, for a source that does not have one. It is compared with
            the end of a stream, and with the stored parts before Complete. complete() on an attached upload without a
            source or journal needs it.
        expected_size (int): an estimate of the size of a stream in bytes. It selects the part size. An estimate that is
            too large is better than one that is too small.
        progress (callable): called with a Progress at least 4 times a second during a working call, on the thread of
            that call. Its return value is ignored. An exception in it stops the call and is raised from it; the upload
            stays in the vault. See "Callbacks" for an exception after the archive was created.

    Raises:
        UsageError: a value is not allowed, or the client was created by the parent process before a fork.
        TypeError, ValueError, BufferError: a value has the wrong type or range.
    """

    def __init__(
        self,
        client: Client,
        vault_name: str,
        source: Optional[Source] = None,
        *,
        archive_description: str = "",
        part_size: Optional[int] = None,
        upload_id: Optional[str] = None,
        journal: Optional[_arguments.StrPath] = None,
        part_range: Optional[tuple[int, Optional[int]]] = None,
        archive_size: Optional[int] = None,
        expected_size: Optional[int] = None,
        progress: Optional[ReportProgress] = None,
    ) -> None:
        vault = _arguments.text("vault_name", vault_name)
        if progress is not None:
            _arguments.callback("progress", progress)
        handle: UploadHandle = lib.glacier_upload_new(client._handle, vault)
        lib.glacier_upload_set_progress(handle, ON_PROGRESS, None, NO_DESTROY)
        if archive_description:
            description = _arguments.text("archive_description", archive_description)
            lib.glacier_upload_set_description(handle, description)
        if part_size is not None:
            lib.glacier_upload_set_part_size(handle, _arguments.u64("part_size", part_size))
        if upload_id is not None:
            lib.glacier_upload_set_upload_id(handle, _arguments.text("upload_id", upload_id))
        if journal is not None:
            # Their journals would stay locked.
            free_unreachable_handles()
            journal_path = _arguments.path("journal", journal)
            check_journal(source, journal_path)
            lib.glacier_upload_set_journal(handle, journal_path)
        if part_range is not None:
            lib.glacier_upload_set_part_range(handle, *_first_and_count(part_range))
        if archive_size is not None:
            lib.glacier_upload_set_archive_size(handle, _arguments.u64("archive_size", archive_size))
        if expected_size is not None:
            lib.glacier_upload_set_expected_size(handle, _arguments.u64("expected_size", expected_size))
        self._source = None if source is None else set_source(handle, source, archive_size, expected_size)
        self._cancels = CancelCount()
        self._paths = _paths_of(source, journal)
        self._open_handle: Optional[UploadHandle] = handle
        self._final_properties: dict[str, Any] = {}
        self._progress = progress
        self._log = client._log
        self._get_credentials = client._get_credentials
        self._write_buffer = WriteBuffer(self._cancels)
        self._background: Optional[Background] = None

    def run(self) -> Archive:
        """Uploads the source and returns the archive.

        It initiates the upload or resumes an existing one, sends the missing parts in parallel, and completes. If it
        fails after Initiate, the upload stays in the vault: call run() again to send the missing parts. On a completed
        upload it sends nothing.

        Raises:
            UsageError: there is no source; the source is empty, too large for the part size, or differs from
                archive_size; or it is a file object or iterable that was read before.
            LocalError: the source cannot be opened or read, or is not a regular file (GLACIER_E_IO, which is also an
                OSError); it changed during the upload or ended early; or the journal cannot be used. If the source or
                the journal cannot be opened, no upload is initiated.
            ServiceError: an error response. GLACIER_E_NOT_FOUND with an upload_id: the service no longer knows the
                upload. To upload again, omit upload_id and use another journal.
            GlacierError: any other class. If the error is resumable, see "Resuming" under Upload. An automatic resume
                is useful only if the error is also retryable.
            Exception: any exception that progress, the log, the ``credentials`` callable or a source raised. If the
                archive exists already, the exception has it in the attribute ``archive``: see "Callbacks" under Upload.
        """
        return self._archive_call(lib.glacier_upload_run).result()

    def start(self) -> Future[Archive]:
        """Starts run() in the background and returns a Future of the archive. ::

            future = upload.start()
            ...
            archive = future.result()

        All callbacks, including those added to the Future, and file objects or iterables as sources run on a thread of
        this upload. The Future has the result or exception of run(). A StopIteration becomes the cause of a
        RuntimeError, as in a generator, because a task could not await it.

        The Future is already running, so Future.cancel() returns False and has no effect. Upload.cancel() stops the
        run, and the Future then has a StoppedError. Until the run ends, other working calls raise UsageError with
        GLACIER_E_BUSY. Only abort() is allowed: it stops the run first.

        These events cancel the run: the Upload is closed, for example at the end of its ``with`` block; the last
        reference to both the Upload and the Future is dropped; the program ends. The program does not wait for the
        run. In a forked child the Future never completes.

        Raises:
            UsageError: the Upload is closed; a run is in progress (GLACIER_E_BUSY); or the interpreter is shutting down
                and starts no threads (GLACIER_E_STATE). run() still works during shutdown.
            LocalError: no thread can be started (GLACIER_E_MEMORY).
        """
        return self._start()[0]

    async def run_async(self) -> Archive:
        """Runs run() without blocking the event loop. ::

            archive = await asyncio.wait_for(upload.run_async(), timeout=3600)

        It calls start() and awaits the Future. Callbacks run on a thread of this upload. They can use
        loop.call_soon_threadsafe to reach the event loop.

        Canceling the task stops the run and waits until it has ended: up to 250 ms, or up to 10 s if Complete was sent.
        Complete may then have created the archive: see archive_id, and the attribute ``archive`` of the exception.

        Raises:
            asyncio.CancelledError: the task was canceled. The upload stays in the vault and can run again.
            Exception: see start() and run().
        """
        import asyncio

        future, background = self._start()
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError as error:
            background.stop()
            loop = asyncio.get_running_loop()
            ended = asyncio.Event()

            def report_end(_: object) -> None:
                # The loop may be closed meanwhile. Nothing waits in a closed loop.
                with suppress(RuntimeError):
                    loop.call_soon_threadsafe(ended.set)

            background.done.add_done_callback(report_end)
            # Some functions of asyncio cancel a task repeatedly. Keep waiting each time.
            while not ended.is_set():
                with suppress(asyncio.CancelledError):
                    await ended.wait()
            self._set_archive(error)
            raise
        finally:
            # An error in the Future refers to this frame. Break the cycle.
            del future

    def transfer(self) -> None:
        """Sends the missing parts of the source, or of its part_range, without completing the upload.

        Raises:
            UsageError: see run(). With a part_range also: the range is outside the archive (GLACIER_E_INVALID), the
                upload does not exist yet, or the source is a stream (GLACIER_E_STATE).
            GlacierError, Exception: see run().
        """
        self._call(lib.glacier_upload_transfer).result()

    def write(self, data: ReadableBuffer) -> int:
        """Writes the next bytes of a streaming upload. The length of the stream need not be known.

        All of ``data`` is taken; the program may reuse its memory immediately. Library threads send the parts, also
        between two writes. The upload is initiated when the first part is full or the stream is finished. finish()
        creates the archive.

        Each part stays in memory until the service has stored it. write() blocks while the memory limit is reached.
        Twice the part size must fit in the memory limit.

        If sending a part fails, a later write() raises the error, and so does every call after it. Ctrl-C or an
        exception in a callback also ends the stream. To resume, create another Upload with the same journal or
        upload_id, and write the stream from its first byte. Stored parts are compared, not sent again.

        Args:
            data (bytes-like): the bytes, of any length, C-contiguous.

        Returns:
            int: the length of data in bytes.

        Raises:
            UsageError: the upload has a source, or the stream is finished.
            ServiceError: more than 10,000 parts (GLACIER_E_LIMIT), or an error response.
            LocalError: more bytes than archive_size.
            TypeError, BufferError: data is not bytes-like, or not contiguous.
            GlacierError, Exception: see run().
        """
        # The buffer takes small writes without a library call.
        self._check_open()
        return self._write_buffer.write(data, self._send)

    def finish(self) -> Archive:
        """Ends the stream: sends the remaining bytes, completes the upload and returns the archive.

        If all parts are stored but Complete failed, finish() may be called again. On a completed upload it returns the
        archive again.

        Raises:
            UsageError: nothing was written.
            LocalError: the stream is shorter than archive_size, or than the stored parts.
            GlacierError, Exception: see write().
        """
        self._write_buffer.end(self._send)
        return self._archive_call(lib.glacier_upload_finish).result()

    def stream(self) -> UploadStream:
        """Returns a writable file object that calls write() and finish().

        Raises:
            UsageError: the Upload is closed.
        """
        self._check_open()
        return UploadStream(self)

    def initiate(self) -> None:
        """Initiates the upload at the service. upload_id is then set.

        Raises:
            UsageError: the upload has an ID already (GLACIER_E_STATE).
            GlacierError: any other class.
        """
        self._call(lib.glacier_upload_initiate).result()

    def put_part(self, index: int, data: Data, checksum: Union[str, bytes, None] = None) -> None:
        """Sends one part. Returns when the service has acknowledged it with the same tree hash.

        Parts may be sent in any order and from several threads at once. Sending a part again replaces it.

        Args:
            index (int): the index of the part, 0 to 9,999. The part starts at index times the part size.
            data (bytes-like): the bytes. The length must be the part size; the last part may be shorter, at least 1
                byte. The bytes must not change during the call.
            checksum (str or bytes): the expected tree hash, 64 hexadecimal digits or 32 bytes. Default: not checked.

        Raises:
            UsageError: index or the length of data is not allowed.
            IntegrityError: data has another tree hash than checksum; nothing was sent.
            GlacierError: any other class.
        """
        memory = Memory(data)
        part = (_arguments.u32("index", index), memory.address, memory.length)
        if checksum is None:
            self._call(lib.glacier_upload_put_part, *part, kept_alive=memory).result()
        else:
            tree_hash = _arguments.tree_hash("checksum", checksum)
            self._call(lib.glacier_upload_put_part_checked, *part, tree_hash, kept_alive=memory).result()

    def list_parts(self) -> list[Part]:
        """Requests the list of stored parts, in order of their offsets. Parts in flight are not included.

        Raises:
            UsageError: the upload is not initiated, or it is completed or aborted (GLACIER_E_STATE).
            GlacierError: any other class.
        """
        parts = self._call(lib.glacier_upload_list_parts).result()
        return [
            Part(
                offset=lib.glacier_parts_offset(parts, index),
                length=lib.glacier_parts_length(parts, index),
                checksum=decoded(lib.glacier_parts_tree_hash(parts, index)) or "",
            )
            for index in range(lib.glacier_parts_count(parts))
        ]

    def complete(self) -> Archive:
        """Completes the upload and returns the archive, after checking that the parts cover it from 0 to its end.

        The check needs the archive size. An attached upload must therefore have archive_size, a source or a journal.
        For terabytes the response may take many minutes.

        Raises:
            IntegrityError: parts are missing (GLACIER_E_INCOMPLETE).
            ServiceError: no response was received (GLACIER_E_OUTCOME_UNKNOWN). Call complete() again to determine the
                outcome.
            GlacierError: any other class.
        """
        return self._archive_call(lib.glacier_upload_complete).result()

    def abort(self) -> None:
        """Deletes the upload and its parts at the service. This cannot be undone.

        A background run or an unfinished stream is stopped first.

        If the response is lost, the request is repeated, and a repetition that finds no upload is a success. A call
        that fails or is canceled after such a request may have deleted the upload: the error is not resumable, and its
        message says so. Call abort() of the same Upload again.

        Raises:
            UsageError: the upload is completed (GLACIER_E_STATE).
            GlacierError: any other class.
        """
        if self._background is not None and self._background.is_running():
            self._background.stop()
            self._background.done.wait()
        self._call(partial(_abort, self._cancels)).result()

    def cancel(self) -> None:
        """Cancels the working calls in progress, or the next one if there is none. They raise StoppedError.

        They return within 250 ms. If Complete was sent, the call waits up to 10 s for its response, and then returns
        the archive or raises ServiceError with GLACIER_E_OUTCOME_UNKNOWN. The upload stays in the vault and can run
        again; only the parts that were in flight are sent again. If Initiate was sent, an upload without parts may
        remain that only Client.list_uploads shows. It costs nothing and expires.

        Any thread may call this at any time, also in callbacks and signal handlers. On a closed Upload it does nothing.
        """
        handle = self._open_handle
        if handle is not None:
            lib.glacier_upload_cancel(handle)
            self._cancels.value += 1

    def close(self) -> None:
        """Closes the object and releases its source. The upload in the vault is not changed.

        It cancels working calls, a background run and an unfinished stream. A second call does nothing. Any thread may
        call this at any time.
        """
        self.cancel()
        handle = self._open_handle
        if handle is not None:
            self._final_properties = {name: _property_of(handle, name) for name in _PROPERTIES}
            self._open_handle = None
            self._source = None

    def progress(self) -> Progress:
        """Returns the current progress.

        Raises:
            UsageError: the Upload is closed.
        """
        raw = RawProgress()
        lib.glacier_upload_progress(self._handle, raw, ctypes.sizeof(raw))
        return progress_of(raw)

    def set_bandwidth_limit(self, bytes_per_second: int) -> None:
        """Limits the bandwidth of this upload. The client's limit, Config(bandwidth_limit=...), applies too.

        The limit takes effect within 100 ms, also for parts in flight. Any thread may call this at any time, also in
        callbacks.

        Args:
            bytes_per_second (int): the limit in bytes of parts per second; 0: only the client's limit.

        Raises:
            UsageError: the Upload is closed.
            TypeError, ValueError: bytes_per_second is not an integer, or is out of range.
        """
        lib.glacier_upload_set_bandwidth_limit(self._handle, _arguments.u64("bytes_per_second", bytes_per_second))

    @property
    def state(self) -> State:
        """The state of the upload."""
        return State(self._property("state"))

    @property
    def vault_name(self) -> str:
        """The name of the vault."""
        return decoded(self._property("vault")) or ""

    @property
    def upload_id(self) -> Optional[str]:
        """The upload ID, by which any process can attach to the upload. None until it is initiated or attached."""
        return decoded(self._property("id"))

    @property
    def location(self) -> Optional[str]:
        """The URI path of the upload. None until this object has initiated it."""
        return decoded(self._property("location"))

    @property
    def part_size(self) -> Optional[int]:
        """The part size in bytes. None until it is known."""
        return self._property("part_size") or None

    @property
    def archive_id(self) -> Optional[str]:
        """The archive ID. None until the upload is completed."""
        return decoded(self._property("archive_id"))

    @property
    def archive_location(self) -> Optional[str]:
        """The URI path of the archive. None until the upload is completed."""
        return decoded(self._property("archive_location"))

    @property
    def checksum(self) -> Optional[str]:
        """The tree hash of the archive, 64 hexadecimal digits. None until it is known."""
        return decoded(self._property("tree_hash"))

    def __enter__(self) -> Upload:
        self._check_open()
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        closed = ", closed" if self._open_handle is None else ""
        return f"<glacier_mp.Upload to {self.vault_name!r}, {self.state.name}, upload_id={self.upload_id!r}{closed}>"

    def _check_open(self) -> None:
        """Raises UsageError if the Upload is closed."""
        _ = self._handle

    @property
    def _handle(self) -> UploadHandle:
        handle = self._open_handle
        if handle is None:
            raise error_of(E_STATE, "the upload is closed")
        return handle

    def _property(self, name: str) -> Any:
        handle = self._open_handle
        return self._final_properties[name] if handle is None else _property_of(handle, name)

    def _start(self) -> tuple[Future[Archive], Background]:
        if self._background is not None and self._background.is_running():
            raise error_of(E_BUSY, "a background run of the upload is in progress")
        future, self._background = in_background(self._archive_call(lib.glacier_upload_run), self._handle)
        return future, self._background

    def _send(self, data: ReadableBuffer) -> None:
        memory = Memory(data)
        self._call(lib.glacier_upload_write, memory.address, memory.length, kept_alive=memory).result()

    def _set_archive(self, error: BaseException) -> None:
        """Adds the archive to an exception if it exists. Removes the archive of another upload from the exception."""
        set_archive(error, None if self.archive_id is None else _archive_of(self._property))

    def _archive_call(self, function: Any) -> Call[Archive]:
        """Returns a working call that returns the archive."""
        return self._call(partial(_call_for_archive, function))

    def _call(self, function: Callable[..., T], *arguments: Any, kept_alive: Optional[object] = None) -> Call[T]:
        """Returns a working call."""
        reader = None if self._source is None else StreamReader(self._source, self._cancels)
        return Call(
            partial(_call_with_details, function, self._paths, reader),
            self._handle,
            *arguments,
            kept_alive=kept_alive,
            progress=self._progress,
            log=self._log,
            get_credentials=self._get_credentials,
            read=None if reader is None else reader.read,
        )


# The getters that a closed Upload still has.
_PROPERTIES = ("state", "vault", "id", "location", "part_size", "archive_id", "archive_location", "tree_hash")


def _property_of(handle: UploadHandle, name: str) -> Any:
    return getattr(lib, f"glacier_upload_{name}")(handle)


def _call_for_archive(function: Any, handle: UploadHandle) -> Archive:
    """Calls a function that completes the upload. Reads the archive from the handle, as the Upload may be closed."""
    function(handle)
    return _archive_of(partial(_property_of, handle))


def _abort(cancels: CancelCount, handle: UploadHandle) -> None:
    """Aborts an upload, and counts the abort: the next write must not be buffered.

    An abort that the library refuses is not counted. It would end the wait of another call for bytes. The UsageError of
    a callback of abort is no refusal: the library then reports a stopped call.
    """
    try:
        lib.glacier_upload_abort(handle)
    except UsageError:
        raise
    except GlacierError:
        cancels.value += 1
        raise
    cancels.value += 1


def _archive_of(property_of: Callable[[str], Any]) -> Archive:
    def text(name: str) -> Optional[str]:
        return decoded(property_of(name))

    return Archive(text("archive_id") or "", text("archive_location"), text("tree_hash"))


def _paths_of(source: Optional[Source], journal: Optional[_arguments.StrPath]) -> tuple[bytes, ...]:
    """Returns the paths of the source and the journal. bytes are a path as journal, but content as source."""
    source_paths = [os.fsencode(source)] if isinstance(source, (str, os.PathLike)) else []
    return (*source_paths, *([] if journal is None else [os.fsencode(journal)]))


def _call_with_details(
    function: Callable[..., T],
    paths: tuple[bytes, ...],
    reader: Optional[StreamReader],
    handle: UploadHandle,
    *arguments: Any,
) -> T:
    """Calls a function. Adds the upload ID, and for file errors the filename, to an error."""
    try:
        with os_errors_for(*paths):
            try:
                return function(handle, *arguments)
            except GlacierError:
                if reader is None or not reader.was_canceled:
                    raise
            # If the read callback stops a call, the library keeps the cancel for the next call. This second call uses
            # the cancel and raises the error for it. It sends nothing: the source was read.
            return function(handle, *arguments)
    except GlacierError as error:
        error.upload_id = decoded(lib.glacier_upload_id(handle))
        raise


def _first_and_count(part_range: tuple[int, Optional[int]]) -> tuple[int, int]:
    try:
        first, count = part_range
    except TypeError:
        raise TypeError(f"part_range must be a tuple of two numbers, not {_arguments.kind_of(part_range)}") from None
    except ValueError:
        raise ValueError("part_range must have two numbers: the first part, and the number of parts") from None
    return _arguments.u32("part_range", first), ALL_PARTS if count is None else _arguments.u32("part_range", count)
