"""The forms in which a source declares its length: each is compared with the bytes of the source, or is an error."""

from __future__ import annotations

import email.message
import http.client
import io
from typing import Any, Callable
from unittest import mock

import pytest
import urllib3

from glacier_mp import LocalError, Upload, UsageError
from glacier_mp._length import declared_length
from local import VAULT, FileWith, Glacier, content

DATA = content(1000)
SIZE = len(DATA)


class Index:
    """An integer that is not an int, like numpy.int64."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __index__(self) -> int:
        return self.value


class WithLen(FileWith):
    def __init__(self, data: bytes, length: int) -> None:
        super().__init__(data, "length_of_len", length)

    def __len__(self) -> int:
        return int(vars(self)["length_of_len"])


class Remaining(FileWith):
    """A file object that declares how many bytes follow, as urllib3 does."""

    def __init__(self, data: bytes, size: int, convert: Callable[[int], Any]) -> None:
        super().__init__(data, "length_remaining", convert(size))
        self._size = size
        self._convert = convert

    def read(self, size: int) -> bytes:
        data = super().read(size)
        self._size -= len(data)
        self.length_remaining = self._convert(self._size)
        return data


class OnlyGet:
    """Headers that have get() only. It knows one spelling."""

    def __init__(self, name: str, value: str) -> None:
        self.get = {name: value}.get


def attribute(name: str, convert: Callable[[int], Any]) -> Callable[[bytes, int], FileWith]:
    return lambda data, size: FileWith(data, name, convert(size))


def headers(convert: Callable[[int], Any]) -> Callable[[bytes, int], FileWith]:
    return attribute("headers", convert)


def message(*fields: tuple[str, str]) -> email.message.Message:
    message = email.message.Message()
    for name, value in fields:
        message[name] = value
    return message


def response(data: bytes, *lines: str) -> http.client.HTTPResponse:
    """Returns a response of http.client with these header lines."""
    head = "".join(f"{line}\r\n" for line in ("HTTP/1.1 200 OK", "Connection: close", *lines, ""))
    connection = mock.Mock(makefile=lambda *_: io.BytesIO(head.encode() + data))
    response = http.client.HTTPResponse(connection)
    response.begin()
    return response


FORMS: dict[str, Callable[[bytes, int], Any]] = {
    "size: index": attribute("size", Index),
    "size: float": attribute("size", float),
    "size: str": attribute("size", str),
    "size: bytes": attribute("size", lambda size: b"%d" % size),
    "size: leading zeros": attribute("size", lambda size: f"{size:0100}"),
    "length: index": attribute("length", Index),
    "content_length: list": attribute("content_length", lambda size: [str(size)]),
    "content_length: repeated": attribute("content_length", lambda size: f"{size}, {size}"),
    "length_remaining: index": lambda data, size: Remaining(data, size, Index),
    "length_remaining: str": lambda data, size: Remaining(data, size, str),
    "header: str": headers(lambda size: {"Content-Length": str(size)}),
    "header: spaces": headers(lambda size: {"Content-Length": f" {size}\t"}),
    "header: int": headers(lambda size: {"Content-Length": size}),
    "header: index": headers(lambda size: {"Content-Length": Index(size)}),
    "header: bytes": headers(lambda size: {"Content-Length": b"%d" % size}),
    "header: bytes name": headers(lambda size: {b"content-length": b"%d" % size}),
    "header: list": headers(lambda size: {"Content-Length": [str(size)]}),
    "header: list of bytes": headers(lambda size: {"Content-Length": (b"%d" % size,)}),
    "header: repeated": headers(lambda size: {"Content-Length": f"{size}, {size}"}),
    "header: repeated with zeros": headers(lambda size: {"Content-Length": f"{size},0{size}"}),
    "header: upper case": headers(lambda size: {"CONTENT-LENGTH": str(size)}),
    "header: mixed case": headers(lambda size: {"cONTENT-Length": str(size)}),
    "headers: pairs": headers(lambda size: [("Date", "now"), ("Content-Length", str(size))]),
    "headers: pairs of bytes": headers(lambda size: ((b"Content-Length", b"%d" % size),)),
    "headers: message with two fields": headers(
        lambda size: message(("Content-Length", str(size)), ("content-length", str(size)))
    ),
    "headers: get": headers(lambda size: OnlyGet("Content-Length", str(size))),
    "headers: urllib3": headers(lambda size: urllib3.HTTPHeaderDict({"content-length": str(size)})),
    "http.client: repeated": lambda data, size: response(data, f"Content-Length: {size}, {size}"),
}


@pytest.mark.parametrize("form", FORMS)
def test_source_shorter_than_its_declared_length_is_source_short(glacier: Glacier, form: str) -> None:
    with glacier.client() as client:
        with pytest.raises(LocalError, match=r"ended (after|\d+ bytes before)") as caught:
            client.upload(VAULT, FORMS[form](DATA[:-1], SIZE))
        assert caught.value.name == "GLACIER_E_SOURCE_SHORT"
        assert glacier.archives() == []
        archive = client.upload(VAULT, FORMS[form](DATA, SIZE))
    assert glacier.archive(archive.archive_id) == DATA


MANY_DIGITS = "1" * 5000
ODD = type("Odd\x1b[2J\u202e", (), {})()

INVALID: dict[str, Callable[[], Any]] = {
    "header: text": lambda: FileWith(DATA, "headers", {"Content-Length": "many"}),
    "header: negative": lambda: FileWith(DATA, "headers", {"Content-Length": "-5"}),
    "header: negative int": lambda: FileWith(DATA, "headers", {"Content-Length": -5}),
    "header: sign": lambda: FileWith(DATA, "headers", {"Content-Length": "+1000"}),
    "header: empty": lambda: FileWith(DATA, "headers", {"Content-Length": ""}),
    "header: empty element": lambda: FileWith(DATA, "headers", {"Content-Length": "1000,"}),
    "header: other digits": lambda: FileWith(DATA, "headers", {"Content-Length": "\u0661\u0662"}),
    "header: bool": lambda: FileWith(DATA, "headers", {"Content-Length": True}),
    "header: fraction": lambda: FileWith(DATA, "headers", {"Content-Length": 1000.5}),
    "header: object": lambda: FileWith(DATA, "headers", {"Content-Length": object()}),
    "header: object with control characters": lambda: FileWith(DATA, "headers", {"Content-Length": ODD}),
    "header: digits": lambda: FileWith(DATA, "headers", {"Content-Length": MANY_DIGITS}),
    "header: large int": lambda: FileWith(DATA, "headers", {"Content-Length": 10**5000}),
    "header: 2^64": lambda: FileWith(DATA, "headers", {"Content-Length": str(1 << 64)}),
    "header: control characters": lambda: FileWith(DATA, "headers", {"Content-Length": "\x1b[2J\u202e"}),
    "header: different": lambda: FileWith(DATA, "headers", {"Content-Length": "1000, 1001"}),
    "header: different, list": lambda: FileWith(DATA, "headers", {"Content-Length": ["1000", "999"]}),
    "headers: different, two fields": lambda: FileWith(
        DATA, "headers", message(("Content-Length", "1000"), ("Content-Length", "7"))
    ),
    "content_length: text": lambda: FileWith(DATA, "content_length", "many"),
    "content_length: different": lambda: FileWith(DATA, "content_length", ["1000", "1001"]),
    "http.client: text": lambda: response(DATA, "Content-Length: many"),
    "http.client: digits": lambda: response(DATA, f"Content-Length: {MANY_DIGITS}"),
    "http.client: different": lambda: response(DATA, "Content-Length: 1000, 1001"),
    "urllib3: digits": lambda: urllib3.HTTPResponse(
        io.BytesIO(DATA), {"Content-Length": MANY_DIGITS}, preload_content=False
    ),
}


@pytest.mark.parametrize("form", INVALID)
def test_rejects_invalid_content_length(glacier: Glacier, form: str) -> None:
    with glacier.client() as client:
        with pytest.raises(ValueError, match=r"^the source has .*ontent.[Ll]ength.*set archive_size") as caught:
            Upload(client, VAULT, INVALID[form]())
        assert len(str(caught.value)) < 300
        assert str(caught.value).isprintable()
        assert glacier.requests() == []
        # archive_size takes precedence.
        archive = client.upload(VAULT, INVALID[form](), archive_size=SIZE)
    assert glacier.archive(archive.archive_id) == DATA


@pytest.mark.parametrize("name", ["len", "length", "size", "length_remaining"])
@pytest.mark.parametrize("value", [MANY_DIGITS, 10**5000, 1 << 64], ids=["digits", "large int", "2^64"])
def test_rejects_length_of_too_many_digits(glacier: Glacier, name: str, value: Any) -> None:
    with glacier.client() as client, pytest.raises(ValueError, match=rf"^the source has .*{name}, .* archive_size"):
        Upload(client, VAULT, FileWith(DATA, name, value))


def test_rejects_len_that_exceeds_an_index(glacier: Glacier) -> None:
    with glacier.client() as client, pytest.raises(ValueError, match=r"^the source has .*len\(\).* archive_size"):
        Upload(client, VAULT, WithLen(DATA, 1 << 64))


def test_rejects_content_length_above_the_largest_archive(glacier: Glacier) -> None:
    with glacier.client() as client, pytest.raises(UsageError, match="at most 42949672960000 bytes"):
        Upload(client, VAULT, FileWith(DATA, "headers", {"Content-Length": str((10_000 << 32) + 1)}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("size", True),
        ("length_remaining", True),
        ("content_length", False),
        ("content_length", None),
        ("content_length", -1),
        ("content_length", lambda: 5 * SIZE),
        ("size", 1e6 + 0.5),
        ("size", float("inf")),
        ("size", float("nan")),
        ("size", "5 MB"),
        ("length", "10:30"),
        ("headers", {"Content-Length": None}),
        ("headers", {"Content-Length": []}),
        ("headers", {"X-Content-Length": "5000"}),
        ("headers", "Content-Length"),
        ("headers", 5),
        ("headers", [("Content-Length",), None, 7]),
        ("headers", {"Content-Length": "5000", "CONTENT-ENCODING": b"gzip"}),
        ("headers", [("Content-Length", "5000"), (b"transfer-encoding", b"chunked")]),
    ],
)
def test_ignores_what_declares_no_length(glacier: Glacier, name: str, value: Any) -> None:
    source = FileWith(DATA, name, value)
    assert declared_length(source) is None
    with glacier.client() as client:
        archive = client.upload(VAULT, source)
    assert glacier.archive(archive.archive_id) == DATA


def test_mock_declares_no_length(glacier: Glacier) -> None:
    class Mock:
        """Has every attribute, and each is convertible to an integer, as those of a MagicMock."""

        def __init__(self) -> None:
            self.read = io.BytesIO(DATA).read

        def __getattr__(self, name: str) -> Index:
            return Index(5)

    source: Any = Mock()
    with glacier.client() as client:
        archive = client.upload(VAULT, source)
    assert glacier.archive(archive.archive_id) == DATA


def test_rejected_source_is_not_read(glacier: Glacier) -> None:
    source = FileWith(DATA, "headers", {"Content-Length": "many"})
    with glacier.client() as client, pytest.raises(ValueError, match="Content-Length"):
        client.upload(VAULT, source)
    assert source.read(SIZE) == DATA
