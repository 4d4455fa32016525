"""Shared fixtures: a local Glacier for each test, and local clusters of worker processes."""

import os

import distributed
import pytest

from local_glacier import KEY, REGION, LocalGlacier

for name in list(os.environ):
    if name.startswith("AWS_") or name.lower().endswith("_proxy"):
        del os.environ[name]


class Glacier(LocalGlacier):
    def settings(self, **more):
        """Returns the arguments of Config, for this process and the workers."""
        return {"region_name": REGION, "endpoint_url": self.endpoint, **KEY, **more}


@pytest.fixture
def glacier():
    local = Glacier()
    yield local
    local.close()


@pytest.fixture
def start_cluster():
    """Starts clusters of processes on loopback, and returns their clients. They are stopped after the test."""
    opened = []

    def start(workers):
        cluster = distributed.LocalCluster(
            n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
        )
        opened.append(cluster)
        client = distributed.Client(cluster)
        opened.append(client)
        return client

    yield start
    for one in reversed(opened):
        one.close()


@pytest.fixture
def dask_client(start_cluster):
    """The client of a cluster of two workers."""
    return start_cluster(2)
