"""Small writes, which are buffered, are rejected where the library rejects a write."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from glacier_mp import GlacierError, Progress, StoppedError, Upload, UsageError
from local import MIB, VAULT, Glacier, child, wait_until

PART = "UploadMultipartPart"


@pytest.fixture
def upload(glacier: Glacier) -> Iterator[Upload]:
    """An Upload whose next small write is buffered."""
    with glacier.client() as client, Upload(client, VAULT, part_size=MIB) as upload:
        upload.write(b"first")
        upload.write(b"buffered")
        yield upload


WRITES: dict[str, Callable[[Upload], Callable[[bytes], Any]]] = {
    "write": lambda upload: upload.write,
    "stream": lambda upload: upload.stream().write,
}


@pytest.mark.parametrize("form", WRITES)
@pytest.mark.parametrize(
    ("end", "name"),
    [
        (Upload.close, "GLACIER_E_STATE"),
        (Upload.cancel, "GLACIER_E_CANCELED"),
        (Upload.abort, "GLACIER_E_CANCELED"),
        (Upload.finish, "GLACIER_E_STATE"),
    ],
)
def test_small_write_is_rejected_after_the_end(
    upload: Upload, form: str, end: Callable[[Upload], object], name: str
) -> None:
    write = WRITES[form](upload)
    end(upload)
    with pytest.raises(GlacierError) as caught:
        write(b"more")
    assert caught.value.name == name


def test_cancel_ends_the_stream(glacier: Glacier, upload: Upload) -> None:
    upload.cancel()
    for call in (lambda: upload.write(b"more"), lambda: upload.write(b""), upload.finish):
        with pytest.raises(StoppedError):
            call()
    assert glacier.archives() == []


def test_small_write_is_rejected_after_a_usage_error_of_a_callback_of_abort(glacier: Glacier) -> None:
    def report(progress: Progress) -> None:
        if is_aborting:
            raise UsageError("of the callback")

    is_aborting = False
    with glacier.client() as client, Upload(client, VAULT, part_size=MIB, progress=report) as upload:
        upload.write(bytes(MIB))
        wait_until(lambda: upload.upload_id)
        upload.write(b"small")
        glacier.fault("stall", "AbortMultipartUpload")
        is_aborting = True
        with pytest.raises(UsageError, match="of the callback"):
            upload.abort()
        is_aborting = False
        with pytest.raises(StoppedError):
            upload.write(b"more")


@pytest.mark.parametrize("call", [Upload.stream, Upload.__enter__])
def test_closed_upload_is_rejected(upload: Upload, call: Callable[[Upload], object]) -> None:
    upload.close()
    with pytest.raises(GlacierError, match="closed") as caught:
        call(upload)
    assert caught.value.name == "GLACIER_E_STATE"


def test_small_write_is_rejected_after_a_failed_write(glacier: Glacier) -> None:
    glacier.respond_with_error(403, "AccessDeniedException", PART)
    with glacier.client() as client, Upload(client, VAULT, part_size=MIB) as upload:
        with pytest.raises(GlacierError):
            while True:
                upload.write(bytes(70_001))
        with pytest.raises(GlacierError) as caught:
            upload.write(b"more")
        assert caught.value.name == "GLACIER_E_ACCESS"


FORK = """
import os, sys, warnings
from glacier_mp import Client, Config, Upload, UsageError
from local import MIB, VAULT, settings
# The thread of a call that has returned may still be ending, and Python warns about forks with threads.
warnings.simplefilter("ignore", DeprecationWarning)
upload = Upload(Client(Config(**settings(sys.argv[1]))), VAULT, part_size=MIB)
upload.write(b"first")
upload.write(b"buffered")
child = os.fork()
if child == 0:
    for write in (upload.write, upload.stream().write):
        try:
            write(b"more")
        except UsageError as error:
            assert error.name == "GLACIER_E_FORKED", error
        else:
            raise AssertionError(write)
    os._exit(0)
_, status = os.waitpid(child, 0)
assert os.waitstatus_to_exitcode(status) == 0
upload.finish()
"""


def test_small_write_is_rejected_in_a_forked_child(glacier: Glacier) -> None:
    ended = child(FORK, glacier.endpoint)
    assert (ended.stderr, ended.returncode) == ("", 0)
    (archive,) = glacier.archives()
    assert glacier.archive(archive["archive_id"]) == b"firstbuffered"
