"""The local Glacier as a child process. Shared by tests/python and tests/clients."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any, Callable, Optional, TypeVar
from urllib.parse import quote

ROOT = Path(__file__).resolve().parents[2]
EMULATOR = Path(os.environ.get("GLACIER_EMULATOR") or ROOT / "target" / "debug" / "glacier-emulator")
REGION = "us-east-1"
VAULT = "examplevault"
MIB = 1 << 20
# The only key that the local Glacier accepts, as arguments of boto3 and of glacier_mp.Config.
KEY = {
    "aws_access_key_id": "AKIAIOSFODNN7EXAMPLE",
    "aws_secret_access_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
}

# Variables of a user that lead a program elsewhere.
HOSTILE_ENVIRONMENT = {
    "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
    "AWS_USE_FIPS_ENDPOINT": "true",
    "AWS_USE_DUALSTACK_ENDPOINT": "true",
    "AWS_SESSION_TOKEN": "stale",
    "AWS_SECURITY_TOKEN": "stale",
    "AWS_CREDENTIAL_EXPIRATION": "2012-01-01T00:00:00Z",
    "AWS_PROFILE": "missing",
    "AWS_DEFAULT_PROFILE": "missing",
    "AWS_CONFIG_FILE": __file__,
    "AWS_SHARED_CREDENTIALS_FILE": __file__,
    "AWS_CA_BUNDLE": "/nonexistent.pem",
    "http_proxy": "http://127.0.0.1:1",
    "HTTPS_PROXY": "http://127.0.0.1:1",
    "ALL_PROXY": "http://127.0.0.1:1",
}

T = TypeVar("T")


class LocalGlacier:
    """A running glacier-emulator. With `ca_file` it serves HTTPS and writes its CA certificate there."""

    ca_file: Optional[Path] = None

    def __init__(self, *arguments: str, ca_file: Optional[Path] = None) -> None:
        self.ca_file = ca_file
        if ca_file is not None:
            arguments = ("--tls", "--ca-out", str(ca_file), *arguments)
        command = [str(EMULATOR), "--until-stdin-closes", *arguments]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.endpoint = self._process.stdout.readline().strip()
        assert self.endpoint, "the emulator did not start"

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.communicate("")

    def fault(
        self,
        kind: str,
        operation: Optional[str] = None,
        *,
        part: Optional[int] = None,
        skip: int = 0,
        always: bool = False,
        **facts: Any,
    ) -> None:
        """Injects a fault into the next matching request, or into all of them, after `skip` requests."""
        fault = {
            "operation": operation,
            "part": part,
            "skip": skip,
            "action": {"kind": kind, **facts},
        }
        self.admin("POST", "faults", {**fault, "times": None} if always else fault)

    def respond_with_error(
        self,
        status: int,
        code: str,
        operation: Optional[str] = None,
        *,
        part: Optional[int] = None,
        always: bool = False,
    ) -> None:
        """Sends an error response to the next matching request, or to all of them."""
        body = json.dumps({"code": code, "message": "By script.", "type": "Client"})
        self.fault("status", operation, part=part, always=always, status=status, body=body)

    def clear_faults(self) -> None:
        """Removes all pending faults."""
        self.admin("DELETE", "faults")

    def replace_token(self, token: str) -> None:
        """Expires the valid session tokens and makes this one valid."""
        self.admin("POST", "token", {"session_token": token})

    def set_clock(self, seconds: int) -> None:
        """Sets the service's clock ahead of the real one, in seconds."""
        self.admin("POST", "clock", {"offset": seconds})

    def requests(self, operation: Optional[str] = None) -> list[dict[str, Any]]:
        requests = json.loads(self.admin("GET", "requests"))
        return [request for request in requests if operation in (None, request["operation"])]

    def stalled(self, operation: Optional[str] = None) -> list[dict[str, Any]]:
        """Returns the requests that the emulator has begun to read and to which a stall applies.

        A request that it reads only after `clear_faults` is served. A test that kills a client waits for the stall
        first.
        """
        return [
            request
            for request in self.requests(operation)
            if any(action["kind"] == "stall" for action in request["faults"])
        ]

    def uploads(self) -> list[dict[str, Any]]:
        uploads: list[dict[str, Any]] = json.loads(self.admin("GET", "uploads"))
        return uploads

    def archives(self) -> list[dict[str, Any]]:
        archives: list[dict[str, Any]] = json.loads(self.admin("GET", "archives"))
        return archives

    def archive(self, archive_id: str) -> bytes:
        return self.admin("GET", f"archives/{quote(archive_id, safe='')}/data")

    def admin(self, method: str, path: str, document: Optional[dict[str, Any]] = None) -> bytes:
        """Sends a request to the emulator's admin address and returns the response body."""
        body = None if document is None else json.dumps(document).encode()
        request = urllib.request.Request(f"{self.endpoint}/.admin/{path}", body, method=method)
        handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
        if self.ca_file is not None:
            handlers.append(urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=str(self.ca_file))))
        with urllib.request.build_opener(*handlers).open(request) as response:
            content: bytes = response.read()
        return content


def content(size: int) -> bytes:
    """Returns `size` bytes in which no two parts are equal."""
    return b"".join(number.to_bytes(8, "big") for number in range(-(-size // 8)))[:size]


def wait_until(condition: Callable[[], T], process: Optional[subprocess.Popen[Any]] = None) -> T:
    """Waits until a condition is true, and returns its value. Fails if `process` ends first."""
    while not (result := condition()):
        if process is not None and process.poll() is not None:
            raise AssertionError(f"the program ended with status {process.returncode}: {process.communicate()}")
        time.sleep(0.01)
    return result
