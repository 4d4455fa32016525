"""A stored part with the tree hash of the source's bytes but another length is not the same part.

The hashes of the two leaves of a part of 2 MiB are 64 bytes. These bytes are one leaf, whose hash is that of the part.
"""

import hashlib

import pytest

import glacier_mp
import glacier_mp.distributed
from common import running_cluster, upload
from glacier_mp.distributed import _coordinator
from glacier_mp.distributed._source import Version, View
from glacier_mp.distributed._worker import Job
from local_glacier import MIB, VAULT, content

LARGE = content(2 * MIB)
SMALL = b"".join(hashlib.sha256(LARGE[start : start + MIB]).digest() for start in (0, MIB))
CHECKSUM = glacier_mp.TreeHash(LARGE).finish().hex()


def small_range(offset, length):
    return SMALL[offset : offset + length]


def job(size, part_size):
    return Job("job", VAULT, "id", "source", part_size, View("here", size, (), Version("")), None)


@pytest.mark.parametrize(("length", "is_same"), [(2 * MIB, False), (64, True)])
def test_stored_part_of_another_length_is_another_part(length, is_same):
    assert glacier_mp.TreeHash(SMALL).finish().hex() == CHECKSUM
    stored = [glacier_mp.Part(0, length, CHECKSUM)]
    if is_same:
        _coordinator._check_stored(stored, job(64, 2 * MIB), [CHECKSUM])
        return
    with pytest.raises(glacier_mp.IntegrityError, match="part 0 with 2097152 bytes"):
        _coordinator._check_stored(stored, job(64, 2 * MIB), [CHECKSUM])


def test_function_replaces_a_stored_part_of_another_length(glacier):
    client = glacier_mp.Client(glacier_mp.Config(**glacier.settings()))
    with glacier_mp.Upload(client, VAULT, part_size=2 * MIB) as other:
        other.initiate()
        other.put_part(0, LARGE)
        upload_id = other.upload_id
    with running_cluster(1) as dask_client:
        archive = upload(dask_client, glacier, small_range, size=64, part_size=None, upload_id=upload_id)
    assert glacier.archive(archive.archive_id) == SMALL
