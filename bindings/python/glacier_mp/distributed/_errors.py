"""Exceptions that only uploads from several workers have."""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from .._ffi import E_IO
from ..errors import OS_CLASSES, LocalError, LocalOSError, TransportError


class WorkerSourceError(LocalError):
    """A worker sees another file, or the source changed (GLACIER_E_SOURCE_CHANGED); or the source cannot be read.

    If it cannot be read, the name is GLACIER_E_IO. The exception is then also an OSError of the same built-in subclass
    as the original exception, such as FileNotFoundError or ConnectionResetError, with its errno, strerror and filename:
    see LocalError.

    The call created no archive, unless it determined the outcome of an earlier Complete.

    Attributes:
        worker (str): the address of the worker, such as "tcp://10.0.0.7:41234"; empty if the error is of no
            single worker.
    """

    def __init__(self, message: str, *, worker: str = "", **details: Any) -> None:
        super().__init__(message, **{"code": 103, "name": "GLACIER_E_SOURCE_CHANGED", **details})
        self.worker = worker


class WorkerSourceOSError(WorkerSourceError, LocalOSError):
    """The source cannot be read (GLACIER_E_IO). It has one subclass for each built-in subclass of OSError."""


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
        found = _class_for(error)(message, worker=worker, code=E_IO, name="GLACIER_E_IO")
        found.errno, found.strerror, found.filename = error.errno, error.strerror, error.filename
        raise found from error


def _class_for(error: OSError) -> type[WorkerSourceOSError]:
    """Returns the class for the built-in subclass of OSError that the error is of, or else for the one of its errno."""
    # The constructor of OSError selects the subclass for errno. The constructor of a derived class does not.
    for kind in (*type(error).__mro__, type(OSError(error.errno, ""))):
        if kind in _OS_CLASSES:
            return _OS_CLASSES[kind]
    return WorkerSourceOSError


def _create_class(kind: type[OSError]) -> type[WorkerSourceOSError]:
    """Creates the subclass of WorkerSourceOSError for a subclass of OSError."""
    name = f"WorkerSource{kind.__name__}"
    content = {"__module__": __name__, "__doc__": f"The source cannot be read: {kind.__name__}."}
    created = type(name, (WorkerSourceOSError, OS_CLASSES.get(kind, kind)), content)
    # pickle finds a class by its name in the module.
    globals()[name] = created
    return cast("type[WorkerSourceOSError]", created)


_OS_CLASSES: dict[type, type[WorkerSourceOSError]] = {
    kind: _create_class(kind)
    for kind in vars(builtins).values()
    if isinstance(kind, type) and issubclass(kind, OSError) and kind is not OSError
}


class WorkerLostError(TransportError):
    """The workers that sent a range were lost more often than max_losses allows (GLACIER_E_NETWORK).

    The upload is in the vault and can be resumed: call upload() again with the same journal, or with upload_id.
    """

    def __init__(self, message: str, **details: Any) -> None:
        defaults = {"code": 200, "name": "GLACIER_E_NETWORK", "retryable": True, "resumable": True}
        super().__init__(message, **{**defaults, **details})
