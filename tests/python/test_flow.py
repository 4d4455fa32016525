"""Complete uploads: by run(), by the operations of the service, and resumed."""

from __future__ import annotations

import json
import mmap
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Callable

import pytest

from glacier_mp import Archive, GlacierError, State, StoppedError, TreeHash, Upload
from local import MIB, VAULT, Glacier, content, wait_until

SIZE = 2 * MIB + 5


def mapped(path: Path) -> mmap.mmap:
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


SOURCES: dict[str, Callable[[Path], Any]] = {
    "path": lambda path: path,
    "str": str,
    "bytes": Path.read_bytes,
    "bytearray": lambda path: bytearray(path.read_bytes()),
    "memoryview": lambda path: memoryview(b"--" + path.read_bytes())[2:],
    "mmap": mapped,
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    # The name is not ASCII.
    path = tmp_path / "archive-ä.bin"
    path.write_bytes(content(SIZE))
    return path


@pytest.mark.parametrize("source", SOURCES)
def test_uploads_every_kind_of_source(glacier: Glacier, path: Path, source: str) -> None:
    with glacier.client() as client:
        archive = client.upload(VAULT, SOURCES[source](path), archive_description="from a test, 100%", part_size=MIB)
    (kept,) = glacier.archives()
    assert glacier.archive(archive.archive_id) == path.read_bytes()
    assert kept["description"] == "from a test, 100%"
    assert archive.checksum == kept["tree_hash"] == TreeHash.file(path).hex()
    assert archive.location is not None
    assert archive.location.endswith(archive.archive_id)
    assert len(glacier.requests("UploadMultipartPart")) == 3


def test_uploads_over_https(secure_glacier: tuple[Glacier, Path], path: Path) -> None:
    glacier, ca_file = secure_glacier
    assert glacier.endpoint.startswith("https://")
    with glacier.client(ca_file=ca_file) as client:
        assert client.upload(VAULT, path).checksum == TreeHash.file(path).hex()


def test_reads_settings_from_the_environment(glacier: Glacier, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from glacier_mp import Client

    settings = glacier.settings()
    monkeypatch.setenv("AWS_REGION", settings["region_name"])
    monkeypatch.setenv("AWS_ENDPOINT_URL_GLACIER", settings["endpoint_url"])
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", settings["aws_access_key_id"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", settings["aws_secret_access_key"])
    with Client() as client:
        client.upload(VAULT, path)
    assert len(glacier.archives()) == 1


@pytest.mark.parametrize("state", State)
def test_state_prints_its_name(state: State) -> None:
    assert str(state) == f"{state}" == format(state) == f"{state!s}" == "%s" % state == state.name  # noqa: UP031
    assert f"{state:>15}" == f"{state.name:>15}"
    assert f"{state:d}" == "%d" % state == str(int(state))  # noqa: UP031
    assert repr(state) == f"<State.{state.name}: {state.value}>"
    assert json.dumps(state) == str(int(state))
    assert pickle.loads(pickle.dumps(state)) is state


def test_unknown_state_prints_as_a_name() -> None:
    assert (str(State(99)), f"{State(99)}", int(State(99))) == ("STATE_99",) * 2 + (99,)


def test_properties_before_and_after_a_run(glacier: Glacier, path: Path) -> None:
    with glacier.client() as client, Upload(client, VAULT, path, part_size=MIB) as upload:
        assert (upload.state, upload.upload_id, upload.part_size) == (State.NEW, None, None)
        assert (upload.archive_id, upload.checksum, upload.location) == (None, None, None)
        archive = upload.run()
        assert upload.run() == archive, "a completed upload is not changed"
    assert len(glacier.requests("CompleteMultipartUpload")) == 1
    # The properties remain available after the object is closed.
    assert archive == Archive(upload.archive_id or "", upload.archive_location, upload.checksum)
    assert upload.upload_id is not None
    assert upload.location is not None
    assert upload.location.endswith(upload.upload_id)
    assert (upload.state, upload.part_size, upload.vault_name) == (State.COMPLETED, MIB, VAULT)
    with pytest.raises(GlacierError, match="closed"):
        upload.run()


def test_respects_the_bandwidth_limit(glacier: Glacier) -> None:
    with glacier.client(bandwidth_limit=400_000) as client, Upload(client, VAULT, content(200_000)) as upload:
        upload.run()
        assert upload.progress().elapsed > 0.4, "the limit allows the parts in half a second"


def test_put_part_from_several_threads(glacier: Glacier) -> None:
    data = content(9 * MIB + 1)
    parts = [data[start : start + MIB] for start in range(0, len(data), MIB)]
    with glacier.client() as client, Upload(client, VAULT, part_size=MIB) as upload:
        upload.initiate()
        assert upload.list_parts() == []
        with ThreadPoolExecutor(5) as pool:
            list(pool.map(upload.put_part, range(len(parts)), parts))
        listed = upload.list_parts()
        assert [part.offset for part in listed] == list(range(0, len(data), MIB))
        assert [part.length for part in listed] == [len(part) for part in parts]
        hashes = [TreeHash(part).finish() for part in parts]
        assert [part.checksum for part in listed] == [digest.hex() for digest in hashes]
        archive = upload.complete()
    assert archive.checksum == TreeHash.combine(hashes).hex()
    assert glacier.archive(archive.archive_id) == data


@pytest.mark.parametrize("form", [bytes, bytes.hex])
def test_put_part_rejects_wrong_checksum(glacier: Glacier, form: Callable[[bytes], Any]) -> None:
    with glacier.client() as client, Upload(client, VAULT, part_size=MIB) as upload:
        upload.initiate()
        with pytest.raises(GlacierError) as caught:
            upload.put_part(0, b"data", checksum=form(TreeHash(b"Data").finish()))
        assert caught.value.name == "GLACIER_E_TREE_HASH"
        assert glacier.requests("UploadMultipartPart") == []
        upload.put_part(0, bytearray(b"data"), checksum=form(TreeHash(b"data").finish()))
        upload.complete()


def test_abort_deletes_the_upload(glacier: Glacier) -> None:
    with glacier.client() as client, Upload(client, VAULT) as upload:
        upload.initiate()
        assert len(glacier.uploads()) == 1
        upload.abort()
        assert upload.state is State.ABORTED
    assert glacier.uploads() == []


def test_leaving_the_with_block_keeps_the_upload(glacier: Glacier) -> None:
    with glacier.client() as client, Upload(client, VAULT) as upload:
        upload.initiate()
    assert [kept["upload_id"] for kept in glacier.uploads()] == [upload.upload_id]
    assert glacier.requests("AbortMultipartUpload") == []


@pytest.mark.parametrize("again", ["the same object", "another object", "one call"])
def test_resumes_failed_uploads(glacier: Glacier, path: Path, again: str) -> None:
    glacier.respond_with_error(403, "AccessDeniedException", "CompleteMultipartUpload")
    with glacier.client() as client, Upload(client, VAULT, path, part_size=MIB) as upload:
        with pytest.raises(GlacierError) as caught:
            upload.run()
        assert caught.value.resumable
        assert caught.value.upload_id == upload.upload_id
        if again == "the same object":
            archive = upload.run()
        elif again == "another object":
            with Upload(client, VAULT, path, upload_id=caught.value.upload_id) as other:
                archive = other.run()
                assert other.progress().bytes_resumed == SIZE
        else:
            archive = client.upload(VAULT, path, upload_id=caught.value.upload_id)
    assert glacier.archive(archive.archive_id) == path.read_bytes()
    assert len(glacier.requests("UploadMultipartPart")) == 3, "no part is sent twice"


def test_lists_uploads(glacier: Glacier) -> None:
    before = datetime.now(timezone.utc) - timedelta(seconds=1)
    with glacier.client() as client:
        assert client.list_uploads(VAULT) == []
        made = {}
        for description in ("one", "two", ""):
            with Upload(client, VAULT, archive_description=description, part_size=2 * MIB) as upload:
                upload.initiate()
                made[upload.upload_id] = description or None
        listed = client.list_uploads(VAULT)
    assert {info.upload_id: info.archive_description for info in listed} == made
    assert {info.part_size for info in listed} == {2 * MIB}
    assert all(before <= info.created <= datetime.now(timezone.utc) for info in listed)


def test_list_uploads_can_be_canceled(glacier: Glacier) -> None:
    glacier.fault("stall", "ListMultipartUploads")
    with glacier.client() as client:

        def cancel() -> None:
            wait_until(lambda: glacier.requests("ListMultipartUploads"))
            client.cancel()

        thread = threading.Thread(target=cancel)
        thread.start()
        with pytest.raises(StoppedError) as caught:
            client.list_uploads(VAULT)
        thread.join()
        assert caught.value.name == "GLACIER_E_CANCELED"
        assert client.list_uploads(VAULT) == []
        client.cancel()
        with pytest.raises(StoppedError):
            client.list_uploads(VAULT)
        assert client.list_uploads(VAULT) == []
    client.cancel()
