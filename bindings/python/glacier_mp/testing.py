"""A local Glacier for tests of programs that upload.

It is the program ``glacier-emulator``, which behaves like the service and needs no account. ``make emulator`` builds it
as ``target/release/glacier-emulator``: name it in the variable GLACIER_EMULATOR, or copy it to a directory of PATH. A
test uses the pytest fixture::

    # conftest.py
    pytest_plugins = ["glacier_mp.testing"]

    # test_backup.py
    def test_backup_is_complete(local_glacier, tmp_path):
        source = tmp_path / "backup.tar"
        source.write_bytes(b"content")
        local_glacier.fault({"kind": "status", "status": 503}, operation="UploadMultipartPart")
        with local_glacier.client() as client:
            archive = client.upload(local_glacier.vault_name, source)
        assert local_glacier.archive(archive.archive_id) == b"content"

Without pytest, LocalGlacier is a context manager. Other programs, such as boto3 and the AWS CLI, use the variables of
``environment``, in addition to those of this process.
"""

from __future__ import annotations

import json
import os
import shlex
import ssl
import subprocess
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Optional, Union
from urllib.parse import quote

from . import _arguments
from .client import Client
from .config import Config

__all__ = ["LocalGlacier"]

# The last variable that the program prints.
_LAST = "GLACIER_EMULATOR_PID"


