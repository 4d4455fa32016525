"""Build hook of hatchling that adds the shared library to the wheel.

The wheel works with every Python 3 on its platform.

environment:
  GLACIER_MP_BUILD_LIBRARY  the path of a built library; if not set, cargo builds it from this repository
  GLACIER_MP_PLAT           the platform tag of the wheel; if not set, that of this machine
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
        # An editable install finds the library in the repository's target directory.
        if version != "editable":
            library = Path(os.environ.get("GLACIER_MP_BUILD_LIBRARY") or build(Path(self.root).parents[1]))
            build_data["force_include"][str(library)] = f"glacier_mp/{library.name}"


def build(repository: Path) -> str:
    """Builds the library with cargo. Returns its path.

    It builds the cdylib only: cargo skips link-time optimization if it builds an rlib too.
    """
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
