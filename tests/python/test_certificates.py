"""Trusted certificates. Settings of the environment are tested in processes of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import glacier_mp
from glacier_mp import Client, Config, TransportError
from local import VAULT, Glacier, child_environment, settings

LIST_UPLOADS = """
import sys
import glacier_mp
from local import VAULT, settings
try:
    print(glacier_mp.Client(glacier_mp.Config(**settings(sys.argv[1]))).list_uploads(VAULT))
except glacier_mp.GlacierError as error:
    print(type(error).__name__, error)
"""


def list_uploads(endpoint: str, home: Path, **variables: str) -> str:
    """Lists the uploads in a process with these environment variables. Returns the list or the error."""
    environment = {**child_environment(), "HOME": str(home), **variables}
    command = [sys.executable, "-c", LIST_UPLOADS, endpoint]
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_ca_file_trusts_a_private_authority(secure_glacier: tuple[Glacier, Path]) -> None:
    glacier, ca_file = secure_glacier
    for path in (ca_file, str(ca_file)):
        with glacier.client(ca_file=path) as client:
            assert client.list_uploads(VAULT) == []


def test_environment_trusts_a_private_authority(secure_glacier: tuple[Glacier, Path], tmp_path: Path) -> None:
    glacier, ca_file = secure_glacier
    directory = tmp_path / "certificates"
    directory.mkdir()
    (directory / "ca.pem").write_bytes(ca_file.read_bytes())
    assert list_uploads(glacier.endpoint, tmp_path, AWS_CA_BUNDLE=f"~/{ca_file.name}") == "[]\n"
    assert list_uploads(glacier.endpoint, tmp_path, SSL_CERT_FILE=str(ca_file)) == "[]\n"
    assert list_uploads(glacier.endpoint, tmp_path, SSL_CERT_DIR=str(directory)) == "[]\n"


def test_profile_trusts_a_private_authority(secure_glacier: tuple[Glacier, Path], tmp_path: Path) -> None:
    glacier, ca_file = secure_glacier
    config = tmp_path / "config"
    config.write_text(f"[profile private]\nca_bundle = {ca_file}\n")
    assert list_uploads(glacier.endpoint, tmp_path, AWS_PROFILE="private", AWS_CONFIG_FILE=str(config)) == "[]\n"


def test_error_names_the_trusted_certificates(secure_glacier: tuple[Glacier, Path], tmp_path: Path) -> None:
    glacier, _ = secure_glacier
    Glacier(ca_file=tmp_path / "other.pem").close()
    with glacier.client(ca_file=tmp_path / "other.pem") as client, pytest.raises(TransportError) as caught:
        client.list_uploads(VAULT)
    assert caught.value.name == "GLACIER_E_TLS"
    assert f"the CA file {tmp_path / 'other.pem'} (glacier_config_set_ca_file)" in str(caught.value)


def test_missing_ca_file_of_the_environment_is_an_os_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "missing.pem"))
    with pytest.raises(FileNotFoundError) as caught:
        Client(Config(**settings("https://127.0.0.1:1")))
    assert isinstance(caught.value, glacier_mp.LocalError)
    assert f"the CA file {tmp_path / 'missing.pem'} (AWS_CA_BUNDLE)" in str(caught.value)
