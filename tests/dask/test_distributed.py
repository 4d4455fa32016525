"""Uploads from the workers of a real local cluster of processes."""

import io
import os
import re

import distributed
import pytest

import glacier_mp
import glacier_mp.distributed
from common import PARTS, SIZE, ReadRange, upload
from glacier_mp.distributed._settings import Settings
from local_glacier import KEY, MIB, REGION, ROOT, VAULT, content


def stored_parts(glacier):
    return [request for request in glacier.requests("UploadMultipartPart") if request["status"] == 204]


def test_exception_of_another_upload_has_no_archive_of_it(dask_client, glacier, source):
    shared = ValueError("shared")
    shared.archive = glacier_mp.Archive("of another upload", None, None)

    def fail(progress):
        raise shared

    with pytest.raises(ValueError, match="shared"):
        upload(dask_client, glacier, source, progress=fail)
    assert not hasattr(shared, "archive") and glacier.archives() == []


def test_workers_send_each_part_once_and_one_process_completes(dask_client, glacier, source):
    reports = []
    archive = upload(dask_client, glacier, source, archive_description="from workers", progress=reports.append)
    assert glacier.archive(archive.archive_id) == content(SIZE)
    assert glacier.archives()[0]["description"] == "from workers"
    assert len(stored_parts(glacier)) == PARTS
    assert len(glacier.requests("InitiateMultipartUpload")) == len(glacier.requests("CompleteMultipartUpload")) == 1
    stored = [report.bytes_stored for report in reports]
    assert stored == sorted(stored) and stored[-1] == reports[-1].bytes_total == SIZE
    assert reports[-1].ranges_done == reports[-1].ranges_total == PARTS
    assert reports[-1].ranges_restarted == 0 and reports[-1].bytes_sent == SIZE
    assert max(report.workers for report in reports) == 2


class ReadRangeAsFile(ReadRange):
    """Returns a file object."""

    def __call__(self, offset, length):
        return io.BytesIO(super().__call__(offset, length))


@pytest.mark.parametrize("function", [ReadRange, ReadRangeAsFile])
def test_source_is_a_function_that_reads_ranges(dask_client, glacier, source, function):
    checksum = glacier_mp.TreeHash(content(SIZE)).finish().hex()
    options = {"size": SIZE, "parts_per_range": 3, "checksum": checksum, "verify": True}
    archive = upload(dask_client, glacier, function(source), **options)
    assert glacier.archive(archive.archive_id) == content(SIZE)
    assert archive.checksum == checksum
    assert len(stored_parts(glacier)) == PARTS


def test_failed_upload_is_resumed_from_the_journal(dask_client, glacier, source, tmp_path):
    class Interruption(Exception):
        pass

    def interrupt(progress):
        if progress.ranges_done >= 4:
            raise Interruption

    journal = tmp_path / "journal"
    with pytest.raises(Interruption):
        upload(dask_client, glacier, source, journal=journal, progress=interrupt)
    archive = upload(dask_client, glacier, source, journal=journal)
    assert glacier.archive(archive.archive_id) == content(SIZE)
    # Two tasks may have been sending when the first call was interrupted.
    assert PARTS <= len(stored_parts(glacier)) <= PARTS + 2
    assert len(glacier.requests("InitiateMultipartUpload")) == 1
    assert upload(dask_client, glacier, source, journal=journal) == archive
    assert len(glacier.requests("CompleteMultipartUpload")) == 1


def test_error_of_a_worker_has_its_address_and_the_upload_id(dask_client, glacier, source):
    glacier.respond_with_error(403, "AccessDeniedException", "UploadMultipartPart", always=True)
    with pytest.raises(glacier_mp.ServiceError) as caught:
        upload(dask_client, glacier, source)
    assert caught.value.worker in dask_client.nthreads()
    assert caught.value.resumable and caught.value.upload_id == glacier.uploads()[0]["upload_id"]
    glacier.clear_faults()
    archive = upload(dask_client, glacier, source, part_size=None, upload_id=caught.value.upload_id)
    assert glacier.archive(archive.archive_id) == content(SIZE)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (content(SIZE - 1), f"sees {SIZE - 1} bytes, but the process that calls upload"),
        (content(SIZE)[:-1] + b"x", f"bytes {SIZE - MIB} to {SIZE} of worker"),
        (None, "cannot read the source: [Errno 2]"),
    ],
    ids=["size", "content", "missing"],
)
def test_worker_that_sees_another_file_is_named(dask_client, glacier, source, tmp_path, monkeypatch, other, message):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    if other is not None:
        (elsewhere / "source").write_bytes(other)
    odd, good = dask_client.nthreads()
    dask_client.run(os.chdir, str(elsewhere), workers=[odd])
    dask_client.run(os.chdir, str(tmp_path), workers=[good])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(glacier_mp.distributed.WorkerSourceError) as caught:
        upload(dask_client, glacier, "/proc/self/cwd/source")
    assert caught.value.worker == odd
    assert odd in str(caught.value) and message in str(caught.value)
    assert caught.value.name == ("GLACIER_E_IO" if other is None else "GLACIER_E_SOURCE_CHANGED")
    assert isinstance(caught.value, FileNotFoundError) == (other is None)
    assert glacier.archives() == []


