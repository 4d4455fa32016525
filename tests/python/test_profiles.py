"""Profiles of the AWS config file."""

from __future__ import annotations

import errno
import socket
from pathlib import Path

import pytest

from glacier_mp import Client, Config, GlacierError, LocalError, UsageError
from local import VAULT, Glacier


@pytest.fixture
def config_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "config"
    monkeypatch.setenv("AWS_CONFIG_FILE", str(path))
    return path


def test_profile_supplies_region_and_endpoint(glacier: Glacier, config_file: Path) -> None:
    settings = glacier.settings()
    config_file.write_text(
        f"[profile work]\nregion = {settings.pop('region_name')}\nendpoint_url = {settings.pop('endpoint_url')}\n"
    )
    config = Config(profile_name="work", **settings)
    assert "profile_name='work'" in repr(config)
    with Client(config) as client:
        assert client.list_uploads(VAULT) == []


def test_giving_up_without_connection_names_the_setting_of_the_endpoint(
    glacier: Glacier, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{closed.getsockname()[1]}"
        settings = glacier.settings(max_attempts=2)
        del settings["endpoint_url"]
        for explicit, place in ((endpoint, "the program"), (None, "the environment variable AWS_ENDPOINT_URL_GLACIER")):
            monkeypatch.setenv("AWS_ENDPOINT_URL_GLACIER", "" if explicit else endpoint)
            says = f"check the network and the endpoint, which is from {place}"
            with Client(Config(endpoint_url=explicit, **settings)) as client, pytest.raises(GlacierError, match=says):
                client.list_uploads(VAULT)


def test_variable_selects_the_profile(config_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config_file.write_text("[profile work]\nregion = eu-central-2\n")
    monkeypatch.setenv("AWS_PROFILE", "work")
    with pytest.raises(UsageError, match='"eu-central-2" has no Glacier'):
        Client(Config())


def test_missing_profile_names_the_profiles_that_exist(config_file: Path) -> None:
    config_file.write_text("[profile one]\n[profile two]\n")
    with pytest.raises(UsageError, match=r'"three" .* has only \[profile one\], \[profile two\]'):
        Client(Config(profile_name="three"))


def test_unreadable_file_is_an_os_error_with_its_name(config_file: Path, tmp_path: Path) -> None:
    config_file.symlink_to(config_file)
    for ca_file in (None, tmp_path / "absent.pem"):
        with pytest.raises(OSError, match="AWS_CONFIG_FILE") as caught:
            Client(Config(region_name="eu-central-1", ca_file=ca_file))
        assert isinstance(caught.value, LocalError)
        assert (caught.value.errno, caught.value.filename) == (errno.ELOOP, str(config_file))


def test_missing_ca_file_of_the_environment_is_the_filename(
    config_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = str(tmp_path / "absent.pem")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "")
    config_file.write_text(f"[default]\nca_bundle = {absent}\n")
    for expected in (None, absent):
        with pytest.raises(FileNotFoundError, match=r"absent\.pem") as caught:
            Client(Config(region_name="eu-central-1"))
        assert caught.value.filename == expected
        monkeypatch.setenv("AWS_CA_BUNDLE", absent)
