"""How far an upload, or the hashing of a file, is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional

_UNKNOWN = (1 << 64) - 1


@dataclass(frozen=True)
class Progress:
    """How far an upload, or the hashing of a file, is, at one moment.

    The counts only grow, also when an upload is run again with the same Upload, but for parts_in_flight and workers,
    which go up and down. Later versions add fields.

    Attributes:
        bytes_total (int or None): the bytes of the whole archive; None until the source is open and the service was
            asked about an upload that exists already.
        bytes_done (int): the bytes in parts that the service acknowledged to this Upload. (bytes_done + bytes_resumed)
            of bytes_total is what is done; both grow by whole parts.
        bytes_resumed (int): the bytes in parts that the service held before.
        bytes_hashed (int): the bytes hashed; a part that is read again counts again.
        bytes_sent (int): the bytes of parts that went out on the wire, those of repeated attempts too: it moves
            steadily where bytes_done jumps, and may end above bytes_total.
        parts_total (int or None): the parts of the whole archive; None while unknown.
        parts_done (int): the parts that the service holds, those it held before included.
        parts_in_flight (int): the parts being sent at this moment.
        retries (int): the failed attempts after which another one follows, of all requests.
        workers (int): the most parts that may be in flight at this moment: as many as were set, or fewer when the
            service pushes back or the line is slow. While memory is short, fewer are.
        elapsed (float): seconds since the first call that moved data began.
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
    """From glacier_progress_t."""
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
