"""The exceptions of this package: one class for each origin of a failure, all of them a GlacierError."""

from __future__ import annotations

from typing import Optional


class GlacierError(Exception):
    """Something that this package was asked for failed; the text says what, to what, and where it helps, what to do.

    What is raised is of the class that tells the origin: UsageError, LocalError, TransportError, ServiceError,
    IntegrityError, StoppedError or InternalError. A result that this version of the package does not know, from a
    newer library, is a plain GlacierError. Secret keys and tokens are in none of its texts.

    Attributes:
        code (int): the number of the result, such as 304. Later versions add numbers and never reuse one.
        name (str): the name of the result, such as "GLACIER_E_NOT_FOUND".
        message (str): the text.
        operation (str or None): the service's operation that failed, such as "UploadMultipartPart".
        http_status (int or None): the HTTP status of the service's answer, if there was one.
        service_code (str or None): the service's own error code, such as "ResourceNotFoundException".
        request_id (str or None): the service's ID of the failed request, which AWS support asks for.
        retryable (bool): whether what failed can pass by itself, so that the same call may succeed later. The
            library has repeated the request already, as Config's max_attempts says.
        resumable (bool): whether, as far as is known, the upload is in the vault and can be carried on: by running
            the same Upload again, or another with its journal, or this upload_id, and the same source.
        upload_id (str or None): the ID of the upload that the call was about, once it has one, also if the service
            does not know it any more.
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

    GLACIER_E_NULL, GLACIER_E_INVALID, GLACIER_E_STATE (not in this order), GLACIER_E_BUSY (another call works with
    the object), GLACIER_E_PENDING, GLACIER_E_FORKED (the object was made before a fork, by the parent).
    """


class LocalError(GlacierError):
    """This machine: its files, its memory (100 to 199).

    GLACIER_E_IO, GLACIER_E_MEMORY, GLACIER_E_SOURCE_SHORT (the source ended before its archive_size),
    GLACIER_E_SOURCE_CHANGED (it changed during the upload, is not what the upload was begun with, or goes on behind
    its archive_size), GLACIER_E_JOURNAL (the file is damaged, of another upload, or no journal, and was not changed),
    GLACIER_E_LOCKED (another Upload or process works with the journal).
    """


class TransportError(GlacierError):
    """The way to the service (200 to 299), after the attempts were used up.

    GLACIER_E_NETWORK, GLACIER_E_TLS, GLACIER_E_TIMEOUT, GLACIER_E_PROTOCOL (the answer is not Glacier's).
    """


class ServiceError(GlacierError):
    """The service refused (300 to 399): see service_code, http_status and request_id.

    GLACIER_E_SERVICE, GLACIER_E_ACCESS, GLACIER_E_CREDENTIALS, GLACIER_E_THROTTLED, GLACIER_E_NOT_FOUND (the vault,
    or the upload, which was completed or aborted, has expired, or never was), GLACIER_E_LIMIT,
    GLACIER_E_NO_LONGER_SUPPORTED, GLACIER_E_OUTCOME_UNKNOWN (Complete was sent, and whether it was carried out is not
    known: if resumable, the same Upload, or another with its journal, learns it by running or completing again; else
    only an inventory of the vault can tell, and nothing should be uploaded again before looking there).
    """


class IntegrityError(GlacierError):
    """The data (400 to 499): GLACIER_E_TREE_HASH (a hash differs), GLACIER_E_INCOMPLETE (parts are missing)."""


class StoppedError(GlacierError):
    """Stopped on request (500 to 599): GLACIER_E_CANCELED, by Upload.cancel or Client.cancel; GLACIER_E_CALLBACK, because another
    thread's call was stopped by an exception, in a callback of the same upload or in the callable that gives the keys
    of the client, or because the upload was started, and abort stopped it."""


class InternalError(GlacierError):
    """A defect in the library (900 to 999), caught: please report it. GLACIER_E_PANIC, GLACIER_E_INTERNAL."""


def class_of(code: int) -> type[GlacierError]:
    """The class for the number of a result."""
    return _CLASSES.get(code // 100, GlacierError)


_CLASSES = {
    0: UsageError,
    1: LocalError,
    2: TransportError,
    3: ServiceError,
    4: IntegrityError,
    5: StoppedError,
    9: InternalError,
}