def become_odd():
    os.environ["ODD"] = "1"


def test_verification_finds_bytes_that_differ_between_workers(dask_client, glacier, source):
    size = 32 * MIB
    source.write_bytes(content(size))
    odd, _ = dask_client.nthreads()
    dask_client.run(become_odd, workers=[odd])
    with pytest.raises(glacier_mp.distributed.WorkerSourceError, match="part 1 differs between workers") as caught:
        upload(dask_client, glacier, ReadRange(source), size=size, verify=True)
    assert caught.value.worker in dask_client.nthreads()
    assert glacier.archives() == []


def test_checksum_of_another_archive_creates_no_archive(dask_client, glacier, source):
    with pytest.raises(glacier_mp.IntegrityError, match="but checksum is 0000") as caught:
        upload(dask_client, glacier, source, checksum="0" * 64)
    assert caught.value.resumable and caught.value.upload_id
    assert glacier.archives() == []


def test_adaptive_cluster_starts_workers_for_the_upload(start_cluster, glacier, source):
    dask_client = start_cluster(0)
    dask_client.cluster.adapt(minimum=0, maximum=3, interval="100ms")
    archive = upload(dask_client, glacier, source, config=glacier.settings(bandwidth_limit=2 * MIB))
    assert glacier.archive(archive.archive_id) == content(SIZE)
    assert len(stored_parts(glacier)) == PARTS


class EndProcess:
    """A source function that ends its worker process when it reads the last part."""

    def __init__(self, path):
        self.path = path

    def __call__(self, offset, length):
        if length < MIB:
            os._exit(1)
        return ReadRange(self.path)(offset, length)


def test_range_that_always_loses_its_worker_is_an_error(dask_client, glacier, source):
    # The range is the last one, or one whose result was lost together with the worker.
    with pytest.raises(glacier_mp.distributed.WorkerLostError, match=r"parts (\d+) to \1 were not sent") as caught:
        upload(dask_client, glacier, EndProcess(source), size=SIZE, max_losses=0)
    assert caught.value.resumable and caught.value.upload_id
    assert glacier.archives() == []


def test_asynchronous_client_and_function_without_size_are_rejected(dask_client, glacier, source):
    with pytest.raises(TypeError, match="needs size"):
        upload(dask_client, glacier, ReadRange(source))
    with pytest.raises(glacier_mp.distributed.WorkerSourceError, match=f"but size is {SIZE + 1}"):
        upload(dask_client, glacier, source, size=SIZE + 1)
    with pytest.raises(TypeError, match="synchronous"):
        glacier_mp.distributed.upload(_Asynchronous(), VAULT, source)
    assert glacier.requests() == []


class _Asynchronous(distributed.Client):
    asynchronous = True

    def __init__(self):
        pass

    def __del__(self):
        pass


def test_program_of_the_manual_runs(dask_client, glacier, source, tmp_path, monkeypatch):
    page = (ROOT / "docs" / "distributed.md").read_text(encoding="utf-8")
    program = re.search(r"^```python\n(import distributed.*?)^```$", page, re.MULTILINE | re.DOTALL)[1]
    program = program.replace("tcp://scheduler:8786", dask_client.scheduler.address)
    program = program.replace("/shared/backup.tar", str(source)).replace('"my-vault"', repr(VAULT))
    environment = {
        "AWS_ENDPOINT_URL_GLACIER": glacier.endpoint,
        "AWS_REGION": REGION,
        **{name.upper(): value for name, value in KEY.items()},
    }
    dask_client.run(set_environment, environment)
    set_environment(environment, monkeypatch.setenv)
    monkeypatch.chdir(tmp_path)
    exec(compile(program, "distributed.md", "exec"), {})
    (archive,) = glacier.archives()
    assert glacier.archive(archive["archive_id"]) == content(SIZE)


def set_environment(values, set_one=os.environ.__setitem__):
    for name, value in values.items():
        set_one(name, value)


def test_repr_of_the_settings_has_no_key():
    assert KEY["aws_secret_access_key"] not in repr(Settings(KEY))
