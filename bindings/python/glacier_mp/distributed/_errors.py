"""Exceptions that only uploads from several workers have."""

from __future__ import annotations

from typing import Any

from ..errors import LocalError, TransportError


class WorkerSourceError(LocalError):
    """A worker cannot read the source or sees another file, or the source changed (GLACIER_E_SOURCE_CHANGED).

    The call created no archive, unless it determined the outcome of an earlier Complete.

    Attributes:
        worker (str): the address of the worker, such as "tcp://10.0.0.7:41234"; empty if the error is of no
            single worker.
    """

    def __init__(self, message: str, *, worker: str = "", **details: Any) -> None:
        super().__init__(message, **{"code": 103, "name": "GLACIER_E_SOURCE_CHANGED", **details})
        self.worker = worker


class WorkerLostError(TransportError):
    """The workers that sent a range were lost more often than max_losses allows (GLACIER_E_NETWORK).

    The upload is in the vault and can be resumed: call upload() again with the same journal, or with upload_id.
    """

    def __init__(self, message: str, **details: Any) -> None:
        defaults = {"code": 200, "name": "GLACIER_E_NETWORK", "retryable": True, "resumable": True}
        super().__init__(message, **{**defaults, **details})
