"""One multipart upload."""

from __future__ import annotations

import ctypes
import enum
import mmap
import os
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Optional, Union

from . import _arguments
from ._calls import ON_PROGRESS, ReportProgress, work
from ._ffi import E_STATE, NO_DESTROY, RawProgress, UploadHandle, decoded, error_of, lib
from .errors import GlacierError
from .progress import Progress, progress_of

if TYPE_CHECKING:
    from .client import Client

Data = Union[bytes, bytearray, memoryview, mmap.mmap]
Source = Union[str, "os.PathLike[str]", "os.PathLike[bytes]", Data]


class State(enum.IntEnum):
    """Where an upload stands.

    NEW: nothing was asked of the service yet, also if there is an upload_id to attach to. INITIATED: it has an
    upload_id, and this object has sent no part. TRANSFERRING: parts are being sent, or were. COMPLETING: Complete was
    sent, and its answer is awaited, or will be asked for again. COMPLETED: there is an archive. ABORTED: it is deleted.
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

        with Upload(client, "my-vault", "backup.tar") as upload:
            archive = upload.run()

    Or by hand, the service's own operations one a call, with threads of your own:

        with Upload(client, "my-vault", part_size=1 << 20) as upload:
            upload.initiate()
            upload.put_part(0, first)       # 1 MiB; any number of threads at once
            upload.put_part(1, last)        # 1 byte to 1 MiB
            archive = upload.complete()

    Leaving the `with` block closes the object, and never aborts the upload: one that is not complete stays in the
    vault with the parts that arrived, until 24 hours after the last part, or abort(). To carry on, run again, or
    make an Upload with its upload_id and the same source. Parts whose hash is not that of the source are sent again
    and replaced, without an error: a wrong source shows only if it is smaller than what the upload holds.

    Calls that work (run, initiate, put_part, list_parts, complete, abort) may come from any thread, put_part from
    several at once; while one works, any other gets GLACIER_E_BUSY. cancel, close, progress, set_bandwidth_limit and
    the properties may be used at any time, the properties also when it is closed; everything else then raises
    UsageError. Nothing is sent, and no file is opened, before the first call that works.

    Python hands Ctrl-C to its main thread only. A program that uploads on other threads catches KeyboardInterrupt
    there, and cancels each Upload.

    Args:
        client (Client): the way to the service.
        vault_name (str): the vault, which must exist: 1 to 255 of A-Z a-z 0-9 _ - . (developer guide, "Creating a
            Vault").
        source (path, bytes, bytearray, memoryview or mmap): the whole archive, 1 byte to 42,949,672,960,000 bytes. A
            str, or an os.PathLike, is the path of a regular file or of a symbolic link to one; bytes are always the
            content. It must not change until the upload is completed; a bytearray cannot be resized, nor an mmap
            closed, until the Upload is closed. None is for uploads by hand.
        archive_description (str): at most 1,024 printable ASCII characters (developer guide, "Initiate Multipart
            Upload"); other text must be encoded by the program. Default: none; an archive has no name of its own.
        part_size (int): in bytes, a power of two from 1,048,576 (1 MiB) to 4,294,967,296 (4 GiB), at most 10,000
            parts (developer guide, "Uploading Large Archives in Parts"). Default: what plan() says for the source,
            else 16,777,216 (16 MiB).
        upload_id (str): attaches to an upload that exists already. Its part size and description are the service's: a
            part_size that differs fails the first call that works, an archive_description is not looked at.
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
        if source is not None:
            _set_source(handle, source)
        self._open_handle: Optional[UploadHandle] = handle
        self._last_facts: dict[str, Any] = {}
        self._progress = progress
        self._log = client._log
        self._keys = client._keys

    def run(self) -> Archive:
        """Uploads the source: initiates, or carries on the upload that exists; sends the parts that the service does
        not hold yet, several at once; completes.

        If it fails after the upload is initiated, the upload stays in the vault: call it again to send what is
        missing. On an upload that is completed it sends nothing.

        Raises:
            GlacierError: of any class. UsageError if there is no source, or it is empty or too large for its part
                size; LocalError if it cannot be opened or read, is not a regular file, or changes meanwhile: nothing
                is initiated for a source that cannot be opened. ServiceError with GLACIER_E_NOT_FOUND and an upload_id
                if the service does not know the upload; to upload all of it again, begin without the upload_id. If the
                error is resumable, carry on as described under Upload; doing so without looking at the cause makes
                sense only if it is retryable too.
        """
        self._work(lib.glacier_upload_run)
        return self._archive()

    def initiate(self) -> None:
        """Initiates the upload at the service; upload_id is known then.

        Raises:
            GlacierError: UsageError with GLACIER_E_STATE if it has an ID already.
        """
        self._work(lib.glacier_upload_initiate)

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
            self._work(lib.glacier_upload_put_part, *part, holding=memory)
        else:
            tree_hash = _arguments.tree_hash("checksum", checksum)
            self._work(lib.glacier_upload_put_part_checked, *part, tree_hash, holding=memory)

    def list_parts(self) -> list[Part]:
        """Asks the service for the parts that it holds, in the order of their offsets. Parts on their way are not in
        it.

        Raises:
            GlacierError: UsageError with GLACIER_E_STATE if it is not initiated, or is completed or aborted.
        """
        listed = self._work(lib.glacier_upload_list_parts)
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

        An upload by upload_id needs its source for that: its size is not known otherwise. The answer may take many
        minutes for terabytes.

        Raises:
            GlacierError: IntegrityError with GLACIER_E_INCOMPLETE if parts are missing; ServiceError with
                GLACIER_E_OUTCOME_UNKNOWN if the answer did not come: call it again to learn the outcome.
        """
        self._work(lib.glacier_upload_complete)
        return self._archive()

    def abort(self) -> None:
        """Deletes the upload and its parts at the service; that cannot be undone.

        Raises:
            GlacierError: UsageError with GLACIER_E_STATE if it is completed.
        """
        self._work(lib.glacier_upload_abort)

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
        """Lets the object go, and the memory of its source. The upload in the vault stays as it is.

        Calls at work on it are canceled. Closing twice does nothing; any thread, at any time.
        """
        self.cancel()
        handle = self._open_handle
        if handle is not None:
            self._last_facts = {name: _fact_of(handle, name) for name in _FACTS}
            self._open_handle = None

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

    def _work(self, function: Any, *arguments: Any, holding: Optional[object] = None) -> Any:
        """A working call."""
        handle = self._handle

        try:
            return work(
                function,
                handle,
                *arguments,
                holding=holding,
                progress=self._progress,
                log=self._log,
                keys=self._keys,
            )
        except GlacierError as error:
            error.upload_id = decoded(lib.glacier_upload_id(handle))
            raise

    def _archive(self) -> Archive:
        return Archive(self.archive_id or "", self.archive_location, self.checksum)


# What may be asked of an upload that is closed.
_FACTS = ("state", "vault", "id", "location", "part_size", "archive_id", "archive_location", "tree_hash")


def _fact_of(handle: UploadHandle, name: str) -> Any:
    return getattr(lib, f"glacier_upload_{name}")(handle)


def _set_source(handle: UploadHandle, source: Source) -> None:
    if isinstance(source, (str, os.PathLike)):
        lib.glacier_upload_set_source_file(handle, _arguments.path("source", source))
        return
    memory = _arguments.Memory(source)
    handle.held.append(memory)
    lib.glacier_upload_set_source_memory(handle, memory.address, memory.length)
