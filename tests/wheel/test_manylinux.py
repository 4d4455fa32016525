"""The wheel for Linux with glibc 2.17 or later: its library and command, the Python tests with it, and panics."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Optional

import pytest

from local_glacier import KEY, MIB, REGION, ROOT, VAULT, LocalGlacier
from packages import DIRECTORY, create_venv, run

VERSIONS = ("3.9", "3.10", "3.11", "3.12", "3.13")
MACHINE = platform.machine()
TARGET = f"{MACHINE}-unknown-linux-gnu"
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


def interpreter(version: str) -> Optional[str]:
    """Returns the path of CPython of a version, or of PyPy: in PATH, or of pyenv. None if there is none."""
    name = version if version.startswith("pypy") else f"python{version}"
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    for path in (shutil.which(name), *map(str, pyenv.glob(f"{version}.*/bin/{name}"))):
        # The programs of pyenv in PATH fail if their version is not selected.
        if path and can_create_venv(path):
            return path
    return None


def can_create_venv(python: str) -> bool:
    command = [python, "-c", "import ensurepip, venv"]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def test_auditwheel_accepts_the_wheel_for_manylinux2014(wheel: Path) -> None:
    assert wheel.name.endswith(f"-py3-none-manylinux2014_{MACHINE}.manylinux_2_17_{MACHINE}.whl")
    report = run(sys.executable, "-m", "auditwheel", "show", wheel, PATH=PATH)
    print(report)
    assert f'consistent with the following platform tag:"manylinux_2_17_{MACHINE}"' in report.replace("\n", "")


@pytest.fixture(scope="module")
def binaries(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The library and the command of the wheel."""
    directory = tmp_path_factory.mktemp("wheel")
    with zipfile.ZipFile(wheel) as files:
        (command,) = (name for name in files.namelist() if name.endswith(".data/scripts/glacier-mp"))
        extracted = {"library": files.extract("glacier_mp/libglacier_mp.so", directory)}
        extracted["command"] = files.extract(command, directory)
    return {name: Path(path) for name, path in extracted.items()}


@pytest.mark.parametrize("name", ["library", "command"])
def test_binary_needs_only_the_c_library(name: str, binaries: dict[str, Path]) -> None:
    dynamic = run("readelf", "--dynamic", "--wide", binaries[name])
    needed = set(re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic))
    # Parts of glibc. Newer versions have all of them in libc.so.6.
    assert {re.split("[-.]", name)[0] for name in needed} <= {"libc", "ld", "libpthread", "libdl", "libm", "librt"}


def test_library_keeps_its_linker_settings(binaries: dict[str, Path]) -> None:
    dynamic = run("readelf", "--dynamic", "--wide", binaries["library"])
    assert "Library soname: [libglacier_mp.so.0]" in dynamic
    assert "NODELETE" in dynamic
    exported = run("nm", "--dynamic", "--defined-only", binaries["library"]).split("\n")
    assert {line.split()[-1].split("_")[0] for line in exported if line} == {"glacier"}


@pytest.mark.parametrize("name", ["library", "command"])
def test_binary_has_no_paths_of_this_machine(name: str, binaries: dict[str, Path]) -> None:
    content = binaries[name].read_bytes()
    cargo_home = os.environ.get("CARGO_HOME") or str(Path.home() / ".cargo")
    for path in (str(ROOT), str(DIRECTORY), cargo_home):
        assert path.encode() not in content, path
    # Panic messages contain these.
    assert b"/cargo/registry/src/" in content
    assert b"src/upload/" in content


def test_installed_command_uploads(wheel: Path, glacier: LocalGlacier, tmp_path: Path) -> None:
    venv = create_venv(tmp_path / "venv")
    run(venv, "-m", "pip", "install", "--quiet", "--no-index", wheel)
    source = tmp_path / "archive"
    source.write_bytes(bytes(3 * MIB + 1))
    keys = {name.upper(): value for name, value in KEY.items()}
    settings = {**keys, "AWS_REGION": REGION, "AWS_ENDPOINT_URL_GLACIER": glacier.endpoint}
    settings["GLACIER_MP_STATE_DIR"] = str(tmp_path / "state")
    output = run(venv.parent / "glacier-mp", "upload", "--vault", VAULT, source, **settings)
    (archive,) = glacier.archives()
    assert f"{archive['archive_id']}  {source}" in output.splitlines()


@pytest.mark.parametrize("version", [*VERSIONS, "pypy3"])
def test_python_tests_pass_with_the_wheel(version: str, wheel: Path, tmp_path: Path) -> None:
    python = interpreter(version)
    if python is None:
        pytest.skip(f"{version} is not installed, or has no venv")
    venv = create_venv(tmp_path / "venv", python)
    requirements = ROOT / "tests" / "python" / "requirements.txt"
    if version in ("3.9", "3.10", "pypy3"):
        requirements = ROOT / "tests" / "wheel" / "requirements-3.9.txt"
    run(venv, "-m", "pip", "install", "--quiet", "-r", requirements, wheel)
    print(run(venv, "-c", "import glacier_mp, sys; print(sys.version); print(glacier_mp._ffi.path)"))
    # Without the sources of the package in the path, and with options that an older pytest does not know.
    options = ["-q", "-o", "pythonpath=. ../support", "-W", "ignore::pytest.PytestConfigWarning"]
    tests = ROOT / "tests" / "python"
    output = run(venv, "-m", "pytest", "--rootdir", tests, "-c", tests / "pyproject.toml", *options, tests)
    print(output.splitlines()[-1])
    assert " passed" in output


def test_library_by_zig_catches_panics(glacier: LocalGlacier, tmp_path: Path) -> None:
    package = ["--package", "glacier-mp-test-panics", "--manifest-path", ROOT / "Cargo.toml"]
    output = ["--release", "--lib", "--crate-type", "cdylib", "--target", f"{TARGET}.2.17"]
    run("cargo-zigbuild", "rustc", "--locked", *package, *output, CARGO_TARGET_DIR=str(DIRECTORY), PATH=PATH)
    library = DIRECTORY / TARGET / "release" / "libglacier_mp_test_panics.so"
    for name in ("libglacier_mp.so", "libglacier_mp.so.0"):
        (tmp_path / name).symlink_to(library)
    program = tmp_path / "panics"
    includes = ["-I", ROOT / "include", "-I", ROOT / "tests" / "c"]
    linking = ["-L", tmp_path, "-lglacier_mp", "-pthread", f"-Wl,-rpath,{tmp_path}"]
    run("cc", "-std=c99", *includes, ROOT / "tests" / "c" / "panics.c", "-o", program, *linking)
    keys = {name.upper(): value for name, value in KEY.items()}
    checked = run(program, tmp_path / "hashed", **keys, AWS_REGION=REGION, AWS_ENDPOINT_URL_GLACIER=glacier.endpoint)
    assert re.search(r"(?m)^checks: [1-9]", checked), checked
