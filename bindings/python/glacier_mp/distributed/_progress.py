"""The progress of an upload from several workers."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class DistributedProgress:
    """A snapshot of the progress over all workers. Later versions may add fields.

    Attributes:
        bytes_total (int): the archive size in bytes.
        bytes_stored (int): the bytes in stored parts, as far as the workers have reported them. It never decreases and
            reaches bytes_total.
        bytes_sent (int): the bytes of parts sent on the wire. Parts that were sent twice count twice.
        ranges_total (int): the number of ranges, each one task.
        ranges_done (int): the number of ranges whose parts are all stored.
        ranges_restarted (int): how often a range was started again, because its worker was lost or retired.
        workers (int): the number of workers that are sending parts.
        elapsed (float): the time since the start of upload() in seconds.
    """

    bytes_total: int
    bytes_stored: int
    bytes_sent: int
    ranges_total: int
    ranges_done: int
    ranges_restarted: int
    workers: int
    elapsed: float


class Totals:
    """Adds up the reports of the workers. Any thread may use it."""

    def __init__(self, bytes_total: int, range_sizes: dict[int, int]) -> None:
        self._lock = threading.Lock()
        self._start = time.monotonic()
        self._bytes_total = bytes_total
        self._range_sizes = range_sizes
        self._stored = dict.fromkeys(range_sizes, 0)
        # By range: the attempt that started last, and its worker.
        self._running: dict[int, tuple[str, str]] = {}
        # By attempt.
        self._sent: dict[str, int] = {}
        self._done: set[int] = set()

    def add(self, report: dict[str, Any]) -> None:
        """Takes the report of one attempt at a range."""
        with self._lock:
            first, attempt = report["first"], report["attempt"]
            if attempt not in self._sent:
                self._running[first] = (attempt, report["worker"])
            self._sent[attempt] = max(report["sent"], self._sent.get(attempt, 0))
            stored = min(report["stored"], self._range_sizes[first])
            self._stored[first] = max(stored, self._stored[first])

    def finish(self, first: int) -> None:
        """Takes that all parts of a range are stored."""
        with self._lock:
            self._stored[first] = self._range_sizes[first]
            self._done.add(first)

    def snapshot(self) -> DistributedProgress:
        with self._lock:
            running = {worker for first, (_, worker) in self._running.items() if first not in self._done}
            return DistributedProgress(
                bytes_total=self._bytes_total,
                bytes_stored=sum(self._stored.values()),
                bytes_sent=sum(self._sent.values()),
                ranges_total=len(self._range_sizes),
                ranges_done=len(self._done),
                ranges_restarted=len(self._sent) - len(self._running),
                workers=len(running),
                elapsed=time.monotonic() - self._start,
            )
