"""Finds the shared library and loads it."""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path

VARIABLE = "GLACIER_MP_LIBRARY"
NAME = "libglacier_mp.dylib" if sys.platform == "darwin" else "libglacier_mp.so"


def load() -> ctypes.CDLL:
    """Loads the library that $GLACIER_MP_LIBRARY names, else the first one that is found.

    It is loaded as a CDLL: Python's global lock is free while a function of it runs.
    """
    explicit = os.environ.get(VARIABLE)
    path = explicit or next(_candidates(), None)
    if path is None:
        raise ImportError(f"{NAME} is not found: install it, or set {VARIABLE} to its path")
    try:
        return ctypes.CDLL(path)
    except OSError as error:
        origin = f", which {VARIABLE} names," if explicit else ""
        raise ImportError(f"{path}{origin} cannot be loaded: {error}") from error


def _candidates() -> Iterator[str]:
    here = Path(__file__).resolve().parent
    places = [here]
    repository = here.parents[2]
    if (repository / "include" / "glacier_mp.h").exists():
        # Cargo leaves the library of a test run in deps only.
        builds = [repository / "target" / profile for profile in ("release", "debug")]
        places += [place for build in builds for place in (build, build / "deps")]
    yield from (str(place / NAME) for place in places if (place / NAME).exists())
    installed = ctypes.util.find_library("glacier_mp")
    if installed:
        yield installed
