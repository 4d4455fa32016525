"""The way to the service."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from types import TracebackType
from typing import Any, Optional

from . import _arguments
from ._calls import Call, ReportProgress
from ._ffi import E_OUTCOME_UNKNOWN, E_STATE, ClientHandle, decoded, error_of, lib
from ._os_errors import paths_named
from .config import Config
from .errors import GlacierError
from .source import Source
from .upload import Archive, Upload


@dataclass(frozen=True)
class UploadInfo:
    """One multipart upload in progress, from Client.list_uploads.

    Attributes:
        upload_id (str): its ID, as Upload takes it.
        archive_description (str or None): the description of the archive.
        created (datetime): when it was initiated, in UTC, to the second.
        part_size (int): its part size in bytes.
    """

    upload_id: str
    archive_description: Optional[str]
    created: datetime
    part_size: int


class Client:
    """The way to the service: endpoint, account, credentials, and the memory limit that its uploads share.

    Any number of threads may use a client at once. For several archives at once make one client, and for each archive
    an Upload that is run on a thread, started, or awaited: a part waits until there is room in the memory limit, first
    come, first served.

    A client is closed by leaving its `with` block, by close(), or with the last reference to it. Uploads made with it
    go on, and may still run; a closed client makes no new ones: UsageError.

    Args:
        config (Config): the settings; without one, those of the environment.

    Raises:
        UsageError: no region is set, a value from the environment is not allowed, or the CA file has no certificate.
        ServiceError: no credentials are set (GLACIER_E_CREDENTIALS).
        LocalError: the CA file cannot be read (GLACIER_E_IO: it is an OSError too).
    """

    def __init__(self, config: Optional[Config] = None) -> None:
        config = config or Config()
        self._text = repr(config)
        self._log = config._log
        self._keys = config._keys
        with paths_named(config._ca_file):
            self._open_handle: Optional[ClientHandle] = lib.glacier_client_new(config._handle)
        # The calls of list_uploads in progress.
        self._listing: set[Call[Any]] = set()

    def upload(
        self,
        vault_name: str,
        source: Source,
        *,
        archive_description: str = "",
        part_size: Optional[int] = None,
        upload_id: Optional[str] = None,
        journal: Optional[_arguments.StrPath] = None,
        archive_size: Optional[int] = None,
        expected_size: Optional[int] = None,
        progress: Optional[ReportProgress] = None,
    ) -> Archive:
        """Uploads a source and returns the archive: Upload(...).run() in one call, with the same parameters. The Upload
        is closed when it returns. It can be stopped by Ctrl-C on the main thread, and by an exception in progress; to
        be able to cancel it from another thread, use Upload.

            archive = client.upload("my-vault", "backup.tar", journal="backup.journal")

        With a journal the same call, after whatever stopped it, and in whichever process, carries on; when all is done
        it gives the archive again. Without one, if it fails with a GlacierError that is resumable, call it again with
        the same source and upload_id=error.upload_id to send what is missing.

        Raises:
            GlacierError: as Upload.run. After GLACIER_E_OUTCOME_UNKNOWN there may be an archive: the same call with its
                journal learns it; without one only an inventory of the vault can tell, though an Upload that is kept
                could have learned it.
            Exception: as Upload.run.
        """
        with Upload(
            self,
            vault_name,
            source,
            archive_description=archive_description,
            part_size=part_size,
            upload_id=upload_id,
            journal=journal,
            archive_size=archive_size,
            expected_size=expected_size,
            progress=progress,
        ) as upload:
            try:
                return upload.run()
            except GlacierError as error:
                # Who attaches to an upload that has become an archive is told that there is no such upload.
                lost = error.code == E_OUTCOME_UNKNOWN and journal is None
                error.resumable = error.resumable and not lost
                raise

    def list_uploads(self, vault_name: str) -> list[UploadInfo]:
        """Lists all multipart uploads in progress in a vault, in no order: at most 50,000.

        An upload that received no part for 24 hours may be missing. Ctrl-C stops the call, and so does cancel().

        Raises:
            StoppedError: cancel() was called.
            UsageError, TransportError, ServiceError (GLACIER_E_NOT_FOUND: the vault), LocalError, InternalError.
        """
        name, handle = _arguments.text("vault_name", vault_name), self._handle
        call = Call(lib.glacier_client_list_uploads, handle, name, log=self._log, keys=self._keys, stoppable=False)
        self._listing.add(call)
        try:
            listed = call.result()
        except BaseException:
            self._stop_listing(call, handle)
            raise
        finally:
            self._listing.discard(call)
        return [
            UploadInfo(
                upload_id=decoded(lib.glacier_uploads_id(listed, index)) or "",
                archive_description=decoded(lib.glacier_uploads_description(listed, index)),
                created=_EPOCH + timedelta(seconds=lib.glacier_uploads_created_unix(listed, index)),
                part_size=lib.glacier_uploads_part_size(listed, index),
            )
            for index in range(lib.glacier_uploads_count(listed))
        ]

    def cancel(self) -> None:
        """Requests that the calls of list_uploads in progress stop, or the next one if there is none: they raise
        StoppedError within a quarter of a second. Uploads are not affected: see Upload.cancel.

        Any thread, at any time, in callbacks and in signal handlers. On a closed client it does nothing.
        """
        handle = self._open_handle
        if handle is not None:
            lib.glacier_client_cancel(handle)

    def _stop_listing(self, call: Call[Any], handle: ClientHandle) -> None:
        """Stops a call of list_uploads that an exception left in progress. If others are in progress, which the library
        would stop too, the call is abandoned."""
        if call.over.done() or self._listing != {call}:
            return
        lib.glacier_client_cancel(handle)
        call.over.wait()
        # If the call ended at the same moment for another reason, the request is pending and would stop the next one.
        # A call that cannot send anything clears it.
        with suppress(GlacierError):
            lib.glacier_client_list_uploads(handle, b"")

    def close(self) -> None:
        """Lets the client go. Calls at work on it go on, and uploads made with it may still run; new ones, and
        list_uploads, raise UsageError. Closing twice does nothing."""
        self._open_handle = None

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<glacier_mp.Client {self._text}{'' if self._open_handle else ', closed'}>"

    @property
    def _handle(self) -> ClientHandle:
        if self._open_handle is None:
            raise error_of(E_STATE, "the client is closed")
        return self._open_handle


_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
