"""A local Glacier for one test, and what a test may ask of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any, Callable, Optional, TypeVar
from urllib.parse import quote

import glacier_mp

ROOT = Path(__file__).resolve().parents[2]
EMULATOR = Path(os.environ.get("GLACIER_EMULATOR") or ROOT / "target" / "debug" / "glacier-emulator")
VAULT = "examplevault"
MIB = 1 << 20

T = TypeVar("T")


class Glacier:
    """The emulator, running until the test is over."""

    def __init__(self, *arguments: str) -> None:
        command = [str(EMULATOR), "--until-stdin-closes", *arguments]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.endpoint = self._process.stdout.readline().strip()
        assert self.endpoint, "the emulator did not start"

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.communicate("")

    def settings(self, **more: Any) -> dict[str, Any]:
        return settings(self.endpoint, **more)

    def client(self, **more: Any) -> glacier_mp.Client:
        return glacier_mp.Client(glacier_mp.Config(**self.settings(**more)))

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
        """Lets something go wrong with the next request, or with all, of an operation, after some that pass."""
        fault = {"operation": operation, "part": part, "skip": skip, "action": {"kind": kind, **facts}}
        self._ask("POST", "faults", {**fault, "times": None} if always else fault)

    def refuse(self, status: int, code: str, operation: Optional[str] = None, *, always: bool = False) -> None:
        """Lets the next request, or all, be answered with an error of the service."""
        body = json.dumps({"code": code, "message": "By script.", "type": "Client"})
        self.fault("status", operation, always=always, status=status, body=body)

    def heal(self) -> None:
        self._ask("DELETE", "faults")

    def replace_token(self, token: str) -> None:
        """Lets the session token expire; this one is valid from now on."""
        self._ask("POST", "token", {"session_token": token})

    def set_clock(self, seconds: int) -> None:
        """Sets the service's clock this far ahead of the real one."""
        self._ask("POST", "clock", {"offset": seconds})

    def requests(self, operation: Optional[str] = None) -> list[dict[str, Any]]:
        requests = json.loads(self._ask("GET", "requests"))
        return [request for request in requests if operation in (None, request["operation"])]

    def uploads(self) -> list[dict[str, Any]]:
        uploads: list[dict[str, Any]] = json.loads(self._ask("GET", "uploads"))
        return uploads

    def archives(self) -> list[dict[str, Any]]:
        archives: list[dict[str, Any]] = json.loads(self._ask("GET", "archives"))
        return archives

    def archive(self, archive_id: str) -> bytes:
        return self._ask("GET", f"archives/{quote(archive_id, safe='')}/data")

    def _ask(self, method: str, path: str, document: Optional[dict[str, Any]] = None) -> bytes:
        body = None if document is None else json.dumps(document).encode()
        request = urllib.request.Request(f"{self.endpoint}/.admin/{path}", body, method=method)
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
            content: bytes = answer.read()
        return content


def settings(endpoint: str, **more: Any) -> dict[str, Any]:
    """What a Config needs to get there. One attempt a request: nothing waits to try again."""
    needed: dict[str, Any] = {
        "region_name": "us-east-1",
        "endpoint_url": endpoint,
        "aws_access_key_id": "AKIAIOSFODNN7EXAMPLE",
        "aws_secret_access_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "max_attempts": 1,
    }
    return {**needed, **more}


def content(size: int) -> bytes:
    """Bytes of which no two parts are alike."""
    return b"".join(number.to_bytes(8, "big") for number in range(-(-size // 8)))[:size]


def child(program: str, *arguments: str, **settings: Any) -> subprocess.CompletedProcess[str]:
    """Runs a Python program to its end; it finds the arguments in sys.argv."""
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=child_environment(), **settings)


def child_environment() -> dict[str, str]:
    """The environment of a child that finds this package, and these helpers."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


def until(condition: Callable[[], T]) -> T:
    """Waits for something that another thread or process brings about."""
    while not (result := condition()):
        time.sleep(0.01)
    return result
