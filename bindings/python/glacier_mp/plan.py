"""Plans: the division of an archive into parts."""

from __future__ import annotations

from typing import Optional

from . import _arguments
from ._ffi import NotCopyable, PlanHandle, lib


class Plan(NotCopyable):
    """The division of an archive into parts. It is computed, not requested from the service, and never changes.

    The limits are from the developer guide, "Uploading Large Archives in Parts".

    Args:
        size (int): the archive size in bytes, 1 to 42,949,672,960,000 (10,000 parts of 4 GiB).
        part_size (int): the part size in bytes, a power of two from 1,048,576 (1 MiB) to 4,294,967,296 (4 GiB), with
            at most 10,000 parts. Default: the part size that Upload.run chooses, which is the smallest one with at most
            10,000 parts, at least 16,777,216 (16 MiB).

    Raises:
        UsageError: a size, or the combination of both, is not allowed.
        TypeError, ValueError: a size is not an integer, or is out of range.
    """

    def __init__(self, size: int, part_size: Optional[int] = None) -> None:
        self._size = _arguments.u64("size", size)
        requested = 0 if part_size is None else _arguments.u64("part_size", part_size)
        self._handle: PlanHandle = lib.glacier_plan_new(self._size, requested)

    @property
    def size(self) -> int:
        """The archive size in bytes."""
        return self._size

    @property
    def part_size(self) -> int:
        """The part size in bytes. The last part may be shorter."""
        size: int = lib.glacier_plan_part_size(self._handle)
        return size

    @property
    def part_count(self) -> int:
        """The number of parts."""
        count: int = lib.glacier_plan_part_count(self._handle)
        return count

    @property
    def request_count(self) -> int:
        """The number of requests of the upload without retries. The service charges for each request."""
        count: int = lib.glacier_plan_request_count(self._handle)
        return count

    def memory(self, workers: int) -> int:
        """Returns the smallest memory_limit for Config, in bytes, at which no part is read twice.

        Args:
            workers (int): the number of parts in flight, Config's concurrency.
        """
        limit: int = lib.glacier_plan_memory(self._handle, _arguments.u32("workers", workers))
        return limit

    def __repr__(self) -> str:
        return f"Plan(size={self.size}, part_size={self.part_size}, part_count={self.part_count})"


def plan(size: int, part_size: Optional[int] = None) -> Plan:
    """Returns Plan(size, part_size)."""
    return Plan(size, part_size)
