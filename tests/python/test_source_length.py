"""Sources that declare their length: a source that ends early creates no archive."""

from __future__ import annotations

import bz2
import contextlib
import email.message
import gzip
import http.client
import io
import lzma
import os
import socketserver
import tarfile
import threading
import urllib.request
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, Callable, Optional
from urllib.response import addinfourl

import pytest
import requests
import urllib3

from glacier_mp import LocalError, Progress, Upload, UsageError
from local import MIB, VAULT, FileWith, Glacier, content

SIZE = 3 * MIB + 77
DATA = content(SIZE)
PACKED = gzip.compress(os.urandom(SIZE), 1)
PLAIN = gzip.decompress(PACKED)
# Compressed data of two members each.
COMPRESSORS: dict[str, Any] = {"gz": gzip, "bz2": bz2, "xz": lzma}
MEMBERS = {name: [module.compress(DATA[:MIB]), module.compress(DATA[MIB:])] for name, module in COMPRESSORS.items()}
# The number of bytes that the server sends of a truncated body.
CUT = 2 * MIB + 5
PART = "UploadMultipartPart"


class Handler(BaseHTTPRequestHandler):
    """Serves DATA. The path selects variants, which can be combined.

    - /cut: the body is truncated
    - /gzip: PACKED instead of DATA, with a Content-Encoding
    - /chunked: chunked transfer encoding, without a Content-Length
    - /close: no Content-Length; the body ends with the connection
    - /members/gz, /members/bz2, /members/xz: MEMBERS instead of DATA; a truncated body has the first member
    """

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.close_connection = True
        body = PACKED if "gzip" in self.path else DATA
        cut = CUT
        if "members" in self.path:
            members = MEMBERS[self.path.rpartition("/")[2]]
            body, cut = b"".join(members), len(members[0])
        sent = body[:cut] if "cut" in self.path else body
        self.send_response(200)
        if "gzip" in self.path:
            self.send_header("Content-Encoding", "gzip")
        if "chunked" in self.path:
            self.send_header("Transfer-Encoding", "chunked")
        elif "close" not in self.path:
            self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        if "chunked" in self.path:
            for start in range(0, len(sent), MIB):
                piece = sent[start : start + MIB]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            sent = b"" if "cut" in self.path else b"0\r\n\r\n"
        self.wfile.write(sent)

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


class Server(socketserver.ThreadingMixIn, HTTPServer):
    daemon_threads = True


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


Open = Callable[[int, str, contextlib.ExitStack], Any]


def by_http_client(port: int, path: str, stack: contextlib.ExitStack) -> Any:
    connection = stack.enter_context(contextlib.closing(http.client.HTTPConnection("127.0.0.1", port)))
    connection.request("GET", path)
    return stack.enter_context(connection.getresponse())


def by_urlopen(port: int, path: str, stack: contextlib.ExitStack) -> Any:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    return stack.enter_context(opener.open(f"http://127.0.0.1:{port}{path}"))


def by_urllib3(**arguments: Any) -> Open:
    def response(port: int, path: str, stack: contextlib.ExitStack) -> Any:
        pool = stack.enter_context(urllib3.HTTPConnectionPool("127.0.0.1", port))
        response: Any = pool.urlopen("GET", path, preload_content=False, retries=False, **arguments)
        # As in urllib3 1, and in requests with it: a truncated response raises no exception.
        response.enforce_content_length = False
        stack.callback(response.close)
        return response

    return response


def by_requests(port: int, path: str, stack: contextlib.ExitStack) -> Any:
    session = stack.enter_context(requests.Session())
    session.trust_env = False
    response = stack.enter_context(session.get(f"http://127.0.0.1:{port}{path}", stream=True))
    response.raw.enforce_content_length = False
    return response


