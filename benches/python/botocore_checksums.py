"""Computes the hashes of parts with botocore, and prints the CPU seconds.

botocore_checksums.py PART_SIZE BYTES
"""

from __future__ import annotations

import sys
import time

from botocore.handlers import add_glacier_checksums

# The library's default memory limit.
MEMORY_LIMIT = 256 << 20


def main(part_size: int, total: int) -> None:
    parts = [bytes([n % 251]) * part_size for n in range(min(MEMORY_LIMIT, total) // part_size)]
    start = time.process_time()
    for n in range(total // part_size):
        add_glacier_checksums({"headers": {}, "body": parts[n % len(parts)]})
    print("cpu:", time.process_time() - start)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
