"""Shared fixtures. Each test gets its own local Glacier, and no AWS settings of the user."""

import os

import pytest

from local import Glacier
from programs import Programs


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch, tmp_path):
    for name in os.environ:
        if name.startswith(("AWS_", "BOTO_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    nothing = str(tmp_path / "nothing")
    monkeypatch.setenv("AWS_CONFIG_FILE", nothing)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", nothing)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_PAGER", "")
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def start(clean_environment):
    """Starts local Glaciers with given options. They are stopped after the test."""
    started = []

    def start(*arguments, **named):
        started.append(Glacier(*arguments, **named))
        return started[-1]

    yield start
    for glacier in started:
        glacier.close()


@pytest.fixture(params=["http", "https"])
def glacier(request, start, tmp_path, monkeypatch):
    """A local Glacier over HTTP, and one over HTTPS whose CA certificate is in AWS_CA_BUNDLE."""
    if request.param == "http":
        return start()
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    return start(ca_file=tmp_path / "ca.pem")


@pytest.fixture
def plain_glacier(start):
    return start()


@pytest.fixture(scope="session")
def programs(tmp_path_factory):
    return Programs(tmp_path_factory.mktemp("programs"))
