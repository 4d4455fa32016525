"""What several test files use: the call, a cluster, and a source that is a function."""

import os
from contextlib import contextmanager

import distributed

import glacier_mp.distributed
from local_glacier import MIB, VAULT

SIZE = 12 * MIB + 1000
PARTS = 13


def upload(dask_client, glacier, source, **options):
    options = {"config": glacier.settings(), "part_size": MIB, **options}
    return glacier_mp.distributed.upload(dask_client, VAULT, source, **options)


@contextmanager
def running_cluster(workers):
    """A cluster of processes on loopback. Yields its client."""
    with (
        distributed.LocalCluster(
            n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


class ReadRange:
    """A source that is a function. In a process with the variable ODD, one byte that is in no sample differs."""

    ODD_OFFSET = MIB + MIB // 2

    def __init__(self, path):
        self.path = path

    def __call__(self, offset, length):
        with open(self.path, "rb") as file:
            file.seek(offset)
            data = bytearray(file.read(length))
        if "ODD" in os.environ and offset <= self.ODD_OFFSET < offset + length:
            data[self.ODD_OFFSET - offset] ^= 1
        return data
