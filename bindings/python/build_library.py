"""Build hook of hatchling: adds library and command to the wheel, and the Rust sources to the source distribution.

The wheel works with every Python 3 on its platform.

environment:
  GLACIER_MP_BUILD_LIBRARY  the path of a built library; if not set, cargo builds it
  GLACIER_MP_BUILD_COMMAND  the path of a built command; if neither variable is set, cargo builds it
  GLACIER_MP_PLAT           the platform tag of the wheel; if not set, that of this machine
  CARGO                     the program cargo; default: cargo
"""

import json
import os
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import Any, Optional

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# The directory of the Rust sources in the source distribution.
SOURCES = "rust"
# The files and directories there, relative to the root of the repository. They include each member of the workspace.
SOURCE_PATHS = (
    "Cargo.lock",
    "Cargo.toml",
    "build.rs",
    "cli/Cargo.toml",
    "cli/src",
    "include",
    "src",
    "tests/emulator/Cargo.toml",
    "tests/emulator/src",
    "tests/panics/Cargo.toml",
)


class BuildError(Exception):
    """An error with a message for the user."""


class CustomBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        try:
            if self.target_name == "sdist":
                sources = source_directory(root)
                build_data["force_include"].update({str(sources / path): f"{SOURCES}/{path}" for path in SOURCE_PATHS})
                return
            platform = os.environ.get("GLACIER_MP_PLAT") or sysconfig.get_platform()
            build_data["pure_python"] = False
            build_data["tag"] = f"py3-none-{platform.replace('-', '_').replace('.', '_')}"
            library, command = existing_file("GLACIER_MP_BUILD_LIBRARY"), existing_file("GLACIER_MP_BUILD_COMMAND")
            if library is None:
                sources = source_directory(root)
                require_tools(sources)
                # An editable package finds the library in the repository's target directory.
                target = sources / "target" if version == "editable" else None
                command = command or build(sources, ["build", "--package", "glacier-mp"], "glacier-mp", target)
                library = build(sources, ["rustc", "--lib", "--crate-type", "cdylib"], "glacier_mp", target)
            if version != "editable":
                build_data["force_include"][str(library)] = f"glacier_mp/{library.name}"
            if command is not None:
                build_data["shared_scripts"][str(command)] = "glacier-mp"
        except BuildError as error:
            self.app.abort(f"error: {error}")


def existing_file(variable: str) -> Optional[Path]:
    """Returns the path in an environment variable."""
    path = os.environ.get(variable)
    if path and not Path(path).is_file():
        raise BuildError(f"{variable} is {path!r}, which is not a file: set it to the path of a built file")
    return Path(path) if path else None


def source_directory(root: Path) -> Path:
    """Returns the directory of the Rust sources: in a source distribution, or the repository."""
    for directory in (root / SOURCES, root.parents[1]):
        if (directory / "src" / "ffi").is_dir():
            return directory
    raise BuildError(
        f"the Rust sources of glacier_mp are neither in {root / SOURCES} nor in {root.parents[1]}: "
        "build from a checkout or from a source distribution, or set GLACIER_MP_BUILD_LIBRARY to the path of a library"
    )


def build(sources: Path, arguments: list[str], name: str, target: Optional[Path]) -> Path:
    """Builds an optimized library or program with cargo. Returns its path.

    For the library, cargo builds the cdylib only: it skips link-time optimization if it builds an rlib too.
    """
    command = [cargo(), *arguments, "--locked", "--release", "--message-format", "json"]
    if target is not None:
        command += ["--target-dir", str(target)]
    ended = subprocess.run(command, cwd=sources, check=False, stdout=subprocess.PIPE)
    if ended.returncode != 0:
        raise BuildError(f"cargo could not build {name} in {sources}: see the messages of cargo above")
    artifacts = [
        message
        for message in map(json.loads, ended.stdout.splitlines())
        if message["reason"] == "compiler-artifact" and message["target"]["name"] == name
    ]
    files = [artifacts[-1]["executable"], *artifacts[-1]["filenames"]]
    return next(Path(file) for file in files if file and not file.endswith(".rlib"))


def require_tools(sources: Path) -> None:
    """Checks that the tools of the build are installed."""
    require_cargo(sources)
    compiler = os.environ.get("CC", "cc").split()[0]
    if shutil.which(compiler) is None:
        raise BuildError(
            f"building glacier-mp needs a C compiler, but {compiler} is not in PATH: "
            "install gcc, with the headers of the C library, or set GLACIER_MP_BUILD_LIBRARY to the path of a library"
        )


def require_cargo(sources: Path) -> None:
    """Checks that cargo is installed and recent enough."""
    needed = re.search(r'(?m)^rust-version = "([\d.]+)"', (sources / "Cargo.toml").read_text("utf-8"))
    wanted = needed.group(1) if needed else "1"
    requirement = f"building glacier-mp needs Rust {wanted} or later"
    advice = "install Rust with rustup, or set GLACIER_MP_BUILD_LIBRARY to the path of a library"
    try:
        output = subprocess.run([cargo(), "--version"], check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        raise BuildError(f"{requirement}, but {cargo()} cannot be run: {advice}") from None
    found = re.search(r"\d+(\.\d+)+", output)
    if found and numbers(found.group()) < numbers(wanted):
        raise BuildError(f"{requirement}, but {cargo()} is {found.group()}: {advice}")


def cargo() -> str:
    return os.environ.get("CARGO", "cargo")


def numbers(version: str) -> list[int]:
    return [int(number) for number in version.split(".")]
