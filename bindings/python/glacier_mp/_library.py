"""Locating and loading of the shared library."""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from ._arguments import printable

VARIABLE = "GLACIER_MP_LIBRARY"
NAME = "libglacier_mp.dylib" if sys.platform == "darwin" else "libglacier_mp.so"


def load() -> ctypes.CDLL:
    """Loads the library from the path in $GLACIER_MP_LIBRARY, or else from the first location that has it.

    The library is loaded as a CDLL, so calls release the GIL.
    """
    path = os.environ.get(VARIABLE) or next(_candidates(), None)
    if path is None:
        raise ImportError(f"{NAME} not found: install it, or set {VARIABLE} to its path")
    try:
        return ctypes.CDLL(path)
    except OSError as error:
        # The message of the loader has the path too, so it must not be shown as the cause.
        raise ImportError(f"cannot load {shown(path)}: {printable(str(error))}") from None


def shown(path: str) -> str:
    """Returns the path of the library for a message, with its origin."""
    origin = f" (from {VARIABLE})" if os.environ.get(VARIABLE) == path else ""
    return f"{printable(path)}{origin}"


def _candidates() -> Iterator[str]:
    """Yields the paths of the library: in this package, in the crate's build directories, in the system."""
    package = Path(__file__).resolve().parent
    directories = [package]
    # The crate is the root of the repository. A source distribution has it in the directory rust.
    for crate in ((package / "../../..").resolve(), package.parent / "rust"):
        if (crate / "include" / "glacier_mp.h").exists():
            # After `cargo test` the library is in deps only.
            builds = [crate / "target" / profile for profile in ("release", "debug")]
            directories += [directory for build in builds for directory in (build, build / "deps")]
    yield from (str(directory / NAME) for directory in directories if (directory / NAME).exists())
    installed = ctypes.util.find_library("glacier_mp")
    if installed:
        yield installed
