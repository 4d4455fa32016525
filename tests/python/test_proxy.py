"""Proxies: the parameter of Config, the environment variables, and secrets."""

from __future__ import annotations

import logging
import socketserver
import threading
from collections.abc import Iterator

import pytest

import glacier_mp
from local import Glacier

REFUSAL = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class RefusingProxy(socketserver.ThreadingTCPServer):
    """A proxy that refuses all requests and records their heads."""

    daemon_threads = True

    def __init__(self) -> None:
        self.heads: list[bytes] = []
        super().__init__(("127.0.0.1", 0), Refusal)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


class Refusal(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = self.rfile.readline()
            if not line:
                return
            head += line
        assert isinstance(self.server, RefusingProxy)
        self.server.heads.append(head)
        self.wfile.write(REFUSAL)


@pytest.fixture
def proxy() -> Iterator[RefusingProxy]:
    with RefusingProxy() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def assert_refused(client: glacier_mp.Client, *words: str) -> None:
    with pytest.raises(glacier_mp.TransportError) as caught:
        client.list_uploads("examplevault")
    assert caught.value.http_status == 407
    for word in words:
        assert word in str(caught.value)


def test_parameter_sets_the_proxy_and_hides_the_password(glacier: Glacier, proxy: RefusingProxy) -> None:
    lines: list[str] = []
    url = f"http://user:open-sesame@{proxy.address}"
    with glacier.client(proxy=url, log=lambda level, line: lines.append(line), log_level=logging.DEBUG) as client:
        assert_refused(client, f"http://{proxy.address}", "glacier_config_set_proxy")
    assert len(proxy.heads) == 1
    assert b"Proxy-Authorization: Basic dXNlcjpvcGVuLXNlc2FtZQ==\r\n" in proxy.heads[0]
    assert any(f"the proxy http://{proxy.address} is used" in line for line in lines)
    assert "sesame" not in "".join(lines)
    assert "sesame" not in repr(glacier_mp.Config(proxy=url))


def test_variable_sets_the_proxy(glacier: Glacier, proxy: RefusingProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", proxy.address)
    with glacier.client() as client:
        assert_refused(client, "the environment variable http_proxy")
    with glacier.client(proxy="") as client:
        client.list_uploads("examplevault")
    monkeypatch.setenv("NO_PROXY", "127.0.0.0/8")
    with glacier.client() as client:
        client.list_uploads("examplevault")
    assert len(proxy.heads) == 1


def test_rejects_other_urls() -> None:
    with pytest.raises(glacier_mp.UsageError, match="neither http nor https"):
        glacier_mp.Config(proxy="socks5://127.0.0.1:1080")
    with pytest.raises(glacier_mp.UsageError) as caught:
        glacier_mp.Config(proxy="http://user:open-sesame@host:port")
    assert "sesame" not in str(caught.value)
