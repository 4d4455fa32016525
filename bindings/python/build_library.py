"""Puts the shared library into the wheel, beside the Python files.

GLACIER_MP_BUILD_LIBRARY names a library that is built already; without it, cargo builds one from the repository that
contains this directory. The wheel suits every Python 3 of its platform. GLACIER_MP_PLAT sets another platform tag than
that of this machine.
"""

import json
import os
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CustomBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        platform = os.environ.get("GLACIER_MP_PLAT") or sysconfig.get_platform()
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{platform.replace('-', '_').replace('.', '_')}"
        # A package that is installed to be edited finds the library in the repository's target directory.
        if version != "editable":
            library = Path(os.environ.get("GLACIER_MP_BUILD_LIBRARY") or built(Path(self.root).parents[1]))
            build_data["force_include"][str(library)] = f"glacier_mp/{library.name}"


def built(repository: Path) -> str:
    """The library that cargo builds, alone: link-time optimisation is skipped when an rlib is built with it."""
    command = ["cargo", "rustc", "--release", "--lib", "--crate-type", "cdylib", "--message-format", "json"]
    output = subprocess.run(command, cwd=repository, check=True, stdout=subprocess.PIPE).stdout
    messages = map(json.loads, output.splitlines())
    files = [
        file
        for message in messages
        if message["reason"] == "compiler-artifact" and message["target"]["name"] == "glacier_mp"
        for file in message["filenames"]
        if file.endswith((".so", ".dylib"))
    ]
    return str(files[-1])
