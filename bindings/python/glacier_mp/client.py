"""Clients: connections to the service."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from types import TracebackType
from typing import Any, Optional

from . import _arguments
from ._calls import Call, ReportProgress
from ._ffi import E_OUTCOME_UNKNOWN, E_STATE, ClientHandle, NotCopyable, decoded, error_of, lib
from ._os_errors import os_errors_for
from .archive import Archive
from .config import Config
from .errors import GlacierError
from .source import Source
from .upload import Upload


@dataclass(frozen=True)
class UploadInfo:
    """A multipart upload in progress, from Client.list_uploads.

    Attributes:
        upload_id (str): the upload ID, for Upload's upload_id.
        archive_description (str or None): the archive description.
        created (datetime): the time at which the upload was initiated, in UTC, in whole seconds.
        part_size (int): the part size in bytes.
    """

    upload_id: str
    archive_description: Optional[str]
    created: datetime
    part_size: int


class Client(NotCopyable):
    """A client: the endpoint, account and credentials of requests, and the memory and bandwidth limits of its uploads.

    Any number of threads may use a client at once. To upload several archives in parallel, create one client and one
    Upload for each archive, and call each Upload's run() on its own thread, start() or run_async(). The uploads share
    the memory limit: parts wait for free memory in FIFO order.

    Leaving the ``with`` block, close() or dropping the last reference closes the client. Its uploads continue and can
    still be run. A closed client cannot create uploads.

    Args:
        config (Config): the settings. Default: Config(), the settings from the environment and a profile.

    Raises:
        UsageError: no region is set, the profile does not exist, a file cannot be parsed, a value from the environment
            or the profile is invalid, or the CA file has no certificate.
        ServiceError: the source of the keys is incomplete, such as one half of a key, or needs MFA
            (GLACIER_E_CREDENTIALS). If no keys are set, the first request raises it, not the constructor.
        LocalError: the CA file or an AWS file cannot be read (GLACIER_E_IO, which is also an OSError).
    """

    def __init__(self, config: Optional[Config] = None) -> None:
        config = config or Config()
        self._config_repr = repr(config)
        self._log = config._log
        self._get_credentials = config._get_credentials
        # ca_bundle in the profile names another file.
        with os_errors_for(*config._files, has_other_paths=True):
            self._open_handle: Optional[ClientHandle] = lib.glacier_client_new(config._handle)
        # The list_uploads calls in progress.
        self._list_calls: set[Call[Any]] = set()

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
        """Uploads a source and returns the archive. It is Upload(...).run() in one call, with the same parameters. ::

            archive = client.upload("my-vault", "backup.tar", journal="backup.journal")

        Ctrl-C on the main thread or an exception in a callback stops it. To cancel from another thread, use Upload.

        To resume with a journal, make the same call again, in this process or another. If the archive exists already,
        the call returns it. To resume without a journal after a GlacierError with ``resumable``, call with the same
        source and upload_id=error.upload_id.

        Raises:
            GlacierError: see Upload.run. After GLACIER_E_OUTCOME_UNKNOWN the archive may exist. With a journal, the
                same call determines the outcome. Without one, only an inventory of the vault does; an Upload object
                that still exists can determine it too.
            Exception: see Upload.run. If the archive exists already, the exception has it in the attribute ``archive``.
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
                # An upload ID that has become an archive is unknown to the service, so attaching to it cannot succeed.
                lost = error.code == E_OUTCOME_UNKNOWN and journal is None
                error.resumable = error.resumable and not lost
                raise

    def list_uploads(self, vault_name: str) -> list[UploadInfo]:
        """Lists all multipart uploads in progress in a vault, in no particular order, at most 50,000.

        Uploads that received no part for 24 hours may be missing. Ctrl-C and cancel() stop the call.

        Raises:
            StoppedError: cancel() was called.
            ServiceError: GLACIER_E_NOT_FOUND if the vault does not exist; other errors of the service.
            UsageError, TransportError, LocalError, InternalError: see these classes.
        """
        name, handle = _arguments.text("vault_name", vault_name), self._handle
        call = Call(
            lib.glacier_client_list_uploads,
            handle,
            name,
            log=self._log,
            get_credentials=self._get_credentials,
            stoppable=False,
        )
        self._list_calls.add(call)
        try:
            uploads = call.result()
        except BaseException:
            self._stop_list_call(call, handle)
            raise
        finally:
            self._list_calls.discard(call)
        return [
            UploadInfo(
                upload_id=decoded(lib.glacier_uploads_id(uploads, index)) or "",
                archive_description=decoded(lib.glacier_uploads_description(uploads, index)),
                created=_EPOCH + timedelta(seconds=lib.glacier_uploads_created_unix(uploads, index)),
                part_size=lib.glacier_uploads_part_size(uploads, index),
            )
            for index in range(lib.glacier_uploads_count(uploads))
        ]

    def cancel(self) -> None:
        """Cancels the list_uploads calls in progress, or the next one if there is none.

        They raise StoppedError within 250 ms. Uploads are not affected: see Upload.cancel. Any thread may call this at
        any time, also in callbacks and signal handlers. On a closed client it does nothing.
        """
        handle = self._open_handle
        if handle is not None:
            lib.glacier_client_cancel(handle)

    def _stop_list_call(self, call: Call[Any], handle: ClientHandle) -> None:
        """Stops a list_uploads call that an exception left in progress.

        If other such calls are in progress, the call is abandoned, because a cancel would stop the others too.
        """
        if call.done.is_set() or self._list_calls != {call}:
            return
        lib.glacier_client_cancel(handle)
        call.done.wait()
        # If the call ended for another reason meanwhile, the cancel request is pending and would stop the next call.
        # A call with an invalid vault name sends nothing and clears the request.
        with suppress(GlacierError):
            lib.glacier_client_list_uploads(handle, b"")

    def close(self) -> None:
        """Closes the client. Calls in progress continue, and its uploads can still be run.

        list_uploads and new uploads then raise UsageError. A second call does nothing.
        """
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
        return f"<glacier_mp.Client {self._config_repr}{'' if self._open_handle else ', closed'}>"

    @property
    def _handle(self) -> ClientHandle:
        if self._open_handle is None:
            raise error_of(E_STATE, "the client is closed")
        return self._open_handle


_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
