"""The exceptions of this package: one class for each origin of a failure, all derived from GlacierError."""

from __future__ import annotations

from typing import Any, Optional


class GlacierError(Exception):
    """A failure of this package. The text says what failed, with which value, and where it helps, what to do.

    What is raised is of the class that names the origin: UsageError, LocalError, TransportError, ServiceError,
    IntegrityError, StoppedError or InternalError. A result that this version of the package does not know, from a
    newer library, is a plain GlacierError. None of the texts contains a secret key or a token. The errors can be
    pickled and copied.

    Attributes:
        code (int): the number of the result, such as 304. Later versions add numbers and never reuse one.
        name (str): the name of the result, such as "GLACIER_E_NOT_FOUND".
        message (str): the text.
        operation (str or None): the service's operation that failed, such as "UploadMultipartPart".
        http_status (int or None): the HTTP status of the service's response, if there was one.
        service_code (str or None): the service's own error code, such as "ResourceNotFoundException".
        request_id (str or None): the service's ID of the failed request, which AWS support asks for.
        retryable (bool): whether the failure is transient, so that the same call may succeed later. The library has
            already repeated the request, as Config's max_attempts says.
        resumable (bool): whether, as far as is known, the upload is in the vault and can be resumed: by running
            the same Upload again, or another with its journal, or this upload_id, and the same source.
        upload_id (str or None): the ID of the upload that the call was about, once it has one, also if the service
            no longer knows it.
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
    """A value or a call is not allowed (1 to 99); nothing was changed at the service.

    GLACIER_E_NULL, GLACIER_E_INVALID, GLACIER_E_STATE (not in this order), GLACIER_E_BUSY (the object is in use by
    another call), GLACIER_E_PENDING, GLACIER_E_FORKED (the object was created before a fork, by the parent).
    """


class LocalError(GlacierError):
    """A failure of this machine: its files, its memory (100 to 199).

    GLACIER_E_IO (it is an OSError as well, see below), GLACIER_E_MEMORY, GLACIER_E_SOURCE_SHORT (the source ended
    before its archive_size, or before the length that it declares itself), GLACIER_E_SOURCE_CHANGED (it changed during
    the upload, differs from the source that the upload was begun with, or continues after its archive_size),
    GLACIER_E_JOURNAL (the file is damaged, belongs to another upload, or is no journal, and was not changed),
    GLACIER_E_LOCKED (the journal is in use by another Upload or process).

    A LocalError with GLACIER_E_IO is an OSError too, of the class that Python has for its errno: FileNotFoundError,
    PermissionError, IsADirectoryError and so on. Both `except LocalError` and `except FileNotFoundError` catch it.

        errno (int or None): the error number of the system; None if no system call failed, as for a source that is a
            FIFO.
        strerror (str or None): the system's text for it.
        filename (str or None): the path that the program gave: of the source, the journal, or the ca_file.
    """


class TransportError(GlacierError):
    """A failure of the connection to the service (200 to 299), after the last attempt. It is not an OSError.

    GLACIER_E_NETWORK, GLACIER_E_TLS, GLACIER_E_TIMEOUT, GLACIER_E_PROTOCOL (the response is not Glacier's).
    """


class ServiceError(GlacierError):
    """An error response of the service (300 to 399): see service_code, http_status and request_id.

    GLACIER_E_SERVICE, GLACIER_E_ACCESS, GLACIER_E_CREDENTIALS, GLACIER_E_THROTTLED, GLACIER_E_NOT_FOUND (the vault,
    or the upload, which was completed or aborted, has expired, or never existed), GLACIER_E_LIMIT,
    GLACIER_E_NO_LONGER_SUPPORTED, GLACIER_E_OUTCOME_UNKNOWN (Complete was sent, and its outcome is not known: if
    resumable, the same Upload, or another with its journal, learns it by running or completing again; otherwise only an
    inventory of the vault shows it, and nothing should be uploaded again before).
    """


class IntegrityError(GlacierError):
    """A failure of the data (400 to 499): GLACIER_E_TREE_HASH (a hash differs), GLACIER_E_INCOMPLETE (parts are
    missing)."""


class StoppedError(GlacierError):
    """A stop on request (500 to 599): GLACIER_E_CANCELED, by Upload.cancel or Client.cancel; GLACIER_E_CALLBACK,
    because another thread's call was stopped by an exception, in a callback of the same upload or in the callable that
    gives the keys of the client, or because the upload was started, and abort stopped it."""


class InternalError(GlacierError):
    """A defect in the library (900 to 999), caught: please report it. GLACIER_E_PANIC, GLACIER_E_INTERNAL."""


class LocalOSError(LocalError, OSError):
    """A LocalError with GLACIER_E_IO. The classes derived from it are those of OSError."""

    def __str__(self) -> str:
        # OSError would make a text of errno, strerror and filename.
        return self.message

    def __reduce__(self) -> tuple[Any, ...]:
        # OSError keeps these three outside of __dict__.
        state = {**self.__dict__, "errno": self.errno, "strerror": self.strerror, "filename": self.filename}
        return type(self), (self.message,), state


class LocalFileNotFoundError(LocalOSError, FileNotFoundError):
    """A file, or a directory of its path, does not exist."""


class LocalFileExistsError(LocalOSError, FileExistsError):
    """A file exists already."""


class LocalPermissionError(LocalOSError, PermissionError):
    """The process has no permission for a file."""


class LocalIsADirectoryError(LocalOSError, IsADirectoryError):
    """A directory is given where a file is needed."""


class LocalNotADirectoryError(LocalOSError, NotADirectoryError):
    """A path leads through a file that is not a directory."""


class LocalBlockingIOError(LocalOSError, BlockingIOError):
    """A file operation would have to wait."""


class LocalTimeoutError(LocalOSError, TimeoutError):
    """A file operation timed out, on a network file system."""


def class_of(code: int) -> type[GlacierError]:
    """Returns the class for the number of a result."""
    return _CLASSES.get(code // 100, GlacierError)


def os_error(error: GlacierError, errno: Optional[int], strerror: Optional[str], filename: Optional[str]) -> LocalError:
    """Returns the same error as one that is an OSError of the class for `errno`."""
    # OSError itself chooses the class by errno.
    kind = type(OSError(errno, strerror))
    made = _OS_CLASSES.get(kind, LocalOSError)(error.message)
    made.__dict__.update(error.__dict__)
    made.errno, made.strerror, made.filename = errno, strerror, filename
    return made


_CLASSES = {
    0: UsageError,
    1: LocalError,
    2: TransportError,
    3: ServiceError,
    4: IntegrityError,
    5: StoppedError,
    9: InternalError,
}

_OS_CLASSES: dict[type[OSError], type[LocalOSError]] = {
    FileNotFoundError: LocalFileNotFoundError,
    FileExistsError: LocalFileExistsError,
    PermissionError: LocalPermissionError,
    IsADirectoryError: LocalIsADirectoryError,
    NotADirectoryError: LocalNotADirectoryError,
    BlockingIOError: LocalBlockingIOError,
    TimeoutError: LocalTimeoutError,
}
