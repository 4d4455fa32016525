"""One multipart upload."""

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
from ._ffi import ALL_PARTS, E_BUSY, E_STATE, NO_DESTROY, RawProgress, UploadHandle, decoded, error_of, lib
from ._os_errors import paths_named
from .background import Background, in_background
from .errors import GlacierError
from .progress import Progress, progress_of
from .source import Data, Reading, Source, set_source
from .stream import Gather, UploadStream

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

    from .client import Client

T = TypeVar("T")

# The format types of integers: f"{state:d}".
_NUMBER_FORMATS = frozenset("bcdeEfFgGnoxX%")


class State(enum.IntEnum):
    """The state of an upload. It prints as its name; int(state) is its number.

    NEW: nothing was sent to the service yet, also if there is an upload_id to attach to. INITIATED: it has an
    upload_id, and this object has sent no part. TRANSFERRING: parts are being sent, or were. COMPLETING: Complete was
    sent; its response is awaited, or will be requested again. COMPLETED: there is an archive. ABORTED: it is deleted.
    UNKNOWN: Complete was sent, and whether there is an archive cannot be known.
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
        """Later versions of the library may add states."""
        if not isinstance(value, int):
            return None
        state = int.__new__(cls, value)
        state._name_, state._value_ = f"STATE_{value}", value
        return state

    def __str__(self) -> str:
        """Returns the name. int(state) is the number."""
        return self.name

    def __format__(self, spec: str) -> str:
        return format(int(self) if spec[-1:] in _NUMBER_FORMATS else self.name, spec)


@dataclass(frozen=True)
class Archive:
    """What an upload has become.

    Attributes:
        archive_id (str): under which the archive is retrieved and deleted: keep it, for the service tells it again
            only in an inventory of the vault.
        location (str or None): the path of the archive at the service.
        checksum (str or None): its tree hash, 64 hexadecimal digits.
    """

    archive_id: str
    location: Optional[str]
    checksum: Optional[str]


@dataclass(frozen=True)
class Part:
    """A part that the service holds, from Upload.list_parts.

    Attributes:
        offset (int): where it begins in the archive, in bytes.
        length (int): its bytes.
        checksum (str): its tree hash as the service has it, 64 hexadecimal digits.
    """

    offset: int
    length: int
    checksum: str


class Upload:
    """One multipart upload, and what is known of the archive that it makes.

    All at once:

        with Upload(client, "my-vault", "backup.tar", journal="backup.journal") as upload:
            archive = upload.run()      # or start(), with a Future; or await run_async()

    As a stream, for bytes that the program makes:

        with Upload(client, "my-vault", expected_size=200 << 30) as upload:
            with tarfile.open(fileobj=upload.stream(), mode="w|") as tar:
                tar.add("/home")
            archive = upload.finish()

    Or by hand, the service's own operations one a call, with threads of your own:

        with Upload(client, "my-vault", part_size=1 << 20) as upload:
            upload.initiate()
            upload.put_part(0, first)       # 1 MiB; any number of threads at once
            upload.put_part(1, last)        # 1 byte to 1 MiB
            archive = upload.complete()

    Or shared by several processes or machines, each with a range of the parts; one completes in the end:

        with Upload(client, "my-vault", "backup.tar", upload_id=upload_id, part_range=(0, 500)) as upload:
            upload.transfer()
        with Upload(client, "my-vault", upload_id=upload_id, archive_size=size) as upload:
            archive = upload.complete()

    Leaving the `with` block closes the object, and never aborts the upload: one that is not complete stays in the
    vault with the parts that arrived, until 24 hours after the last part, or abort(). To carry on, run again, or
    make an Upload with the same journal, or with its upload_id, and the same source. Parts whose hash is not that of
    the source are sent again and replaced, without an error, unless there is a journal: without one a wrong source
    shows only if it is smaller than what the upload holds.

    Calls that work (run, transfer, write, finish, initiate, put_part, list_parts, complete, abort) may come from any
    thread, put_part from several at once; while one works, or a run that was started, or a stream is not finished, any
    other gets GLACIER_E_BUSY. cancel, close, progress, set_bandwidth_limit and the properties may be used at any time,
    the properties also when it is closed; everything else then raises UsageError. Nothing is sent, and no file is
    opened, before the first call that works.

    Python raises KeyboardInterrupt in its main thread only. A program that uploads on other threads catches it there,
    and cancels each Upload.

    If gevent or eventlet has replaced Python's threads, a greenlet that calls waits in its hub: other greenlets keep
    running. "Thread" then means greenlet: callbacks run in the one that called, and may switch.

    Args:
        client (Client): the way to the service.
        vault_name (str): the vault, which must exist: 1 to 255 of A-Z a-z 0-9 _ - . (developer guide, "Creating a
            Vault").
        source (path, bytes-like, file object or iterable): the whole archive, 1 byte to 42,949,672,960,000 bytes. None
            is for streams that are written, and uploads by hand.
            A str, or an os.PathLike, is the path of a regular file or of a symbolic link to one. bytes, bytearray,
            memoryview and mmap are always the content. They must not change until the upload is completed; a bytearray
            cannot be resized, nor an mmap closed, until the Upload is closed.
            A file object gives bytes by read() or readinto(), and must wait for them; it is read from where it stands
            to its end, and not closed. Other iterables give bytes-like pieces of any size. Either is read on the thread
            that runs, an exception in it stops the call and is raised from it, and each part is held in memory until
            the service has it: twice the part size must fit into the memory limit. It is read once: to resume after a
            failure, another Upload with the journal or the upload ID is given it from its first byte again.
            If such a source declares its length and ends before it, the call raises LocalError with
            GLACIER_E_SOURCE_SHORT, and no archive is created; archive_size takes precedence. These declare a length:
            responses of http.client, urllib, urllib3 and requests, what is left of their Content-Length; other objects
            with headers, by Content-Length, unless the content is encoded; files of open() and tempfile, and
            io.BytesIO, by their size, though a file may grow; file objects with __len__, len, length, content_length
            or size in bytes, less tell(). A connection that ends early without a declared length cannot be noticed
            here.
        archive_description (str): at most 1,024 printable ASCII characters (developer guide, "Initiate Multipart
            Upload"), without a space at either end; other text must be encoded by the program. Default: none; an
            archive has no name of its own.
        part_size (int): in bytes, a power of two from 1,048,576 (1 MiB) to 4,294,967,296 (4 GiB), at most 10,000
            parts (developer guide, "Uploading Large Archives in Parts"). Default: what plan() says for a path or
            memory, or for the archive_size; for a stream what suits the expected_size or the length that it declares,
            else 67,108,864 (64 MiB), which ends at 671,088,640,000 bytes; by hand 16,777,216 (16 MiB).
        upload_id (str): attaches to an upload that exists already. Its part size and description are the service's: a
            part_size that differs fails the first call that works, an archive_description is not looked at.
        journal (path): a file, on a disk of this machine, that lets a new process carry on after a crash without
            reading again what arrived. The first call that works makes it, or carries on the upload that it is of: a
            program names the same journal each time, and runs. One upload has one journal; a second user of it gets
            LocalError with GLACIER_E_LOCKED, and a file that is none, or of another upload, is GLACIER_E_JOURNAL and
            stays as it is. It is never deleted: after success, running with it compares the source with the archive and
            sends nothing. A source with other bytes is LocalError with GLACIER_E_SOURCE_CHANGED.
        part_range (tuple of int): the first part, counted from 0, and how many, or None for all to the last: what
            transfer() sends of a path or memory.
        archive_size (int): the exact size of the archive in bytes, if the source does not have it: compared with the
            end of a stream, and before the parts are completed. An upload_id without source and journal cannot be
            completed without it.
        expected_size (int): an estimate of a stream's size in bytes, better too large than too small. It chooses the
            part size.
        progress (callable): called with a Progress at least 4 times a second while a call works, also when nothing
            moves, on the thread of that call. What it returns is ignored. An exception in it stops the call and is
            raised from it; the upload stays in the vault.

    Raises:
        UsageError: a value is not allowed; or the client was made before a fork, by the parent.
        TypeError, ValueError, BufferError: a value is not of its type at all.
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
            lib.glacier_upload_set_journal(handle, _arguments.path("journal", journal))
        if part_range is not None:
            lib.glacier_upload_set_part_range(handle, *_first_and_count(part_range))
        if archive_size is not None:
            lib.glacier_upload_set_archive_size(handle, _arguments.u64("archive_size", archive_size))
        if expected_size is not None:
            lib.glacier_upload_set_expected_size(handle, _arguments.u64("expected_size", expected_size))
        self._source = None if source is None else set_source(handle, source, archive_size, expected_size)
        self._paths = _paths_of(source, journal)
        self._open_handle: Optional[UploadHandle] = handle
        self._last_facts: dict[str, Any] = {}
        self._progress = progress
        self._log = client._log
        self._keys = client._keys
        self._gather = Gather()
        self._background: Optional[Background] = None

    def run(self) -> Archive:
        """Uploads the source: initiates, or carries on the upload that exists; sends the parts that the service does
        not hold yet, several at once; completes.

        If it fails after the upload is initiated, the upload stays in the vault: call it again to send what is
        missing. On an upload that is completed it sends nothing.

        Raises:
            GlacierError: of any class. UsageError if there is no source, or it is empty, too large for its part size,
                not of the archive_size, or a file object or an iterable that was read before. LocalError if the source
                cannot be opened or read or is not a regular file (GLACIER_E_IO, which is an OSError too), if it changes
                meanwhile or ends short, and for a fault of the journal: nothing is initiated for a source or a journal
                that cannot be opened. ServiceError with GLACIER_E_NOT_FOUND and an upload_id if the service does not
                know the upload; to upload all of it again, begin without the upload_id, and with another journal. If
                the error is resumable, resume as described under Upload; resuming without looking at the cause makes
                sense only if it is retryable too.
            Exception: whatever progress, the log, or a source that is read, has raised.
        """
        return self._making(lib.glacier_upload_run).result()

    def start(self) -> Future[Archive]:
        """Does what run() does in the background, and returns a Future of the archive at once.

            future = upload.start()
            ...
            archive = future.result()

        All callbacks come on a thread of the upload's own, those added to the Future too, and a source that is read is
        read there. What run() raises comes from the Future, what they raise included.

        The Future is running from the beginning, so its cancel() does nothing and returns False; cancel() of the Upload
        stops it, and it then ends with a StoppedError. Until it is over, other calls that work get GLACIER_E_BUSY, but
        for abort(), which stops it first. It is canceled when the Upload is closed, and so by leaving its `with` block;
        when neither the Upload nor the Future is referred to any more; and when the program ends, which does not wait
        for it. In a forked child the Future never ends.

        Raises:
            UsageError: it is closed, or was started and is not over (GLACIER_E_BUSY); or the interpreter is ending and
                starts no thread (GLACIER_E_STATE). Then run() still works.
            LocalError: no thread can be started (GLACIER_E_MEMORY).
        """
        return self._start()[0]

    async def run_async(self) -> Archive:
        """Does what run() does without holding up the event loop.

            archive = await asyncio.wait_for(upload.run_async(), timeout=3600)

        It is start(), awaited: callbacks come on a thread of the upload's own, and reach the loop by its
        call_soon_threadsafe. Canceling the task stops the upload, and waits until nothing works on it any more: a
        quarter of a second, or up to 10 s while Complete is on its way, which may have made the archive then (see
        archive_id).

        Raises:
            asyncio.CancelledError: the task was canceled. The upload stays in the vault, and can run again.
            Exception: as start() and run().
        """
        import asyncio

        future, background = self._start()
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            background.stop()
            loop = asyncio.get_running_loop()
            over = asyncio.Event()

            def report(_: object) -> None:
                # A loop that was closed meanwhile waits for nothing.
                with suppress(RuntimeError):
                    loop.call_soon_threadsafe(over.set)

            background.over.add_done_callback(report)
            # Some functions of asyncio cancel a task repeatedly: each time it keeps waiting.
            while not over.is_set():
                with suppress(asyncio.CancelledError):
                    await over.wait()
            raise
        finally:
            # An error in it refers to this frame.
            del future

    def transfer(self) -> None:
        """Does what run() does, but does not complete: it returns when the service holds all parts of the source, or
        those of the part_range.

        Raises:
            GlacierError: as run(). UsageError if the part_range does not lie in the archive (GLACIER_E_INVALID), or the
                upload does not exist yet, or the source is read as a stream (GLACIER_E_STATE).
            Exception: as run().
        """
        self._call(lib.glacier_upload_transfer).result()

    def write(self, data: ReadableBuffer) -> int:
        """Writes the next bytes of the archive: a stream whose length need not be known. Parts are sent on other
        threads, also between two calls, until finish() makes the archive.

        Any bytes-like object is taken whole, and may be used again at once. Small ones are gathered. It waits while
        memory is full of parts on their way: each is held until the service has it, and twice the part size must fit
        into the memory limit. The upload is initiated when the first part is full, or the stream finished.

        A part may fail long after its bytes were taken: then a later call raises the error, and so does every further
        one. Ctrl-C, or an exception in a callback, ends the stream too. To carry it on, make another Upload with the
        same journal or the upload_id, and write it from the first byte again: parts that the service holds are
        compared, and not sent.

        Returns:
            int: the number of bytes.

        Raises:
            GlacierError: as run(). UsageError if there is a source, or the stream is finished; ServiceError with
                GLACIER_E_LIMIT for more than 10,000 parts; LocalError for more bytes than the archive_size.
            TypeError, BufferError: data is not bytes-like, or not contiguous.
            Exception: as run().
        """
        return self._gather.write(data, self._push)

    def finish(self) -> Archive:
        """Says that the last byte was written, sends what is left, and makes the archive.

        Once it is made, calling it again gives it again. If all parts arrived and completing failed, it may be called
        again.

        Raises:
            GlacierError: as write(). UsageError if nothing was written; LocalError if the stream is shorter than its
                archive_size, or than what the service holds.
            Exception: as run().
        """
        self._gather.end(self._push)
        return self._making(lib.glacier_upload_finish).result()

    def stream(self) -> UploadStream:
        """A file object to write the archive into: write() and finish() for what wants a file."""
        return UploadStream(self)

    def initiate(self) -> None:
        """Initiates the upload at the service; upload_id is known then.

        Raises:
            GlacierError: UsageError with GLACIER_E_STATE if it has an ID already.
        """
        self._call(lib.glacier_upload_initiate).result()

    def put_part(self, index: int, data: Data, checksum: Union[str, bytes, None] = None) -> None:
        """Sends one part, and returns when the service has acknowledged it with the same tree hash.

        Parts may come in any order and from several threads at once; the same part again replaces the earlier.

        Args:
            index (int): 0 to 9,999: the part begins at index times the part size.
            data (bytes-like): as long as the part size, or for the last part from 1 byte. It must not change
                meanwhile.
            checksum (str or bytes): its tree hash, 64 hexadecimal digits or 32 bytes. If data has another one,
                IntegrityError is raised and nothing is sent.

        Raises:
            GlacierError: of any class; UsageError for an index or a length that is not allowed.
        """
        memory = _arguments.Memory(data)
        part = (_arguments.u32("index", index), memory.address, memory.length)
        if checksum is None:
            self._call(lib.glacier_upload_put_part, *part, holding=memory).result()
        else:
            tree_hash = _arguments.tree_hash("checksum", checksum)
            self._call(lib.glacier_upload_put_part_checked, *part, tree_hash, holding=memory).result()

    def list_parts(self) -> list[Part]:
        """Asks the service for the parts that it holds, in the order of their offsets. Parts on their way are not in
        it.

        Raises:
            GlacierError: UsageError with GLACIER_E_STATE if it is not initiated, or is completed or aborted.
        """
        listed = self._call(lib.glacier_upload_list_parts).result()
        return [
            Part(
                offset=lib.glacier_parts_offset(listed, index),
                length=lib.glacier_parts_length(listed, index),
                checksum=decoded(lib.glacier_parts_tree_hash(listed, index)) or "",
            )
            for index in range(lib.glacier_parts_count(listed))
        ]

    def complete(self) -> Archive:
        """Makes the archive out of the parts, after checking that they cover it from 0 to its end.

        An upload by upload_id needs its archive_size for that, or its source or journal: its size is not known
        otherwise. The answer may take many minutes for terabytes.

        Raises:
            GlacierError: IntegrityError with GLACIER_E_INCOMPLETE if parts are missing; ServiceError with
                GLACIER_E_OUTCOME_UNKNOWN if the answer did not come: call it again to learn the outcome.
        """
        return self._making(lib.glacier_upload_complete).result()

    def abort(self) -> None:
        """Deletes the upload and its parts at the service; that cannot be undone. A run that was started, or a stream
        that is not finished, is stopped first.

        Raises:
            GlacierError: UsageError with GLACIER_E_STATE if it is completed.
        """
        if self._background is not None and self._background.is_at_work():
            self._background.stop()
            self._background.over.wait()
        self._call(lib.glacier_upload_abort).result()

    def cancel(self) -> None:
        """Asks the calls at work to stop, or if there is none, the next one: they raise StoppedError.

        They return within a quarter of a second. While Complete is on its way its answer is awaited for up to 10 s:
        then the call returns the archive, or raises ServiceError with GLACIER_E_OUTCOME_UNKNOWN. The upload stays in
        the vault and can run again; only the parts in flight are sent again. Stopped while Initiate is on its way, it
        may leave an empty upload that only Client.list_uploads shows; that costs nothing and vanishes by itself.

        It may be called from any thread, at any time, in callbacks and in signal handlers. On an Upload that is closed
        it does nothing.
        """
        handle = self._open_handle
        if handle is not None:
            lib.glacier_upload_cancel(handle)

    def close(self) -> None:
        """Lets the object go, and its source. The upload in the vault stays as it is.

        Calls at work on it are canceled, and so are a run that was started, and a stream that is not finished. Closing
        twice does nothing; any thread, at any time.
        """
        self.cancel()
        handle = self._open_handle
        if handle is not None:
            self._last_facts = {name: _fact_of(handle, name) for name in _FACTS}
            self._open_handle = None
            self._source = None

    def progress(self) -> Progress:
        """How far the upload is, for programs that would rather ask than be told.

        Raises:
            UsageError: it is closed.
        """
        raw = RawProgress()
        lib.glacier_upload_progress(self._handle, raw, ctypes.sizeof(raw))
        return progress_of(raw)

    def set_bandwidth_limit(self, bytes_per_second: int) -> None:
        """Limits the bytes of parts that this upload may send, in bytes a second; 0 is no limit of its own.

        The client's limit, Config(bandwidth_limit=...), holds as well. It takes effect within a tenth of a second, also
        for parts that are being sent. Any thread, at any time, in callbacks.

        Raises:
            UsageError: it is closed.
        """
        lib.glacier_upload_set_bandwidth_limit(self._handle, _arguments.u64("bytes_per_second", bytes_per_second))

    @property
    def state(self) -> State:
        """Where the upload stands."""
        return State(self._fact("state"))

    @property
    def vault_name(self) -> str:
        """The name of the vault."""
        return decoded(self._fact("vault")) or ""

    @property
    def upload_id(self) -> Optional[str]:
        """The upload ID: with it any process may attach to the upload. None until it is initiated or attached."""
        return decoded(self._fact("id"))

    @property
    def location(self) -> Optional[str]:
        """The path of the upload at the service. None until this object has initiated it."""
        return decoded(self._fact("location"))

    @property
    def part_size(self) -> Optional[int]:
        """The part size in bytes. None until it is known."""
        return self._fact("part_size") or None

    @property
    def archive_id(self) -> Optional[str]:
        """The archive ID. None until the upload is completed."""
        return decoded(self._fact("archive_id"))

    @property
    def archive_location(self) -> Optional[str]:
        """The path of the archive at the service. None until the upload is completed."""
        return decoded(self._fact("archive_location"))

    @property
    def checksum(self) -> Optional[str]:
        """The tree hash of the archive, 64 hexadecimal digits. None until it is known."""
        return decoded(self._fact("tree_hash"))

    def __enter__(self) -> Upload:
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

    @property
    def _handle(self) -> UploadHandle:
        handle = self._open_handle
        if handle is None:
            raise error_of(E_STATE, "the upload is closed")
        return handle

    def _fact(self, name: str) -> Any:
        handle = self._open_handle
        return self._last_facts[name] if handle is None else _fact_of(handle, name)

    def _start(self) -> tuple[Future[Archive], Background]:
        if self._background is not None and self._background.is_at_work():
            raise error_of(E_BUSY, "the upload was started, and is not over")
        future, self._background = in_background(self._making(lib.glacier_upload_run), self._handle)
        return future, self._background

    def _push(self, data: ReadableBuffer) -> None:
        memory = _arguments.Memory(data)
        self._call(lib.glacier_upload_write, memory.address, memory.length, holding=memory).result()

    def _making(self, function: Any) -> Call[Archive]:
        """A working call that makes the archive."""
        return self._call(partial(_archive_by, function))

    def _call(self, function: Callable[..., T], *arguments: Any, holding: Optional[object] = None) -> Call[T]:
        """A working call."""
        source = self._source
        return Call(
            partial(_of_the_upload, function, self._paths),
            self._handle,
            *arguments,
            holding=holding,
            progress=self._progress,
            log=self._log,
            keys=self._keys,
            read=None if source is None else Reading(source).read,
        )


# What may be asked of an upload that is closed.
_FACTS = ("state", "vault", "id", "location", "part_size", "archive_id", "archive_location", "tree_hash")


def _fact_of(handle: UploadHandle, name: str) -> Any:
    return getattr(lib, f"glacier_upload_{name}")(handle)


def _archive_by(function: Any, handle: UploadHandle) -> Archive:
    """What a working call has made, asked of the handle: the Upload may be closed by then."""
    function(handle)

    def fact(name: str) -> Optional[str]:
        return decoded(_fact_of(handle, name))

    return Archive(fact("archive_id") or "", fact("archive_location"), fact("tree_hash"))


def _paths_of(source: Optional[Source], journal: Optional[_arguments.StrPath]) -> tuple[bytes, ...]:
    """The paths that the program gave. Bytes are a path as journal, and content as source."""
    of_source = [os.fsencode(source)] if isinstance(source, (str, os.PathLike)) else []
    return (*of_source, *([] if journal is None else [os.fsencode(journal)]))


def _of_the_upload(function: Callable[..., T], paths: tuple[bytes, ...], handle: UploadHandle, *arguments: Any) -> T:
    """A working call whose error has the upload ID and the file that it is about."""
    try:
        with paths_named(*paths):
            return function(handle, *arguments)
    except GlacierError as error:
        error.upload_id = decoded(lib.glacier_upload_id(handle))
        raise


def _first_and_count(part_range: tuple[int, Optional[int]]) -> tuple[int, int]:
    first, count = part_range
    return _arguments.u32("part_range", first), ALL_PARTS if count is None else _arguments.u32("part_range", count)
