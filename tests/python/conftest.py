"""Shared fixtures. Each test gets its own local Glacier."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local import Glacier


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Removes the AWS and proxy settings of the user. An empty path means no file."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "SSL_CERT_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", "")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def without_collector() -> Iterator[None]:
    """Disables the cycle collector, so that a test fails if an object is freed by the collector only."""
    if sys.implementation.name == "pypy":
        pytest.skip("PyPy frees objects by its collector only")
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
def glacier() -> Iterator[Glacier]:
    # Two entries per page, so a list of three has a second page.
    local = Glacier("--page-max", "2")
    yield local
    local.close()


@pytest.fixture
def secure_glacier(tmp_path: Path) -> Iterator[tuple[Glacier, Path]]:
    """A local Glacier over HTTPS, and the file of its CA certificate."""
    ca_file = tmp_path / "ca.pem"
    local = Glacier(ca_file=ca_file)
    yield local, ca_file
    local.close()
