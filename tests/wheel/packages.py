"""Helpers for the tests of built packages.

environment, which `make test-wheel` sets:
  GLACIER_EMULATOR   the program glacier-emulator
  GLACIER_MP_WHEEL   the wheel for Linux with an old C library
  WHEEL_DIRECTORY    the directory for the files of cargo, outside the target directory of other builds
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

DIRECTORY = Path(os.environ["WHEEL_DIRECTORY"])


def create_venv(directory: Path, python: str = "python3") -> Path:
    run(python, "-m", "venv", directory)
    return directory / "bin" / "python"


def run(*command: object, **environment: str) -> str:
    """Runs a program in the root directory. Returns its output, and fails the test with it if the program fails."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("GLACIER_MP_", "AWS_"))}
    ended = subprocess.run(
        [str(word) for word in command],
        cwd="/",
        env={**inherited, "PIP_DISABLE_PIP_VERSION_CHECK": "1", **environment},
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert ended.returncode == 0, f"{command} failed with status {ended.returncode}:\n{ended.stdout}"
    return ended.stdout
