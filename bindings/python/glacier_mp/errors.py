"""Exceptions: a base class, and one subclass for each origin of a failure."""

from __future__ import annotations

from typing import Any, Optional


class GlacierError(Exception):
    """The base class of all exceptions of this package. The message states what failed, the value and the rule.

    The class of an exception gives its origin: UsageError, LocalError, TransportError, ServiceError, IntegrityError,
    StoppedError or InternalError. A result of a newer library that this version does not know is a plain GlacierError.
    No message contains a secret key or a token. Exceptions can be pickled and copied.

    Attributes:
        code (int): the result code, such as 304. Later versions may add codes. Codes are never reused.
        name (str): the name of the result code, such as "GLACIER_E_NOT_FOUND".
        message (str): the message.
        operation (str or None): the service's operation that failed, such as "UploadMultipartPart".
        http_status (int or None): the HTTP status of the response, or of a proxy that opened no connection; None if
            there was none.
        service_code (str or None): the service's error code, such as "ResourceNotFoundException".
        request_id (str or None): the service's ID of the failed request. AWS Support asks for it.
        retryable (bool): whether the failure is transient, so that the same call may succeed later. The library has
            already retried the request (see max_attempts of Config).
        resumable (bool): whether the upload is in the vault, as far as is known, and can be resumed: run the same
            Upload again or, always for a stream, another one with the same source and the journal or this upload_id.
        upload_id (str or None): the upload ID, if the upload was initiated or attached. The service may no longer know
            it.
    """

    def __init__(
        self,
        message: str,
        *,
        code: int = 901,
        name: str = "GLACIER_E_INTERNAL",
        operation: Optional[str] = None,
        http_status: Optional[int] = None,
        service_code: Optional[str] = None,
        request_id: Optional[str] = None,
        retryable: bool = False,
        resumable: bool = False,
        upload_id: Optional[str] = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.name = name
        self.operation = operation
        self.http_status = http_status
        self.service_code = service_code
        self.request_id = request_id
        self.retryable = retryable
        self.resumable = resumable
        self.upload_id = upload_id


class UsageError(GlacierError):
    """A value or a call is not allowed (codes 1 to 99). Nothing was changed at the service.

    - GLACIER_E_NULL
    - GLACIER_E_INVALID: a value is not allowed
    - GLACIER_E_STATE: the call is not allowed in this state
    - GLACIER_E_BUSY: another call is using the object
    - GLACIER_E_PENDING
    - GLACIER_E_FORKED: the parent process created the object before a fork
    """


class LocalError(GlacierError):
    """A failure on this machine (codes 100 to 199).

    - GLACIER_E_IO: a file operation failed. The exception is also an OSError, see below
    - GLACIER_E_MEMORY: out of memory or another system resource
    - GLACIER_E_SOURCE_SHORT: the source ended before archive_size, or before the length that it declares
    - GLACIER_E_SOURCE_CHANGED: the source changed during the upload, differs from the source with which the upload was
      started, or continues after archive_size
    - GLACIER_E_JOURNAL: the file is damaged, belongs to another upload, or is not a journal. It was not changed
    - GLACIER_E_LOCKED: another Upload or process is using the journal

    A LocalError with GLACIER_E_IO is also an OSError of the subclass for its errno: FileNotFoundError, PermissionError,
    IsADirectoryError and so on. Both ``except LocalError`` and ``except FileNotFoundError`` catch it. Only
    then it has these attributes:

    - errno (int or None): the error number of the operating system; None if no system call failed, for example if the
      source is a FIFO
    - strerror (str or None): the operating system's text for errno
    - filename (str or None): the path of the source, the journal or the ca_file, as given by the program, or of the
      file that an environment variable names; None for a file that a profile names
    """


class TransportError(GlacierError):
    """A failure of the connection to the service after the last attempt (codes 200 to 299). It is not an OSError.

    - GLACIER_E_NETWORK
    - GLACIER_E_TLS
    - GLACIER_E_TIMEOUT
    - GLACIER_E_PROTOCOL: the response is not a response of Glacier
    """


class ServiceError(GlacierError):
    """An error response of the service (codes 300 to 399): see service_code, http_status and request_id.

    - GLACIER_E_SERVICE
    - GLACIER_E_ACCESS: the credentials lack permission, or do not belong to this account
    - GLACIER_E_CREDENTIALS: the credentials are missing, invalid or expired, or this machine's clock is wrong and could
      not be corrected
    - GLACIER_E_THROTTLED
    - GLACIER_E_NOT_FOUND: the vault does not exist; or the upload does not: it was completed, aborted or removed.
      Look for the archive in an inventory of the vault before you upload it again
    - GLACIER_E_LIMIT
    - GLACIER_E_NO_LONGER_SUPPORTED
    - GLACIER_E_OUTCOME_UNKNOWN: Complete was sent, but its outcome is unknown. If ``resumable``, the same Upload, or
      another one with its journal, determines the outcome when it runs or completes again. Otherwise look for the
      archive in an inventory of the vault before you upload it again
    """


class IntegrityError(GlacierError):
    """An integrity failure (codes 400 to 499).

    - GLACIER_E_TREE_HASH: a tree hash differs
    - GLACIER_E_INCOMPLETE: parts are missing
    """


class StoppedError(GlacierError):
    """A call that was stopped on request (codes 500 to 599).

    - GLACIER_E_CANCELED: by Upload.cancel or Client.cancel
    - GLACIER_E_CALLBACK: by an exception on another thread, in a callback of the same upload or in the client's
      ``credentials`` callable; or by abort(), for an upload that was started in the background
    """


class InternalError(GlacierError):
    """A defect in the library (codes 900 to 999): GLACIER_E_PANIC, GLACIER_E_INTERNAL. Please report it."""


class LocalOSError(LocalError, OSError):
    """A LocalError with GLACIER_E_IO. It has one subclass for each subclass of OSError that can occur."""

    def __str__(self) -> str:
        # OSError.__str__ would use errno, strerror and filename.
        return self.message

    def __reduce__(self) -> tuple[Any, ...]:
        # OSError does not store these in __dict__.
        state = {**self.__dict__, "errno": self.errno, "strerror": self.strerror, "filename": self.filename}
        return type(self), (self.message,), state

    def __setstate__(self, state: Optional[dict[str, Any]]) -> None:
        # That of PyPy stores all of it in __dict__.
        for name, value in (state or {}).items():
            setattr(self, name, value)


class LocalFileNotFoundError(LocalOSError, FileNotFoundError):
    """A file, or a directory of its path, does not exist."""


class LocalFileExistsError(LocalOSError, FileExistsError):
    """A file already exists."""


class LocalPermissionError(LocalOSError, PermissionError):
    """The process lacks permission for a file."""


class LocalIsADirectoryError(LocalOSError, IsADirectoryError):
    """A path is a directory, not a file."""


class LocalNotADirectoryError(LocalOSError, NotADirectoryError):
    """A component of a path is not a directory."""


class LocalBlockingIOError(LocalOSError, BlockingIOError):
    """A file operation would block."""


class LocalTimeoutError(LocalOSError, TimeoutError):
    """A file operation timed out (network file systems)."""


def class_of(code: int) -> type[GlacierError]:
    """Returns the exception class for a result code."""
    return _CLASSES.get(code // 100, GlacierError)


def os_error(error: GlacierError, errno: Optional[int], strerror: Optional[str], filename: Optional[str]) -> LocalError:
    """Returns a copy of the error that is also an OSError of the subclass for `errno`."""
    # The constructor of OSError selects the subclass for errno.
    kind = type(OSError(errno, strerror))
    copy = OS_CLASSES.get(kind, LocalOSError)(error.message)
    copy.__dict__.update(error.__dict__)
    copy.errno, copy.strerror, copy.filename = errno, strerror, filename
    return copy


_CLASSES = {
    0: UsageError,
    1: LocalError,
    2: TransportError,
    3: ServiceError,
    4: IntegrityError,
    5: StoppedError,
    9: InternalError,
}

OS_CLASSES: dict[type[OSError], type[LocalOSError]] = {
    FileNotFoundError: LocalFileNotFoundError,
    FileExistsError: LocalFileExistsError,
    PermissionError: LocalPermissionError,
    IsADirectoryError: LocalIsADirectoryError,
    NotADirectoryError: LocalNotADirectoryError,
    BlockingIOError: LocalBlockingIOError,
    TimeoutError: LocalTimeoutError,
}
