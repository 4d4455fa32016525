"""Shared fixtures: a local Glacier for each test, and local clusters of worker processes."""

import os
from contextlib import ExitStack

import pytest

from common import SIZE, running_cluster
from local_glacier import KEY, REGION, LocalGlacier, content

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
def source(tmp_path):
    path = tmp_path / "source"
    path.write_bytes(content(SIZE))
    return path


@pytest.fixture
def start_cluster():
    """Starts clusters, and returns their clients. They are stopped after the test."""
    with ExitStack() as opened:
        yield lambda workers: opened.enter_context(running_cluster(workers))


@pytest.fixture
def dask_client(start_cluster):
    """The client of a cluster of two workers."""
    return start_cluster(2)
