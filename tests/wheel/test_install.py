"""Installation by pip and build, from a checkout and from a source distribution."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from local_glacier import KEY, MIB, REGION, VAULT, LocalGlacier
from packages import DIRECTORY, run

# Only whether the library is built matters here, not how fast it is.
QUICK = {
    "CARGO_TARGET_DIR": str(DIRECTORY / "pip"),
    "CARGO_PROFILE_RELEASE_LTO": "off",
    "CARGO_PROFILE_RELEASE_OPT_LEVEL": "1",
    "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "16",
}
SETTINGS = {"region_name": REGION, **KEY}
UPLOAD = f"""
import glacier_mp
import sys

config = glacier_mp.Config(endpoint_url=sys.argv[1], **{SETTINGS})
with glacier_mp.Client(config) as client:
    archive = client.upload("{VAULT}", bytes({3 * MIB + 1}))
assert archive.checksum == glacier_mp.TreeHash(bytes({3 * MIB + 1})).finish().hex()
print(glacier_mp.__file__)
print(glacier_mp._ffi.path)
"""


@pytest.fixture(scope="module")
def distributions(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The source distribution, and the wheel that build makes from it."""
    directory = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--outdir", directory, checkout / "bindings" / "python", **QUICK)
    (source,), (wheel,) = directory.glob("*.tar.gz"), directory.glob("*.whl")
    return source, wheel


def uploads(venv: Path, glacier: LocalGlacier) -> tuple[Path, Path]:
    """Uploads an archive with the installed package. Returns the paths of the package and of its library."""
    package, library = run(venv, "-c", UPLOAD, glacier.endpoint).splitlines()[-2:]
    return Path(package), Path(library)


def assert_is_installed(venv: Path, glacier: LocalGlacier) -> None:
    package, library = uploads(venv, glacier)
    assert venv.parents[1] in package.parents
    assert library == package.parent / "libglacier_mp.so"
    assert_command_runs(venv)


def assert_command_runs(venv: Path) -> None:
    version = run(venv, "-c", "import glacier_mp; print(glacier_mp.__version__)")
    assert run(venv.parent / "glacier-mp", "--version") == f"glacier-mp {version}"


def test_pip_installs_checkout(checkout: Path, venv: Path, glacier: LocalGlacier) -> None:
    run(venv, "-m", "pip", "install", checkout / "bindings" / "python", **QUICK)
    assert_is_installed(venv, glacier)


def test_pip_installs_source_distribution(distributions: tuple[Path, Path], venv: Path, glacier: LocalGlacier) -> None:
    run(venv, "-m", "pip", "install", distributions[0], **QUICK)
    assert_is_installed(venv, glacier)


def test_build_makes_source_distribution_and_wheel(
    distributions: tuple[Path, Path], venv: Path, glacier: LocalGlacier
) -> None:
    run(venv, "-m", "pip", "install", "--no-index", distributions[1])
    assert_is_installed(venv, glacier)


@pytest.mark.parametrize("origin", ["checkout", "source distribution"])
def test_editable_install_uses_its_sources(
    origin: str,
    checkout: Path,
    distributions: tuple[Path, Path],
    venv: Path,
    glacier: LocalGlacier,
    tmp_path: Path,
) -> None:
    project = crate = checkout
    if origin == "checkout":
        project = checkout / "bindings" / "python"
    else:
        with tarfile.open(distributions[0]) as files:
            files.extraction_filter = getattr(tarfile, "data_filter", None)
            files.extractall(tmp_path)
        project = tmp_path / distributions[0].name[: -len(".tar.gz")]
        crate = project / "rust"
        # The build files of the other checkout, so that cargo compiles the dependencies once.
        if (checkout / "target").exists():
            shutil.copytree(checkout / "target", crate / "target")
    run(venv, "-m", "pip", "install", "--editable", project, **QUICK)
    package, library = uploads(venv, glacier)
    assert package == project / "glacier_mp" / "__init__.py"
    assert library == crate / "target" / "release" / "libglacier_mp.so"
    assert_command_runs(venv)


def test_pip_without_cargo_prints_what_to_install(checkout: Path, venv: Path, tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("cc", "sh", "env"):
        found = shutil.which(name)
        assert found is not None
        (programs / name).symlink_to(found)
    ended = subprocess.run(
        [venv, "-m", "pip", "install", checkout / "bindings" / "python"],
        env={**os.environ, "PATH": str(programs), "CARGO": "cargo"},
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert ended.returncode != 0
    assert "Traceback" not in ended.stdout
    (line,) = (line for line in ended.stdout.splitlines() if "error: building" in line)
    assert "cargo cannot be run: install Rust with rustup" in line