class LocalGlacier:
    """A running local Glacier with one vault. It stops at the end of the ``with`` block, or with this process.

    Args:
        vault_name (str): the name of the vault.
        region_name (str): the region that clients must sign for.
        program (path): the program. Default: the variable GLACIER_EMULATOR, or ``glacier-emulator`` in PATH.
        arguments (str): more options of the program, such as ``--token-seconds``: see its ``--help``. With
            ``--tls`` but without ``--ca-out``, the certificate is in a temporary directory until close.

    Raises:
        FileNotFoundError: the program is not installed.
        RuntimeError: the program does not start. Its output has the reason.
        TypeError, ValueError: a value has the wrong type, or is not a valid text.
    """

    def __init__(
        self,
        vault_name: str = "examplevault",
        *arguments: str,
        region_name: str = "us-east-1",
        program: Union[str, os.PathLike[str], None] = None,
    ) -> None:
        self.vault_name = vault_name
        self.region_name = region_name
        self._directory = tempfile.TemporaryDirectory(prefix="glacier-mp-")
        self._unused_ca = os.path.join(self._directory.name, "unused-ca.pem")
        try:
            self._start(vault_name, arguments, region_name, program)
        except BaseException:
            self._directory.cleanup()
            raise

    def _start(
        self, vault_name: str, arguments: tuple[str, ...], region_name: str, program: Union[str, os.PathLike[str], None]
    ) -> None:
        path = _arguments.path("program", program or os.environ.get("GLACIER_EMULATOR") or "glacier-emulator")
        command = [
            path,
            b"--until-stdin-closes",
            b"--print-exports",
            b"--region",
            _arguments.text("region_name", region_name),
            b"--vault",
            _arguments.text("vault_name", vault_name),
            *(_arguments.text("arguments", argument) for argument in arguments),
        ]
        if "--tls" in arguments and "--ca-out" not in arguments:
            command += [b"--ca-out", os.fsencode(os.path.join(self._directory.name, "ca.pem"))]
        # AWS_PROFILE can only be replaced: botocore treats an empty AWS_PROFILE as a name.
        config_file = os.path.join(self._directory.name, "config")
        for path_of_file, text in ((config_file, "[default]\n"), (self._unused_ca, _UNUSED_CA)):
            with open(path_of_file, "w") as file:
                file.write(text)
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, errors="surrogateescape"
        )
        assert self._process.stdout is not None
        variables = _read_variables(self._process.stdout)
        if variables is None:
            self.close()
            raise RuntimeError(f"{os.fsdecode(path)} did not start: exit status {self._process.returncode}")
        self._variables = {**variables, "AWS_CONFIG_FILE": config_file}
        self.endpoint_url = self._variables["AWS_ENDPOINT_URL_GLACIER"]
        self.region_name = self._variables["AWS_REGION"]

    def close(self) -> None:
        """Stops the local Glacier. May be called more than once."""
        if self._process.poll() is None:
            self._process.communicate("")
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        self._directory.cleanup()

    @property
    def environment(self) -> dict[str, str]:
        """The variables for programs that use the local Glacier: endpoint, region, key, CA file, and no proxy.

        They replace the profile, the AWS files and all other settings of the environment that would prevent its use.
        """
        no_proxy = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
        if no_proxy != "*":
            # "*" exempts all hosts, but only alone.
            no_proxy = f"127.0.0.1,{no_proxy}" if no_proxy else "127.0.0.1"
        # An empty AWS_CA_BUNDLE is an error of clients.
        ca_file = {"AWS_CA_BUNDLE": self._unused_ca} if "AWS_CA_BUNDLE" in os.environ else {}
        return {**_REPLACED, **ca_file, **self._variables, "no_proxy": no_proxy, "NO_PROXY": no_proxy}

    def config(self, **settings: Any) -> Config:
        """Returns a Config for the local Glacier, with these settings of Config in addition.

        The environment and the AWS files have no effect. The method hides their variables for a moment, also from other
        threads.
        """
        defaults: dict[str, Any] = {
            "region_name": self.region_name,
            "endpoint_url": self.endpoint_url,
            "ca_file": self._variables.get("AWS_CA_BUNDLE") or None,
        }
        if "aws_access_key_id" not in settings:
            # A session token belongs to its key.
            defaults["aws_session_token"] = self._variables.get("AWS_SESSION_TOKEN") or None
        defaults["aws_access_key_id"] = self._variables["AWS_ACCESS_KEY_ID"]
        defaults["aws_secret_access_key"] = self._variables["AWS_SECRET_ACCESS_KEY"]
        with _without_settings():
            return Config(**{**defaults, **settings})

    def client(self, **settings: Any) -> Client:
        """Returns a Client of the local Glacier, with these settings of Config in addition."""
        return Client(self.config(**settings))

    def fault(
        self,
        action: Mapping[str, Any],
        *,
        operation: Optional[str] = None,
        part: Optional[int] = None,
        times: Optional[int] = 1,
        skip: int = 0,
    ) -> None:
        """Makes matching requests fail.

        Args:
            action (dict): what happens, such as ``{"kind": "status", "status": 503}`` or ``{"kind": "reset"}``. The
                manual of the local Glacier lists all actions.
            operation (str): the operation, such as "UploadMultipartPart". Default: every operation.
            part (int): the index of the part, from 0. Default: every part.
            times (int or None): the number of requests that fail. None: all of them.
            skip (int): the number of matching requests that succeed first.

        Raises:
            TypeError, ValueError: part, times or skip has the wrong type or range.
            ValueError: the local Glacier rejects the fault, for example an unknown operation.
        """
        part = None if part is None else _arguments.u64("part", part)
        times = None if times is None else _arguments.u64("times", times)
        skip = _arguments.u64("skip", skip)
        fault = {"operation": operation, "part": part, "times": times, "skip": skip, "action": dict(action)}
        self._admin("POST", "faults", fault)

    def clear_faults(self) -> None:
        """Removes all faults that have not happened."""
        self._admin("DELETE", "faults")

    def requests(self, operation: Optional[str] = None) -> list[dict[str, Any]]:
        """Returns the requests so far, in order: all, or those of one operation."""
        requests = json.loads(self._admin("GET", "requests"))
        return [request for request in requests if operation in (None, request["operation"])]

    def archives(self) -> list[dict[str, Any]]:
        """Returns the archives."""
        archives: list[dict[str, Any]] = json.loads(self._admin("GET", "archives"))
        return archives

    def archive(self, archive_id: str) -> bytes:
        """Returns the bytes of an archive.

        Raises:
            ValueError: there is no such archive, or the local Glacier does not keep its bytes.
        """
        return self._admin("GET", f"archives/{quote(_arguments.text('archive_id', archive_id), safe='')}/data")

    def _admin(self, method: str, path: str, document: Optional[dict[str, Any]] = None) -> bytes:
        body = None if document is None else json.dumps(document).encode()
        request = urllib.request.Request(f"{self.endpoint_url}/.admin/{path}", body, method=method)
        # The local Glacier is never behind a proxy.
        handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
        ca_file = self._variables.get("AWS_CA_BUNDLE")
        if ca_file:
            handlers.append(urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=ca_file)))
        try:
            with urllib.request.build_opener(*handlers).open(request) as response:
                content: bytes = response.read()
        except urllib.error.HTTPError as error:
            with error:
                raise ValueError(_message(error.read())) from None
        return content

    def __enter__(self) -> LocalGlacier:
        return self

    def __exit__(
        self,
        exception_type: Optional[type[BaseException]],
        exception: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.close()


# The values for the variables that the program unsets: a dictionary can only replace them. Empty means unset, but
# botocore treats an empty AWS_PROFILE as a name, and an empty time as invalid. This time is far in the future.
_REPLACED = {
    "AWS_SESSION_TOKEN": "",
    "AWS_SECURITY_TOKEN": "",
    "AWS_CREDENTIAL_EXPIRATION": "2999-12-31T23:59:59Z",
    "AWS_PROFILE": "default",
    "AWS_DEFAULT_PROFILE": "default",
}

# Replaces a CA file of the environment, which may be invalid. It signs nothing: its key was not stored.
_UNUSED_CA = """\
-----BEGIN CERTIFICATE-----
MIIBhzCCAS2gAwIBAgIUQTz7JrjmpCpnvgZIr6N2c8EsFIEwCgYIKoZIzj0EAwIw
GDEWMBQGA1UEAwwNc2lnbnMgbm90aGluZzAgFw0yNjExMjgxNDQ0MTJaGA8zMDI2
MDMzMTE0NDQxMlowGDEWMBQGA1UEAwwNc2lnbnMgbm90aGluZzBZMBMGByqGSM49
AgEGCCqGSM49AwEHA0IABFxglRgSpUJbmvq01YFtWGX3K4fnwuSXUGdDCbjIwGyw
suEpoNxfvz/Xh0F/vcTgdWZisRDWdwdYsEPcp/YOPqOjUzBRMB0GA1UdDgQWBBRR
s3O05Az7zShHIHjUE4auZvXtDTAfBgNVHSMEGDAWgBRRs3O05Az7zShHIHjUE4au
ZvXtDTAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUCIQCyyby3r4Sa
Y6rAxjo9Rq5EixdZmqAC8bI9PLq/jHdDYQIgI6adDETAWhEsdT8VyVbiQ6d38No2
buK/HmrQF1rzYjs=
-----END CERTIFICATE-----
"""


def _read_variables(lines: Iterable[str]) -> Optional[dict[str, str]]:
    """Returns the variables for AWS that the program exports. None: it did not start."""
    text = ""
    for line in lines:
        if line.startswith(f"export {_LAST}="):
            break
        text += line
    else:
        return None
    words = shlex.split(text)
    exported = (after for word, after in zip(words, words[1:]) if word == "export" and after.startswith("AWS_"))
    return dict(word.removesuffix(";").split("=", 1) for word in exported)


def _message(document: bytes) -> str:
    """Returns the message of a response with an error."""
    try:
        return str(json.loads(document)["message"])
    except (ValueError, KeyError, TypeError):
        return document.decode(errors="replace")


@contextmanager
def _without_settings() -> Iterator[None]:
    """Removes the variables that have an effect on a Config. An empty path means no file."""
    with _environment_lock:
        hidden = {name: value for name, value in os.environ.items() if _is_setting(name)}
        for name in hidden:
            del os.environ[name]
        os.environ.update(_NO_FILES)
        try:
            yield
        finally:
            for name in _NO_FILES:
                del os.environ[name]
            os.environ.update(hidden)


def _is_setting(name: str) -> bool:
    return name.startswith(("AWS_", "SSL_CERT_")) or name.lower().endswith("_proxy")


_NO_FILES = {"AWS_CONFIG_FILE": "", "AWS_SHARED_CREDENTIALS_FILE": ""}
_environment_lock = threading.Lock()


try:
    import pytest
except ImportError:
    # The fixture exists only where there is pytest.
    pass
else:

    @pytest.fixture(name="local_glacier")
    def local_glacier() -> Iterator[LocalGlacier]:
        """A local Glacier with the vault ``examplevault``, for one test."""
        with LocalGlacier() as glacier:
            yield glacier
