"""Sources that are read over HTTP, from servers that respond with other bytes than were requested."""

import re
import threading
import urllib.request
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from common import SIZE, running_cluster, upload
from glacier_mp.distributed import WorkerSourceError
from local_glacier import MIB, ROOT, content


class Server(ThreadingHTTPServer):
    """Serves the bytes of `data`. `respond` returns status, headers and body for a range."""

    daemon_threads = True

    def __init__(self, respond):
        super().__init__(("127.0.0.1", 0), Handler)
        self.respond = respond
        self.data = content(SIZE)
        self.url = f"http://127.0.0.1:{self.server_port}/source"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        first, last = map(int, re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers["Range"]).groups())
        status, headers, body = self.server.respond(self.server, first, last)
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        with suppress(ConnectionError):
            self.wfile.write(body)

    def log_message(self, *_):
        pass


def partial_content(server, first, last, total=SIZE, shift=0, **headers):
    body = server.data[first + shift : last + shift + 1]
    return 206, {"Content-Range": f"bytes {first + shift}-{last + shift}/{total}", **headers}, body


def with_unknown_total(server, first, last):
    return partial_content(server, first, last, total="*")


def ignores_range(server, first, last):
    return 200, {}, server.data


def shifted(server, first, last):
    shift = 1 if first else 0
    return partial_content(server, first, last, shift=shift)


def of_another_size(server, first, last):
    return partial_content(server, first, last, total=SIZE + 1)


def without_content_range(server, first, last):
    return 206, {}, server.data[first : last + 1]


def surplus(server, first, last):
    status, headers, body = partial_content(server, first, last)
    return status, headers, body + b"x"


def error_page(server, first, last):
    return 203, {}, b"e" * (last - first + 1)


def with_new_tag(server, first, last):
    """One part, whose range is that of no sample, is of another version."""
    return partial_content(server, first, last, ETag='"2"' if first == 5 * MIB else '"1"')


def with_new_date(server, first, last):
    modified = f"Sat, 28 Nov 2026 00:00:0{int(first == 5 * MIB)} GMT"
    return partial_content(server, first, last, **{"Last-Modified": modified})


@pytest.fixture(scope="module")
def dask_client():
    with running_cluster(2) as client:
        yield client


@pytest.fixture
def serve():
    opened = []

    def start(respond):
        server = Server(respond)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        opened.append(server)
        return server

    yield start
    for server in opened:
        server.shutdown()
        server.server_close()


class Requester:
    """Requests a range, and does not look at the response."""

    def __init__(self, url):
        self.url = url

    def __call__(self, offset, length):
        request = urllib.request.Request(self.url, headers={"Range": f"bytes={offset}-{offset + length - 1}"})
        return urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request)


def function_of_the_manual(url):
    """Returns the function of docs/distributed.md."""
    page = (ROOT / "docs" / "distributed.md").read_text(encoding="utf-8")
    program = re.search(r"^(def read_range.*?\n)\n", page, re.MULTILINE | re.DOTALL)[1]
    names = {"urllib": urllib, "URL": url}
    exec(compile(program, "distributed.md", "exec"), names)
    return names["read_range"]


@pytest.mark.parametrize("function", [Requester, function_of_the_manual])
@pytest.mark.parametrize("respond", [partial_content, with_unknown_total])
def test_ranges_are_read_over_http(dask_client, glacier, serve, function, respond):
    read_range = function(serve(respond).url)
    archive = upload(dask_client, glacier, read_range, size=SIZE, parts_per_range=3, verify=True)
    assert glacier.archive(archive.archive_id) == content(SIZE)


@pytest.mark.parametrize("verify", [False, True])
@pytest.mark.parametrize("function", [Requester, function_of_the_manual])
def test_server_that_ignores_range_is_rejected(dask_client, glacier, serve, function, verify):
    with pytest.raises(WorkerSourceError, match="200"):
        upload(dask_client, glacier, function(serve(ignores_range).url), size=SIZE, verify=verify)
    assert glacier.archives() == []


def test_response_with_the_whole_source_supplies_the_whole_range(dask_client, glacier, serve):
    server = serve(ignores_range)
    server.data = b"A" * 1000
    archive = upload(dask_client, glacier, Requester(server.url), size=1000)
    assert glacier.archive(archive.archive_id) == server.data


@pytest.mark.parametrize(
    ("respond", "message"),
    [
        (shifted, "Content-Range"),
        (of_another_size, "Content-Range"),
        (without_content_range, "Content-Range"),
        (surplus, "more than"),
        (error_page, "203"),
    ],
)
def test_response_with_another_range_is_rejected(dask_client, glacier, serve, respond, message):
    with pytest.raises(WorkerSourceError, match=message):
        upload(dask_client, glacier, Requester(serve(respond).url), size=SIZE)
    assert glacier.archives() == []


@pytest.mark.parametrize(("respond", "message"), [(with_new_tag, "ETag"), (with_new_date, "Last-Modified")])
def test_source_that_is_replaced_on_the_server_gives_no_archive(dask_client, glacier, serve, respond, message):
    with pytest.raises(WorkerSourceError, match=message) as caught:
        upload(dask_client, glacier, Requester(serve(respond).url), size=SIZE)
    assert caught.value.name == "GLACIER_E_SOURCE_CHANGED" and glacier.archives() == []


class OpenFile:
    """Returns an open file that continues after the range."""

    def __init__(self, path):
        self.path = path

    def __call__(self, offset, length):
        file = open(self.path, "rb")  # noqa: SIM115, the caller closes it
        file.seek(offset)
        return file


def test_file_object_with_more_bytes_than_the_range_is_rejected(dask_client, glacier, source):
    with pytest.raises(WorkerSourceError, match=f"more than the {MIB} bytes"):
        upload(dask_client, glacier, OpenFile(source), size=SIZE)
    assert glacier.archives() == []
