"""Fixtures for the tests of built packages."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_glacier import ROOT, LocalGlacier
from packages import create_venv


@pytest.fixture(scope="session")
def wheel() -> Path:
    return Path(os.environ["GLACIER_MP_WHEEL"])


@pytest.fixture
def glacier() -> Iterator[LocalGlacier]:
    local = LocalGlacier()
    yield local
    local.close()


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository without its build files, so that these tests do not change them."""
    copy = tmp_path_factory.mktemp("checkout")
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    for name in filter(None, listing.split("\0")):
        if (ROOT / name).exists():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, copy / name)
    return copy


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    """The interpreter of a new virtual environment."""
    return create_venv(tmp_path / "venv")
