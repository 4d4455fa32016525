"""The local Glacier for tests of the package, and helpers for child processes."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from typing import Any

import glacier_mp
from local_glacier import KEY, MIB, REGION, ROOT, VAULT, LocalGlacier, content, wait_until

__all__ = ["MIB", "ROOT", "VAULT", "Glacier", "child", "child_environment", "content", "settings", "wait_until"]


class Glacier(LocalGlacier):
    """A local Glacier that creates clients of the package."""

    def settings(self, **more: Any) -> dict[str, Any]:
        return settings(self.endpoint, **more)

    def client(self, **more: Any) -> glacier_mp.Client:
        return glacier_mp.Client(glacier_mp.Config(**self.settings(**more)))


def settings(endpoint: str, **more: Any) -> dict[str, Any]:
    """Returns arguments of Config for an endpoint. There is one attempt per request, so no test waits for a retry."""
    needed: dict[str, Any] = {"region_name": REGION, "endpoint_url": endpoint, **KEY, "max_attempts": 1}
    return {**needed, **more}


def child(program: str, *arguments: str, **settings: Any) -> subprocess.CompletedProcess[str]:
    """Runs a Python program and waits for its end. The arguments are in its sys.argv."""
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=child_environment(), **settings)


def child_environment() -> dict[str, str]:
    """Returns the environment for a child process that imports the package and these helpers."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


class FileWith:
    """A file object that has one attribute besides `read`."""

    def __init__(self, data: bytes, name: str, value: Any) -> None:
        self._file = io.BytesIO(data)
        setattr(self, name, value)

    def read(self, size: int) -> bytes:
        return self._file.read(size)
