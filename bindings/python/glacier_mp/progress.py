"""Progress of an upload, or of the hashing of a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional

_UNKNOWN = (1 << 64) - 1


@dataclass(frozen=True)
class Progress:
    """A snapshot of the progress of an upload, or of the hashing of a file.

    Counters never decrease, also if the same Upload runs again. The totals change once, from None to a number. Only
    parts_in_flight and workers go up and down. Later versions may add fields.

    Attributes:
        bytes_total (int or None): the archive size in bytes; None until the source is open and, for an existing upload,
            the service has reported the parts.
        bytes_done (int): the bytes in parts that the service acknowledged to this Upload. It grows by whole parts.
            (bytes_done + bytes_resumed) / bytes_total is the fraction that is stored.
        bytes_resumed (int): the bytes in parts that were already stored when the upload was resumed.
        bytes_hashed (int): the bytes hashed. A part that is read again counts again.
        bytes_sent (int): the bytes of parts written to connections, including repeated attempts. It grows steadily, and
            its final value may exceed bytes_total. For a smooth display, show min(bytes_total, bytes_resumed +
            bytes_sent), an estimate.
        parts_total (int or None): the number of parts of the archive; None until it is known.
        parts_done (int): the number of stored parts, including those stored before a resume.
        parts_in_flight (int): the number of parts being sent.
        retries (int): the number of failed attempts that are followed by another one, of all requests.
        workers (int): the maximum number of parts in flight at this moment. It is Config's concurrency, reduced by
            throttling or a slow connection. A shortage of memory can keep parts_in_flight lower.
        elapsed (float): the time in seconds since the start of the first working call that moved data.
    """

    bytes_total: Optional[int]
    bytes_done: int
    bytes_resumed: int
    bytes_hashed: int
    bytes_sent: int
    parts_total: Optional[int]
    parts_done: int
    parts_in_flight: int
    retries: int
    workers: int
    elapsed: float


def progress_of(raw: Any) -> Progress:
    """Returns the Progress for a glacier_progress_t."""
    return Progress(
        bytes_total=_known(raw.bytes_total),
        bytes_done=raw.bytes_done,
        bytes_resumed=raw.bytes_resumed,
        bytes_hashed=raw.bytes_hashed,
        bytes_sent=raw.bytes_sent,
        parts_total=_known(raw.parts_total),
        parts_done=raw.parts_done,
        parts_in_flight=raw.parts_in_flight,
        retries=raw.retries,
        workers=raw.workers,
        elapsed=raw.elapsed_ms / 1000,
    )


def _known(count: int) -> Optional[int]:
    return None if count == _UNKNOWN else count
