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
``environment``.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Optional, Union
from urllib.parse import quote

from . import _arguments
from .client import Client
from .config import Config

__all__ = ["LocalGlacier"]

# The only key that the local Glacier accepts.
_KEY_ID = "AKIAIOSFODNN7EXAMPLE"
_SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


class LocalGlacier:
    """A running local Glacier with one vault. It stops at the end of the ``with`` block, or with this process.

    Args:
        vault_name (str): the name of the vault.
        region_name (str): the region that clients must sign for.
        program (path): the program. Default: the variable GLACIER_EMULATOR, or ``glacier-emulator`` in PATH.
        arguments (str): more options of the program, such as ``--token-seconds``: see its ``--help``.

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
        path = _arguments.path("program", program or os.environ.get("GLACIER_EMULATOR") or "glacier-emulator")
        command = [
            path,
            b"--until-stdin-closes",
            b"--region",
            _arguments.text("region_name", region_name),
            b"--vault",
            _arguments.text("vault_name", vault_name),
            *(_arguments.text("arguments", argument) for argument in arguments),
        ]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.endpoint_url = self._process.stdout.readline().strip()
        if not self.endpoint_url:
            self.close()
            raise RuntimeError(f"{os.fsdecode(path)} did not start: exit status {self._process.returncode}")

    def close(self) -> None:
        """Stops the local Glacier. May be called more than once."""
        if self._process.poll() is None:
            self._process.communicate("")
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()

    @property
    def environment(self) -> dict[str, str]:
        """The variables for programs that use the local Glacier: endpoint, region and key, and no proxy for it.

        AWS_PROFILE and the AWS files of the environment still apply.
        """
        no_proxy = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
        if no_proxy != "*":
            # "*" exempts all hosts, but only alone.
            no_proxy = f"127.0.0.1,{no_proxy}" if no_proxy else "127.0.0.1"
        return {
            "AWS_ENDPOINT_URL_GLACIER": self.endpoint_url,
            "AWS_USE_FIPS_ENDPOINT": "false",
            "AWS_REGION": self.region_name,
            "AWS_DEFAULT_REGION": self.region_name,
            "AWS_ACCESS_KEY_ID": _KEY_ID,
            "AWS_SECRET_ACCESS_KEY": _SECRET,
            "AWS_SESSION_TOKEN": "",
            "no_proxy": no_proxy,
            "NO_PROXY": no_proxy,
        }

    def config(self, **settings: Any) -> Config:
        """Returns a Config for the local Glacier, with these settings of Config in addition.

        The environment and the AWS files have no effect. The method hides their variables for a moment, also from other
        threads.
        """
        defaults: dict[str, Any] = {
            "region_name": self.region_name,
            "endpoint_url": self.endpoint_url,
            "aws_access_key_id": _KEY_ID,
            "aws_secret_access_key": _SECRET,
        }
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
        """Returns the bytes of an archive."""
        return self._admin("GET", f"archives/{quote(_arguments.text('archive_id', archive_id), safe='')}/data")

    def _admin(self, method: str, path: str, document: Optional[dict[str, Any]] = None) -> bytes:
        body = None if document is None else json.dumps(document).encode()
        request = urllib.request.Request(f"{self.endpoint_url}/.admin/{path}", body, method=method)
        # The local Glacier is never behind a proxy.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request) as response:
            content: bytes = response.read()
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
