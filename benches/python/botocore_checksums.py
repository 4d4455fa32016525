"""Prepares so many bytes as parts of one size by botocore, and prints the seconds of the processor's time it took.

botocore_checksums.py PART_SIZE BYTES
"""

from __future__ import annotations

import sys
import time

from botocore.handlers import add_glacier_checksums

# As much as the library holds at once by default.
HELD = 256 << 20


def main(part_size: int, total: int) -> None:
    parts = [bytes([n % 251]) * part_size for n in range(min(HELD, total) // part_size)]
    start = time.process_time()
    for n in range(total // part_size):
        add_glacier_checksums({"headers": {}, "body": parts[n % len(parts)]})
    print("cpu:", time.process_time() - start)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
