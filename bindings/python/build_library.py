"""Build hook of hatchling. It adds the shared library to the wheel, and the Rust crate to the source distribution.

The wheel works with every Python 3 on its platform.

environment:
  GLACIER_MP_BUILD_LIBRARY  the path of a built library; if not set, cargo builds it
  GLACIER_MP_PLAT           the platform tag of the wheel; if not set, that of this machine
  CARGO                     the program cargo; default: cargo
"""

import json
import os
import re
import shutil
import subprocess
import sysconfig
import tarfile
import tempfile
from pathlib import Path
from typing import Any, Optional

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# The directory of the crate in the source distribution.
CRATE = "rust"


class BuildError(Exception):
    """An error with a message for the user."""


class CustomBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        try:
            if self.target_name == "sdist":
                self._temporary = tempfile.TemporaryDirectory()
                if not (root / CRATE).exists():
                    crate = packaged_crate(crate_directory(root), Path(self._temporary.name))
                    build_data["force_include"][str(crate)] = CRATE
                return
            platform = os.environ.get("GLACIER_MP_PLAT") or sysconfig.get_platform()
            build_data["pure_python"] = False
            build_data["tag"] = f"py3-none-{platform.replace('-', '_').replace('.', '_')}"
            library = existing_library()
            if version == "editable":
                # The package finds the library in the repository's target directory.
                if library is None:
                    crate = crate_directory(root)
                    build(crate, crate / "target")
            else:
                library = library or build(crate_directory(root))
                build_data["force_include"][str(library)] = f"glacier_mp/{library.name}"
        except BuildError as error:
            self.app.abort(f"error: {error}")

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if self.target_name == "sdist":
            self._temporary.cleanup()


def existing_library() -> Optional[Path]:
    """Returns the library that the environment names."""
    path = os.environ.get("GLACIER_MP_BUILD_LIBRARY")
    if path and not Path(path).is_file():
        raise BuildError(f"GLACIER_MP_BUILD_LIBRARY is {path!r}, which is not a file: set it to the path of a library")
    return Path(path) if path else None


def crate_directory(root: Path) -> Path:
    """Returns the directory of the crate: in a source distribution, or in the repository."""
    for directory in (root / CRATE, root.parents[1]):
        if (directory / "src" / "ffi").is_dir():
            return directory
    raise BuildError(
        f"the Rust sources of glacier_mp are neither in {root / CRATE} nor in {root.parents[1]}: "
        "build from a checkout or from a source distribution, or set GLACIER_MP_BUILD_LIBRARY to the path of a library"
    )


def build(crate: Path, target: Optional[Path] = None) -> Path:
    """Builds the library with cargo. Returns its path.

    It builds the cdylib only: cargo skips link-time optimization if it builds an rlib too.
    """
    require_tools(crate)
    command = [cargo(), "rustc", "--locked", "--release", "--lib", "--crate-type", "cdylib", "--message-format", "json"]
    if target is not None:
        command += ["--target-dir", str(target)]
    ended = subprocess.run(command, cwd=crate, check=False, stdout=subprocess.PIPE)
    if ended.returncode != 0:
        raise BuildError(f"cargo could not build the library in {crate}: see the messages of cargo above")
    messages = map(json.loads, ended.stdout.splitlines())
    files = [
        file
        for message in messages
        if message["reason"] == "compiler-artifact" and message["target"]["name"] == "glacier_mp"
        for file in message["filenames"]
        if file.endswith((".so", ".dylib"))
    ]
    return Path(files[-1])


def packaged_crate(repository: Path, directory: Path) -> Path:
    """Packages the crate with cargo into a directory. Returns the directory of its files.

    The packaged crate has no workspace and no tests, so it can be built alone.
    """
    require_cargo(repository)
    command = [cargo(), "package", "--package", "glacier_mp", "--locked", "--no-verify", "--allow-dirty", "--quiet"]
    ended = subprocess.run([*command, "--target-dir", str(directory)], cwd=repository, check=False)
    if ended.returncode != 0:
        raise BuildError(f"cargo could not package the crate in {repository}: see the messages of cargo above")
    (archive,) = (directory / "package").glob("glacier_mp-*.crate")
    with tarfile.open(archive) as files:
        # The default of newer Pythons.
        files.extraction_filter = getattr(tarfile, "data_filter", None)
        files.extractall(directory)
    return directory / archive.stem


def require_tools(crate: Path) -> None:
    """Checks that the programs that build the library are installed."""
    require_cargo(crate)
    compiler = os.environ.get("CC", "cc").split()[0]
    if shutil.which(compiler) is None:
        raise BuildError(
            f"building glacier-mp needs a C compiler, but {compiler} is not in PATH: "
            "install gcc, with the headers of the C library, or set GLACIER_MP_BUILD_LIBRARY to the path of a library"
        )


def require_cargo(crate: Path) -> None:
    """Checks that cargo is installed and recent enough."""
    needed = re.search(r'(?m)^rust-version = "([\d.]+)"', (crate / "Cargo.toml").read_text("utf-8"))
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
