"""The local Glacier for tests of programs that use the package."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from glacier_mp import Client, Config, testing
from glacier_mp.testing import LocalGlacier
from local import child_environment
from local_glacier import EMULATOR, HOSTILE_ENVIRONMENT


def test_fixture_serves_a_test_of_a_program(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["glacier_mp.testing"]\n')
    assert testing.__doc__ is not None
    example = testing.__doc__.partition("# test_backup.py\n")[2].partition("\n\n")[0]
    check = 'assert len(local_glacier.requests("UploadMultipartPart")) == 2'
    (tmp_path / "test_backup.py").write_text(textwrap.dedent(f"{example}\n        {check}\n"))
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=tmp_path, env=child_environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_environment_serves_other_programs(tmp_path: Path) -> None:
    program = "import glacier_mp; print(glacier_mp.Client().upload('v', b'content').archive_id)"
    with LocalGlacier("v", region_name="eu-west-1") as glacier:
        environment = {**child_environment(), **glacier.environment}
        done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert glacier.archive(done.stdout.strip()) == b"content"
        assert [archive["archive_id"] for archive in glacier.archives()] == [done.stdout.strip()]


@pytest.mark.parametrize(
    "variables",
    [
        {"http_proxy": "http://127.0.0.1:1"},
        {"all_proxy": "no URL"},
        {"AWS_PROFILE": "missing"},
        {"AWS_USE_FIPS_ENDPOINT": "true"},
        {"AWS_CONFIG_FILE": __file__},
        {"AWS_SHARED_CREDENTIALS_FILE": __file__},
        {"AWS_CA_BUNDLE": __file__},
        {"AWS_SESSION_TOKEN": "token"},
        {"HOME": "{home}"},
    ],
    ids=lambda variables: next(iter(variables)),
)
def test_client_does_not_depend_on_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "config").write_text("no section")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(home=tmp_path))
    before = dict(os.environ)
    with LocalGlacier() as glacier, glacier.client(max_attempts=1) as client:
        archive = client.upload(glacier.vault_name, b"content")
        assert glacier.archive(archive.archive_id) == b"content"
    assert os.environ == before


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ({}, "127.0.0.1"),
        ({"no_proxy": "a.example", "NO_PROXY": "b.example"}, "127.0.0.1,a.example"),
        ({"NO_PROXY": "b.example"}, "127.0.0.1,b.example"),
        ({"no_proxy": "*"}, "*"),
    ],
)
def test_environment_exempts_the_local_glacier_from_proxies(
    monkeypatch: pytest.MonkeyPatch, before: dict[str, str], expected: str
) -> None:
    for name, value in before.items():
        monkeypatch.setenv(name, value)
    with LocalGlacier() as glacier:
        environment = glacier.environment
    assert (environment["no_proxy"], environment["NO_PROXY"]) == (expected, expected)


def test_environment_replaces_proxy_token_and_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    monkeypatch.setenv("AWS_USE_FIPS_ENDPOINT", "true")
    with LocalGlacier() as glacier:
        for name, value in glacier.environment.items():
            monkeypatch.setenv(name, value)
        with Client(Config(max_attempts=1)) as client:
            client.upload(glacier.vault_name, b"content")


UPLOAD = "import glacier_mp; print(glacier_mp.Client().upload('examplevault', b'content').archive_id)"


def upload_with(environment: dict[str, str]) -> str:
    done = subprocess.run([sys.executable, "-c", UPLOAD], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("names", "options"),
    [
        *(((name,), ()) for name in HOSTILE_ENVIRONMENT),
        (tuple(HOSTILE_ENVIRONMENT), ()),
        (tuple(HOSTILE_ENVIRONMENT), ("--tls", "--session-token", "it's")),
    ],
)
def test_environment_replaces_all_settings_of_a_client(
    monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...], options: tuple[str, ...]
) -> None:
    for name in names:
        monkeypatch.setenv(name, HOSTILE_ENVIRONMENT[name])
    with LocalGlacier("examplevault", *options) as glacier:
        archive_id = upload_with({**child_environment(), **glacier.environment})
        assert glacier.archive(archive_id) == b"content"


@pytest.mark.parametrize("options", ["", '--tls --ca-out "$directory/it\'s a ca.pem" --session-token t'])
def test_exports_of_the_program_replace_all_settings_of_a_client(tmp_path: Path, options: str) -> None:
    script = """
        set -eu
        eval "$("$emulator" --background OPTIONS)"
        trap 'kill "$GLACIER_EMULATOR_PID"' EXIT
        "$python" -c "$program"
    """
    variables: dict[str, str] = {
        "emulator": os.fspath(EMULATOR),
        "python": sys.executable,
        "program": UPLOAD,
        "directory": str(tmp_path),
    }
    done = subprocess.run(
        ["sh", "-c", script.replace("OPTIONS", options)],
        env={**child_environment(), **HOSTILE_ENVIRONMENT, **variables},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and not done.stderr, done.stderr
    assert len(done.stdout.strip()) > 100


def test_options_of_the_program_apply_to_clients_and_faults(tmp_path: Path) -> None:
    ca_file = tmp_path / "it's a ca.pem"
    for options in (
        ("--tls",),
        ("--tls", "--ca-out", os.fspath(ca_file)),
        ("--access-key", "AK2", "--secret-key", "s" * 20),
        ("--session-token", "token"),
        ("--print-exports",),
    ):
        with LocalGlacier("examplevault", *options) as glacier:
            glacier.fault({"kind": "status", "status": 503}, operation="DescribeVault")
            with glacier.client(max_attempts=1) as client:
                archive = client.upload("examplevault", b"content")
            assert [one["archive_id"] for one in glacier.archives()] == [archive.archive_id], options
            bundle = glacier.environment.get("AWS_CA_BUNDLE")
            assert bool(bundle) == ("--tls" in options)
        assert not bundle or os.path.exists(bundle) == ("--ca-out" in options)


def test_errors_have_the_text_of_the_local_glacier() -> None:
    with LocalGlacier("examplevault", "--storage", "hashes") as glacier, glacier.client() as client:
        archive = client.upload("examplevault", b"content")
        with pytest.raises(ValueError, match="The bytes of archives are not kept"):
            glacier.archive(archive.archive_id)
        with pytest.raises(ValueError, match="No such archive: nope"):
            glacier.archive("nope")
        with pytest.raises(ValueError, match="unknown variant `flood`"):
            glacier.fault({"kind": "flood"})
        with pytest.raises(
            ValueError, match=r"unknown variant `ListUploads`, expected one of .*`ListMultipartUploads`"
        ):
            glacier.fault({"kind": "reset"}, operation="ListUploads")


def test_documented_option_exists() -> None:
    assert LocalGlacier.__doc__ is not None
    option = LocalGlacier.__doc__.partition("such as ``")[2].partition("``")[0]
    assert option.startswith("--")
    options = subprocess.run([EMULATOR, "--help"], capture_output=True, text=True, check=True).stdout.split()
    assert option in options


def test_clear_faults_removes_faults() -> None:
    with LocalGlacier() as glacier, glacier.client(max_attempts=1) as client:
        glacier.fault({"kind": "status", "status": 503}, times=None)
        glacier.clear_faults()
        client.upload("examplevault", b"content")
        assert not [request for request in glacier.requests() if request["status"] == 503]


def test_reports_a_program_that_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        LocalGlacier(program=tmp_path / "missing")
    with pytest.raises(RuntimeError, match="did not start"):
        LocalGlacier(program="/bin/false")


def test_close_may_be_repeated() -> None:
    glacier = LocalGlacier()
    glacier.close()
    glacier.close()
