"""Loading of the shared library."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from glacier_mp import _ffi, _library
from local import ROOT

LIBRARY = Path(_ffi.path)
IMPORT = "import glacier_mp; print(glacier_mp.__version__); print(glacier_mp._ffi.path)"


def imported(directory: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Imports the package from a directory, in a child process outside the repository."""
    inherited = {name: value for name, value in os.environ.items() if name != _library.VARIABLE}
    environment = {**inherited, "PYTHONPATH": str(directory), **environment}
    return subprocess.run(
        [sys.executable, "-c", IMPORT], cwd="/", capture_output=True, text=True, env=environment, check=False
    )


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """The directory of a copy of the package outside the repository."""
    ignore = shutil.ignore_patterns("__pycache__", "*.so")
    shutil.copytree(ROOT / "bindings" / "python" / "glacier_mp", tmp_path / "at" / "glacier_mp", ignore=ignore)
    return tmp_path / "at"


def compiled(source: str, path: Path) -> str:
    (path / "stub.c").write_text(source)
    library = path / "libstub.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, path / "stub.c"], check=True)
    return str(library)


def test_loads_library_from_the_environment_variable(package: Path) -> None:
    (package / "glacier_mp" / _library.NAME).write_text("not a library")
    ended = imported(package, **{_library.VARIABLE: str(LIBRARY)})
    assert ended.stdout.splitlines()[1:] == [str(LIBRARY)], ended.stderr


def test_finds_library_in_the_package(package: Path) -> None:
    shutil.copy(LIBRARY, package / "glacier_mp" / _library.NAME)
    ended = imported(package)
    assert ended.stdout.splitlines()[1:] == [str(package / "glacier_mp" / _library.NAME)], ended.stderr


@pytest.mark.parametrize("place", ["release", "debug", "release/deps", "debug/deps"])
def test_finds_library_in_the_repository(package: Path, tmp_path: Path, place: str) -> None:
    repository = tmp_path / "repository"
    (repository / "bindings").mkdir(parents=True)
    shutil.move(str(package), repository / "bindings" / "python")
    (repository / "include").mkdir()
    (repository / "include" / "glacier_mp.h").touch()
    target = repository / "target" / place
    target.mkdir(parents=True)
    shutil.copy(LIBRARY, target / _library.NAME)
    ended = imported(repository / "bindings" / "python")
    assert ended.stdout.splitlines()[1:] == [str(target / _library.NAME)], ended.stderr


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("unsigned glacier_abi_version(void) { return 7; }", "ABI version 7, but this package needs 0"),
        ("unsigned glacier_abi_version(void) { return 0; }", "older than this package"),
        ("int nothing;", "is not libglacier_mp"),
    ],
)
def test_rejects_incompatible_library(package: Path, tmp_path: Path, source: str, says: str) -> None:
    library = compiled(source, tmp_path)
    ended = imported(package, **{_library.VARIABLE: library})
    assert ended.returncode == 1
    last = ended.stderr.splitlines()[-1]
    assert last.startswith("ImportError: ")
    assert says in last
    assert library in last


def test_reports_library_that_cannot_be_loaded(package: Path) -> None:
    ended = imported(package, **{_library.VARIABLE: "/no/such/library.so"})
    last = ended.stderr.splitlines()[-1]
    assert last.startswith("ImportError: cannot load /no/such/library.so (from GLACIER_MP_LIBRARY): ")
    ended = imported(package)
    if ended.returncode != 0:
        last = ended.stderr.splitlines()[-1]
        assert last.startswith("ImportError: ")
        assert _library.VARIABLE in last


@pytest.mark.parametrize("is_file", [False, True])
def test_escapes_control_characters_of_the_path(package: Path, tmp_path: Path, is_file: bool) -> None:
    path = tmp_path / "ü\x1b[31m\nb"
    if is_file:
        path.write_text("not a library")
    ended = imported(package, **{_library.VARIABLE: str(path)})
    assert "\x1b" not in ended.stderr
    last = ended.stderr.splitlines()[-1]
    assert last.startswith(rf"ImportError: cannot load {tmp_path}/ü\x1b[31m\nb (from GLACIER_MP_LIBRARY): ")


@pytest.mark.parametrize("version", [0, 7])
def test_error_of_an_incompatible_library_names_the_variable(package: Path, tmp_path: Path, version: int) -> None:
    directory = tmp_path / "a\x1bb"
    directory.mkdir()
    library = compiled(f"unsigned glacier_abi_version(void) {{ return {version}; }}", directory)
    ended = imported(package, **{_library.VARIABLE: library})
    assert "\x1b" not in ended.stderr
    assert rf"{tmp_path}/a\x1bb/libstub.so (from GLACIER_MP_LIBRARY) has " in ended.stderr.splitlines()[-1]
