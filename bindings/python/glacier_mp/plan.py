"""Plans: how an archive is cut into parts."""

from __future__ import annotations

from typing import Optional

from . import _arguments
from ._ffi import PlanHandle, lib


class Plan:
    """How an archive of a given size is cut into parts: pure arithmetic, nothing is sent. It never changes.

    Args:
        size (int): the bytes of the archive, 1 to 42,949,672,960,000 (10,000 parts of 4 GiB).
        part_size (int): in bytes, a power of two from 1,048,576 (1 MiB) to 4,294,967,296 (4 GiB), at which size makes
            no more than 10,000 parts. Default: what Upload.run chooses, the smallest that keeps to 10,000 parts, and
            not below 16,777,216 (16 MiB).

    Raises:
        UsageError: a size is not allowed, or not with the other (developer guide, "Uploading Large Archives in
            Parts").
    """

    def __init__(self, size: int, part_size: Optional[int] = None) -> None:
        self._size = _arguments.u64("size", size)
        wanted = 0 if part_size is None else _arguments.u64("part_size", part_size)
        self._handle: PlanHandle = lib.glacier_plan_new(self._size, wanted)

    @property
    def size(self) -> int:
        """The bytes of the archive."""
        return self._size

    @property
    def part_size(self) -> int:
        """The bytes of each part; the last may have less."""
        size: int = lib.glacier_plan_part_size(self._handle)
        return size

    @property
    def part_count(self) -> int:
        """The number of parts."""
        count: int = lib.glacier_plan_part_count(self._handle)
        return count

    @property
    def request_count(self) -> int:
        """The number of requests that the upload takes if none has to be repeated, which is what the service charges
        for."""
        count: int = lib.glacier_plan_request_count(self._handle)
        return count

    def memory(self, workers: int) -> int:
        """The memory limit in bytes, for Config, from which on no part has to be read twice with that many parts in
        flight."""
        limit: int = lib.glacier_plan_memory(self._handle, _arguments.u32("workers", workers))
        return limit

    def __repr__(self) -> str:
        return f"Plan(size={self.size}, part_size={self.part_size}, part_count={self.part_count})"


def plan(size: int, part_size: Optional[int] = None) -> Plan:
    """The plan for an archive of so many bytes: Plan(size, part_size)."""
    return Plan(size, part_size)
