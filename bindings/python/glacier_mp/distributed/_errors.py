"""Exceptions that only uploads from several workers have."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .._ffi import E_IO
from ..errors import (
    LocalError,
    LocalFileNotFoundError,
    LocalIsADirectoryError,
    LocalNotADirectoryError,
    LocalOSError,
    LocalPermissionError,
    TransportError,
)


class WorkerSourceError(LocalError):
    """A worker sees another file, or the source changed (GLACIER_E_SOURCE_CHANGED); or the source cannot be read.

    If it cannot be read, the name is GLACIER_E_IO. The exception is then also an OSError of the subclass for its errno,
    such as FileNotFoundError, with errno, strerror and filename: see LocalError.

    The call created no archive, unless it determined the outcome of an earlier Complete.

    Attributes:
        worker (str): the address of the worker, such as "tcp://10.0.0.7:41234"; empty if the error is of no
            single worker.
    """

    def __init__(self, message: str, *, worker: str = "", **details: Any) -> None:
        super().__init__(message, **{"code": 103, "name": "GLACIER_E_SOURCE_CHANGED", **details})
        self.worker = worker


class WorkerSourceOSError(WorkerSourceError, LocalOSError):
    """The source cannot be read (GLACIER_E_IO)."""


class WorkerSourceNotFoundError(WorkerSourceOSError, LocalFileNotFoundError):
    """The source, or a directory of its path, does not exist."""


class WorkerSourcePermissionError(WorkerSourceOSError, LocalPermissionError):
    """A process lacks permission for the source."""


class WorkerSourceIsADirectoryError(WorkerSourceOSError, LocalIsADirectoryError):
    """The source is a directory, not a file."""


class WorkerSourceNotADirectoryError(WorkerSourceOSError, LocalNotADirectoryError):
    """A component of the path is not a directory."""


class SourceChangedError(OSError):
    """A range of the source is of another version than the earlier ones."""


@contextmanager
def source_errors(where: str, worker: str = "") -> Iterator[None]:
    """Converts errors of reading the source to WorkerSourceError. They name the process.

    Args:
        where (str): the process, for the message.
        worker (str): the address of the worker; empty for the process that calls upload().
    """
    try:
        yield
    except (SourceChangedError, EOFError) as error:
        raise WorkerSourceError(f"{where} cannot read the source: {error}", worker=worker) from error
    except OSError as error:
        message = f"{where} cannot read the source: {error}"
        # The constructor of OSError selects the subclass for errno.
        kind = _OS_CLASSES.get(type(OSError(error.errno, "")), WorkerSourceOSError)
        found = kind(message, worker=worker, code=E_IO, name="GLACIER_E_IO")
        found.errno, found.strerror, found.filename = error.errno, error.strerror, error.filename
        raise found from error


_OS_CLASSES: dict[type[OSError], type[WorkerSourceOSError]] = {
    FileNotFoundError: WorkerSourceNotFoundError,
    PermissionError: WorkerSourcePermissionError,
    IsADirectoryError: WorkerSourceIsADirectoryError,
    NotADirectoryError: WorkerSourceNotADirectoryError,
}


class WorkerLostError(TransportError):
    """The workers that sent a range were lost more often than max_losses allows (GLACIER_E_NETWORK).

    The upload is in the vault and can be resumed: call upload() again with the same journal, or with upload_id.
    """

    def __init__(self, message: str, **details: Any) -> None:
        defaults = {"code": 200, "name": "GLACIER_E_NETWORK", "retryable": True, "resumable": True}
        super().__init__(message, **{**defaults, **details})
