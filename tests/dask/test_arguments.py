"""Arguments of upload(), and responses of source functions, that need no cluster."""

import io
from types import SimpleNamespace

import pytest

import glacier_mp.distributed
from glacier_mp.distributed._source import SourceReader

DATA = bytes(range(100))


@pytest.mark.parametrize("name", ["size", "part_size", "parts_per_range", "max_losses"])
@pytest.mark.parametrize(("value", "kind"), [(True, TypeError), (False, TypeError), ("5", TypeError), (-1, ValueError)])
def test_rejects_what_is_no_number(name, value, kind):
    """Before a request to the cluster or the service."""
    cluster = SimpleNamespace(asynchronous=False)
    with pytest.raises(kind, match=f"^{name} must be "):
        glacier_mp.distributed.upload(cluster, "vault", __file__, **{name: value})


class Response(io.BytesIO):
    """The response to a request for a range of DATA."""

    status = 206

    def __init__(self, offset, length, headers):
        super().__init__(DATA[offset : offset + length])
        self.headers = headers


def read(*headers, content_range="bytes 10-29/100"):
    """Reads a range once for each of the headers."""
    responses = iter([Response(10, 20, convert(content_range)) for convert in headers])
    reader = SourceReader(lambda offset, length: next(responses), len(DATA))
    return [bytes(reader.read(10, 20)) for _ in headers]


FORMS = {
    "mapping": lambda content_range: {"Content-Range": content_range, "ETag": "1"},
    "lower case": lambda content_range: {"content-range": content_range, "etag": "1"},
    "upper case": lambda content_range: {"CONTENT-RANGE": content_range, "ETAG": "1"},
    "bytes": lambda content_range: {"Content-Range": content_range.encode(), "ETag": b"1"},
    "pairs": lambda content_range: [("Content-Range", content_range), (b"etag", b"1")],
}


@pytest.mark.parametrize("form", FORMS)
def test_understands_every_form_of_headers(form):
    def with_other_etag(content_range):
        return {"Content-Range": content_range, "ETag": "2"}

    assert read(FORMS[form], FORMS["mapping"]) == [DATA[10:30]] * 2
    with pytest.raises(OSError, match="ETag 1"):
        read(FORMS[form], with_other_etag)
    with pytest.raises(OSError, match="Content-Range 'bytes 11-30/100'"):
        read(FORMS[form], content_range="bytes 11-30/100")


def test_rejects_range_of_too_many_digits():
    with pytest.raises(OSError, match="the HTTP response has Content-Range") as caught:
        read(FORMS["mapping"], content_range=f"bytes 10-{'2' * 5000}/100")
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(("number", "kind"), [(-5, ValueError), (1000, ValueError), (True, TypeError)])
def test_rejects_wrong_number_of_bytes_read(number, kind):
    file = SimpleNamespace(read=None, readinto=lambda buffer: number, close=lambda: None)
    with pytest.raises(kind, match=r"readinto\(\) of the source returned"):
        SourceReader(lambda offset, length: file, len(DATA)).read(0, 10)


@pytest.mark.parametrize("name", ["progress", "source", "config"])
@pytest.mark.parametrize("value", [5, b"path", ["a"]])
def test_rejects_what_is_not_callable(name, value):
    """Before a request to the cluster or the service."""
    arguments = {"dask_client": SimpleNamespace(asynchronous=False), "vault_name": "vault", "source": __file__}
    with pytest.raises(TypeError, match=f"^{name} must be .*callable, not {type(value).__name__}$"):
        glacier_mp.distributed.upload(**{**arguments, name: value})