class Wrapper:
    """A wrapper that forwards all attributes except read, like the progress bars of some libraries."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def read(self, size: int) -> bytes:
        data: bytes = self._file.read(size)
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


CLIENTS: dict[str, Open] = {
    "http.client": by_http_client,
    "urlopen": by_urlopen,
    "buffered": lambda *where: io.BufferedReader(by_http_client(*where)),
    "wrapped": lambda *where: Wrapper(by_urlopen(*where)),
    "urllib3": by_urllib3(),
    "urllib3 raw": by_urllib3(decode_content=False),
    "requests": by_requests,
    "requests raw": lambda *where: by_requests(*where).raw,
}


@pytest.fixture
def stack() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.mark.parametrize("client", CLIENTS)
def test_truncated_response_is_source_short(
    glacier: Glacier, server: int, stack: contextlib.ExitStack, client: str
) -> None:
    read = CLIENTS[client](server, "/cut", stack)
    with glacier.client() as to, Upload(to, VAULT, read, part_size=MIB) as upload:
        with pytest.raises(LocalError, match="ended") as caught:
            upload.run()
        error = caught.value
        assert (error.name, error.code, error.resumable) == ("GLACIER_E_SOURCE_SHORT", 102, True)
        assert error.upload_id == upload.upload_id is not None
    assert glacier.archives() == []
    # Resume from the first byte of a complete response.
    again = CLIENTS[client](server, "/whole", stack)
    with glacier.client() as to:
        archive = to.upload(VAULT, again, upload_id=error.upload_id)
    assert glacier.archive(archive.archive_id) == DATA


@pytest.mark.parametrize("how", ["start", "transfer"])
def test_every_call_detects_a_truncated_response(
    glacier: Glacier, server: int, stack: contextlib.ExitStack, how: str
) -> None:
    read = by_urlopen(server, "/cut", stack)
    with glacier.client() as to, Upload(to, VAULT, read, part_size=MIB) as upload:
        with pytest.raises(LocalError) as caught:
            upload.start().result() if how == "start" else upload.transfer()
        assert caught.value.name == "GLACIER_E_SOURCE_SHORT"
        assert caught.value.upload_id == upload.upload_id is not None


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("path", ["/whole", "/chunked", "/close", "/gzip"])
def test_uploads_complete_responses(
    glacier: Glacier, server: int, stack: contextlib.ExitStack, client: str, path: str
) -> None:
    read = CLIENTS[client](server, path, stack)
    with glacier.client() as to:
        archive = to.upload(VAULT, read, part_size=MIB)
    decoded = client in ("urllib3", "requests")
    assert glacier.archive(archive.archive_id) == ((PLAIN if decoded else PACKED) if path == "/gzip" else DATA)


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("path", ["/cut/gzip", "/cut/chunked"])
def test_truncated_response_of_unknown_size_creates_no_archive(
    glacier: Glacier, server: int, stack: contextlib.ExitStack, client: str, path: str
) -> None:
    """An error that the HTTP client detects is raised from the call."""
    read = CLIENTS[client](server, path, stack)
    expected = (LocalError, http.client.IncompleteRead, urllib3.exceptions.HTTPError, requests.RequestException)
    with glacier.client() as to, pytest.raises(expected) as caught:
        to.upload(VAULT, read, part_size=MIB)
    if path == "/cut/gzip":
        assert isinstance(caught.value, LocalError)
        assert caught.value.name == "GLACIER_E_SOURCE_SHORT"
    assert glacier.archives() == []


@pytest.mark.parametrize("name", COMPRESSORS)
@pytest.mark.parametrize("is_buffered", [False, True])
def test_compressed_response_that_ends_between_two_members(
    glacier: Glacier, server: int, stack: contextlib.ExitStack, name: str, is_buffered: bool
) -> None:
    def opened(path: str) -> Any:
        file = COMPRESSORS[name].open(CLIENTS["urlopen"](server, f"{path}/{name}", stack))
        return io.BufferedReader(file) if is_buffered else file

    with glacier.client() as to:
        archive = to.upload(VAULT, opened("/members"), part_size=MIB)
        assert glacier.archive(archive.archive_id) == DATA
        with pytest.raises(LocalError) as caught:
            to.upload(VAULT, opened("/cut/members"), part_size=MIB)
    assert caught.value.name == "GLACIER_E_SOURCE_SHORT"
    assert len(glacier.archives()) == 1


def test_exception_of_the_http_client_is_raised_from_the_call(glacier: Glacier, server: int) -> None:
    with urllib3.HTTPConnectionPool("127.0.0.1", server) as pool:
        response = pool.urlopen("GET", "/cut", preload_content=False, retries=False)
        with glacier.client() as to, pytest.raises(urllib3.exceptions.ProtocolError):
            to.upload(VAULT, response, part_size=MIB)
        response.close()
    assert glacier.archives() == []


@pytest.mark.parametrize("client", ["http.client", "urlopen", "urllib3", "urllib3 raw", "requests raw"])
def test_progress_reports_the_length_of_a_response(
    glacier: Glacier, server: int, stack: contextlib.ExitStack, client: str
) -> None:
    totals = []

    def report(progress: Progress) -> None:
        if progress.parts_done < 4:
            totals.append(progress.bytes_total)

    # The size is known before the last part is stored.
    glacier.fault("delay_answer", PART, millis=600)
    with glacier.client() as to:
        to.upload(VAULT, CLIENTS[client](server, "/whole", stack), part_size=MIB, progress=report)
    assert SIZE in totals
    assert set(totals) <= {None, SIZE}


@pytest.mark.parametrize("client", ["http.client", "urlopen", "urllib3", "urllib3 raw", "requests raw"])
def test_uploads_the_rest_of_a_partly_read_response(
    glacier: Glacier, server: int, stack: contextlib.ExitStack, client: str
) -> None:
    read = CLIENTS[client](server, "/whole", stack)
    assert read.read(1000) == DATA[:1000]
    with glacier.client() as to:
        archive = to.upload(VAULT, read, part_size=MIB)
    assert glacier.archive(archive.archive_id) == DATA[1000:]


def test_rejects_response_read_to_its_end(glacier: Glacier, server: int, stack: contextlib.ExitStack) -> None:
    read = by_urlopen(server, "/whole", stack)
    read.read()
    with glacier.client() as to, pytest.raises(UsageError) as caught:
        to.upload(VAULT, read)
    assert caught.value.name == "GLACIER_E_INVALID"


@pytest.mark.parametrize(("archive_size", "name"), [(CUT, None), (SIZE, "GLACIER_E_SOURCE_SHORT")])
def test_archive_size_takes_precedence_over_the_declared_length(
    glacier: Glacier, server: int, stack: contextlib.ExitStack, archive_size: int, name: Optional[str]
) -> None:
    read = by_urlopen(server, "/cut", stack)
    with glacier.client() as to:
        try:
            archive = to.upload(VAULT, read, part_size=MIB, archive_size=archive_size)
        except LocalError as error:
            assert error.name == name
        else:
            assert name is None
            assert glacier.archive(archive.archive_id) == DATA[:CUT]


def response_with_header(data: bytes, **fields: str) -> Any:
    headers = email.message.Message()
    for name, value in fields.items():
        headers[name.replace("_", "-")] = value
    return addinfourl(io.BytesIO(data), headers, "file:///archive")


class WithLen(io.BufferedIOBase):
    def __init__(self, data: bytes, length: int) -> None:
        self._file = io.BytesIO(data)
        self._length = length

    def __len__(self) -> int:
        return self._length

    def tell(self) -> int:
        return self._file.tell()

    def read(self, size: Optional[int] = -1, /) -> bytes:
        return self._file.read(size)


def advanced(source: Any, size: int) -> Any:
    source.read(size)
    return source


DECLARING: dict[str, Callable[[bytes, int], Any]] = {
    "Content-Length": lambda data, size: response_with_header(data, Content_Length=str(size)),
    "Content-Length, identity": lambda data, size: response_with_header(
        data, content_length=str(size), Content_Encoding="identity"
    ),
    "Content-Length, read in part": lambda data, size: advanced(
        response_with_header(b"head" + data, content_length=str(size + 4)), 4
    ),
    "len": lambda data, size: FileWith(data, "len", size),
    "length": lambda data, size: FileWith(data, "length", size),
    "size": lambda data, size: FileWith(data, "size", size),
    "content_length": lambda data, size: FileWith(data, "content_length", str(size)),
    "__len__": WithLen,
    "__len__, read in part": lambda data, size: advanced(WithLen(b"head" + data, size + 4), 4),
}


@pytest.mark.parametrize("kind", DECLARING)
def test_source_shorter_than_its_declared_length_is_source_short(glacier: Glacier, kind: str) -> None:
    with glacier.client() as to:
        with pytest.raises(LocalError, match=r"ended after \d+ of the \d+ bytes") as caught:
            to.upload(VAULT, DECLARING[kind](DATA[:-1], SIZE), part_size=MIB)
        assert caught.value.name == "GLACIER_E_SOURCE_SHORT"
        assert glacier.archives() == []
        archive = to.upload(VAULT, DECLARING[kind](DATA, SIZE), part_size=MIB)
        assert glacier.archive(archive.archive_id) == DATA


@pytest.mark.parametrize(
    "source",
    [
        lambda: response_with_header(DATA, Content_Length=str(2 * SIZE), Content_Encoding="gzip"),
        lambda: response_with_header(DATA, Content_Length=str(2 * SIZE), Transfer_Encoding="chunked"),
        lambda: FileWith(DATA, "size", (1920, 1080)),
        lambda: FileWith(DATA, "length", None),
        lambda: FileWith(DATA, "len", lambda: 5 * SIZE),
        lambda: FileWith(DATA, "size", 5),
        # The len() of an iterable is the number of its elements.
        lambda: [DATA[:1], DATA[1:]],
    ],
)
def test_ignores_attributes_that_are_not_lengths(glacier: Glacier, source: Callable[[], Any]) -> None:
    with glacier.client() as to:
        archive = to.upload(VAULT, source(), part_size=MIB)
    assert glacier.archive(archive.archive_id) == DATA


@pytest.mark.parametrize("buffering", [-1, 0])
def test_file_truncated_during_the_upload_is_source_short(glacier: Glacier, tmp_path: Path, buffering: int) -> None:
    path = tmp_path / "archive"
    path.write_bytes(DATA)
    glacier.fault("delay_answer", PART, always=True, millis=300)

    def report(progress: Progress) -> None:
        # The first part has been read. The fourth does not fit in memory yet.
        if progress.parts_done:
            os.truncate(path, MIB + 5)

    with path.open("rb", buffering=buffering) as file, glacier.client(concurrency=1, memory_limit=2 * MIB) as to:
        file.seek(3)
        with pytest.raises(LocalError, match=f"{SIZE - 3} bytes") as caught:
            to.upload(VAULT, file, part_size=MIB, progress=report)
    assert caught.value.name == "GLACIER_E_SOURCE_SHORT"


def test_growing_file_is_read_to_its_end(glacier: Glacier, tmp_path: Path) -> None:
    path = tmp_path / "archive"
    path.write_bytes(DATA)
    with path.open("rb") as file, glacier.client() as to, Upload(to, VAULT, file, part_size=MIB) as upload:
        with path.open("ab") as more:
            more.write(b"more")
        archive = upload.run()
    assert glacier.archive(archive.archive_id) == DATA + b"more"


def test_file_length_selects_the_part_size(glacier: Glacier, tmp_path: Path) -> None:
    path = tmp_path / "archive"
    with path.open("w+b") as file, glacier.client() as to:
        # This size needs parts of 256 MiB. Two of them exceed the memory limit, so nothing is sent.
        file.truncate(2 << 40)
        with pytest.raises(UsageError, match="memory"):
            to.upload(VAULT, file)
        assert glacier.requests() == []
        file.truncate(MIB)
        with Upload(to, VAULT, file) as upload:
            upload.run()
            assert upload.part_size == 16 * MIB


def test_file_position_is_that_of_the_first_read(glacier: Glacier, tmp_path: Path) -> None:
    path = tmp_path / "archive"
    path.write_bytes(DATA)
    with path.open("rb") as file, glacier.client() as to, Upload(to, VAULT, file, part_size=MIB) as upload:
        file.seek(5)
        archive = upload.run()
    assert glacier.archive(archive.archive_id) == DATA[5:]


def truncated_tar(path: Path, stack: contextlib.ExitStack) -> Any:
    with tarfile.open(path, "w") as archive:
        member = tarfile.TarInfo("member")
        member.size = SIZE
        archive.addfile(member, io.BytesIO(DATA))
    os.truncate(path, CUT)
    opened = stack.enter_context(tarfile.open(path))  # noqa: SIM115
    return opened.extractfile(next(iter(opened)))


def truncated_zip(path: Path, stack: contextlib.ExitStack) -> Any:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("member", DATA)
    opened = stack.enter_context(zipfile.ZipFile(path))
    os.truncate(path, CUT)
    return opened.open("member")


def truncated_gzip(path: Path, stack: contextlib.ExitStack) -> Any:
    path.write_bytes(PACKED[:CUT])
    return gzip.open(path)


@pytest.mark.parametrize("opened", [truncated_tar, truncated_zip, truncated_gzip])
def test_truncated_archive_member_creates_no_archive(
    glacier: Glacier, tmp_path: Path, stack: contextlib.ExitStack, opened: Callable[[Path, contextlib.ExitStack], Any]
) -> None:
    damaged = (EOFError, tarfile.ReadError, zipfile.BadZipFile)
    with opened(tmp_path / "file", stack) as read, glacier.client() as to, pytest.raises(damaged):
        to.upload(VAULT, read, part_size=MIB)
    assert glacier.archives() == []


def test_buffered_compressed_file_declares_no_length(glacier: Glacier, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(gzip.compress(b"a" + bytes(10)) * 2)
    with gzip.open(path) as file, io.BufferedReader(file) as read, glacier.client() as to:
        archive = to.upload(VAULT, read)
    assert glacier.archive(archive.archive_id) == (b"a" + bytes(10)) * 2
