"""Source distribution and wheel: contents, licenses, and messages of the build. Nothing is compiled.

`make test-wheel` also builds the library and installs the package.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

from glacier_mp import _ffi
from local import ROOT, child_environment

pytest.importorskip("hatchling")

PROJECT = ROOT / "bindings" / "python"
LIBRARY = Path(_ffi.path)
LICENSES = {"LICENSE-APACHE", "LICENSE-MIT", "THIRD-PARTY-NOTICES"}
VARIABLES = ("CARGO", "CC", "GLACIER_MP_BUILD_COMMAND", "GLACIER_MP_BUILD_LIBRARY", "GLACIER_MP_PLAT")


def hatchling(project: Path, target: str, output: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Builds a target of a project."""
    inherited = {name: value for name, value in child_environment().items() if name not in VARIABLES}
    # Bytecode files would count as files of the source distribution.
    inherited["PYTHONDONTWRITEBYTECODE"] = "1"
    command = [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", str(output)]
    return subprocess.run(
        command, cwd=project, env={**inherited, **environment}, check=False, capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the unpacked source distribution."""
    directory = tmp_path_factory.mktemp("sdist")
    ended = hatchling(PROJECT, "sdist", directory)
    assert ended.returncode == 0, ended.stderr
    (archive,) = directory.glob("*.tar.gz")
    with tarfile.open(archive) as files:
        files.extraction_filter = getattr(tarfile, "data_filter", None)
        files.extractall(directory)
    return directory / archive.name[: -len(".tar.gz")]


def files_below(directory: Path) -> list[Path]:
    return [file for file in directory.rglob("*") if file.is_file()]


def test_source_distribution_contains_what_cargo_needs(source: Path) -> None:
    sources = source / "rust"
    for directory in ("src", "include", "cli/src", "tests/emulator/src"):
        names = [file.relative_to(ROOT) for file in files_below(ROOT / directory)]
        assert names
        for name in names:
            assert (sources / name).read_bytes() == (ROOT / name).read_bytes(), name
    # Reads the manifests of all members of the workspace, and compares their dependencies with Cargo.lock.
    command = [os.environ.get("CARGO", "cargo"), "tree", "--locked", "--package", "glacier-mp"]
    ended = subprocess.run(command, cwd=sources, check=False, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert {path.name for path in source.iterdir()} >= {*LICENSES, "README.md", "build_library.py", "glacier_mp"}


def test_source_distribution_makes_the_same_source_distribution(source: Path, tmp_path: Path) -> None:
    # Building it needs no cargo.
    ended = hatchling(source, "sdist", tmp_path, PATH=directory_with(tmp_path / "bin"))
    assert ended.returncode == 0, ended.stderr
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as files:
        names = {member.name.split("/", 1)[1] for member in files.getmembers() if member.isfile()}
    assert names == {str(file.relative_to(source)) for file in files_below(source)}


@pytest.mark.parametrize("origin", ["checkout", "source distribution"])
def test_wheel_contains_library_command_and_licenses(source: Path, tmp_path: Path, origin: str) -> None:
    project = PROJECT if origin == "checkout" else source
    command = tmp_path / "built"
    command.write_text("command")
    ended = hatchling(
        project,
        "wheel",
        tmp_path,
        GLACIER_MP_BUILD_LIBRARY=str(LIBRARY),
        GLACIER_MP_BUILD_COMMAND=str(command),
        GLACIER_MP_PLAT="manylinux_2_34-x86_64",
    )
    assert ended.returncode == 0, ended.stderr
    (wheel,) = tmp_path.glob("*.whl")
    installed = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as files:
        files.extractall(installed)
    package, (information,) = installed / "glacier_mp", installed.glob("*.dist-info")
    (scripts,) = installed.glob("*.data/scripts")
    assert {path.name for path in installed.iterdir()} == {package.name, information.name, scripts.parent.name}
    assert [(path.name, path.read_text()) for path in scripts.iterdir()] == [("glacier-mp", "command")]
    assert (package / "py.typed").exists()
    assert (package / LIBRARY.name).read_bytes() == LIBRARY.read_bytes()
    assert {path.name for path in (information / "licenses").iterdir()} == LICENSES

    metadata = message_from_bytes((information / "METADATA").read_bytes())
    assert metadata["License-Expression"] == "MIT OR Apache-2.0"
    assert set(metadata.get_all("License-File", [])) == LICENSES
    # Only an extra needs other packages.
    assert all("extra ==" in requirement for requirement in metadata.get_all("Requires-Dist", []))
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    environment.pop("GLACIER_MP_LIBRARY", None)
    program = "import glacier_mp; print(glacier_mp.__version__, glacier_mp._ffi.path, sep=chr(10))"
    output = subprocess.run(
        [sys.executable, "-c", program], cwd="/", env=environment, check=True, capture_output=True, text=True
    ).stdout
    assert output.splitlines() == [metadata["Version"], str(package / LIBRARY.name)]
    assert wheel.name == f"glacier_mp-{metadata['Version']}-py3-none-manylinux_2_34_x86_64.whl"


def test_wheel_without_built_command_has_no_scripts(tmp_path: Path) -> None:
    ended = hatchling(PROJECT, "wheel", tmp_path, GLACIER_MP_BUILD_LIBRARY=str(LIBRARY))
    assert ended.returncode == 0, ended.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as files:
        assert not [name for name in files.namelist() if ".data/" in name]


def test_copies_of_the_licenses_are_current() -> None:
    for name in LICENSES:
        assert (PROJECT / name).read_bytes() == (ROOT / name).read_bytes(), name


def test_notices_are_those_of_the_crates() -> None:
    script = ROOT / "scripts" / "notices.py"
    ended = subprocess.run([sys.executable, str(script), "--check"], check=False, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


def directory_with(path: Path, **programs: str) -> str:
    """Creates a directory for PATH with shell scripts."""
    path.mkdir()
    for name, script in programs.items():
        (path / name).write_text(f"#!/bin/sh\n{script}\n")
        (path / name).chmod(0o755)
    return str(path)


def only_line(ended: subprocess.CompletedProcess[str]) -> str:
    """Returns the message of a failed build, which is one line."""
    assert ended.returncode == 1
    assert ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    return line


def test_build_without_cargo_names_what_to_install(tmp_path: Path) -> None:
    path = directory_with(tmp_path / "bin", cc="exit 0")
    line = only_line(hatchling(PROJECT, "wheel", tmp_path / "dist", PATH=path))
    assert line.startswith("error: building glacier-mp needs Rust 1.")
    assert "cargo cannot be run: install Rust with rustup" in line


def test_build_with_old_cargo_names_both_versions(tmp_path: Path) -> None:
    path = directory_with(tmp_path / "bin", cargo="echo cargo 1.9.1 '(0123456 2016-01-01)'")
    line = only_line(hatchling(PROJECT, "wheel", tmp_path / "dist", PATH=path))
    assert line.startswith("error: building glacier-mp needs Rust 1.")
    assert "but cargo is 1.9.1: install Rust with rustup" in line


def test_build_without_compiler_names_what_to_install(tmp_path: Path) -> None:
    path = directory_with(tmp_path / "bin", cargo="echo cargo 1.999.0")
    line = only_line(hatchling(PROJECT, "wheel", tmp_path / "dist", PATH=path))
    assert "needs a C compiler, but cc is not in PATH: install gcc" in line


def test_build_reports_failure_of_cargo(tmp_path: Path) -> None:
    cargo = 'case $1 in --version) echo cargo 1.999.0 ;; *) echo "error[E0308]" >&2; exit 101 ;; esac'
    path = directory_with(tmp_path / "bin", cargo=cargo, cc="exit 0")
    ended = hatchling(PROJECT, "wheel", tmp_path / "dist", PATH=path)
    first, last = ended.stderr.splitlines()
    assert ended.returncode == 1
    assert first == "error[E0308]"
    assert last == f"error: cargo could not build glacier-mp in {ROOT}: see the messages of cargo above"


@pytest.mark.parametrize("variable", ["GLACIER_MP_BUILD_COMMAND", "GLACIER_MP_BUILD_LIBRARY"])
def test_build_rejects_file_that_does_not_exist(tmp_path: Path, variable: str) -> None:
    line = only_line(hatchling(PROJECT, "wheel", tmp_path / "dist", **{variable: "/no/such/file"}))
    assert line == f"error: {variable} is '/no/such/file', which is not a file: set it to the path of a built file"


def test_build_without_sources_says_where_to_build(source: Path, tmp_path: Path) -> None:
    shutil.copytree(source, tmp_path / "project", ignore=shutil.ignore_patterns("rust"))
    line = only_line(hatchling(tmp_path / "project", "wheel", tmp_path / "dist"))
    assert "build from a checkout or from a source distribution" in line
