"""Uploads a file with boto3 in the usual way: a thread pool for the parts, and hashes by botocore.

boto3_upload.py ENDPOINT VAULT FILE PART_SIZE WORKERS
"""

from __future__ import annotations

import hashlib
import os
import sys
from multiprocessing.pool import ThreadPool

import boto3
from botocore.config import Config


def upload(endpoint: str, vault: str, file: str, part_size: int, workers: int) -> None:
    config = Config(max_pool_connections=workers)
    client = boto3.client("glacier", endpoint_url=endpoint, config=config)
    size = os.path.getsize(file)
    upload_id = client.initiate_multipart_upload(vaultName=vault, partSize=str(part_size))["uploadId"]

    def put(first: int) -> bytes:
        with open(file, "rb") as source:
            source.seek(first)
            body = source.read(part_size)
        part_range = f"bytes {first}-{first + len(body) - 1}/*"
        response = client.upload_multipart_part(vaultName=vault, uploadId=upload_id, range=part_range, body=body)
        return bytes.fromhex(response["checksum"])

    with ThreadPool(workers) as pool:
        checksums = pool.map(put, range(0, size, part_size), chunksize=1)
    client.complete_multipart_upload(
        vaultName=vault, uploadId=upload_id, archiveSize=str(size), checksum=fold(checksums).hex()
    )


def fold(level: list[bytes]) -> bytes:
    """Returns the tree hash of the archive from those of its parts. botocore has no function for it."""
    while len(level) > 1:
        pairs = [b"".join(level[at : at + 2]) for at in range(0, len(level), 2)]
        level = [pair if len(pair) == 32 else hashlib.sha256(pair).digest() for pair in pairs]
    return level[0]


if __name__ == "__main__":
    upload(*sys.argv[1:4], *map(int, sys.argv[4:]))
