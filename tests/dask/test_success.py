"""The rule of success: the archive has exactly the bytes of the source of this call."""

import itertools
import os
import re
import time
from dataclasses import replace as replace_fields
from functools import partial

import pytest

import glacier_mp
import glacier_mp.distributed
from common import PARTS, SIZE, ReadRange, running_cluster, upload
from glacier_mp.distributed import WorkerSourceError, _coordinator
from local_glacier import MIB, VAULT, content

OTHER = content(2 * SIZE)[SIZE:]
SOURCE_CHANGED = "GLACIER_E_SOURCE_CHANGED"


def tree_hash(data):
    return glacier_mp.TreeHash(data).finish().hex()


@pytest.fixture(scope="module")
def dask_client():
    with running_cluster(2) as client:
        yield client


@pytest.fixture
def other(tmp_path):
    """Another file of the same size."""
    path = tmp_path / "other"
    path.write_bytes(OTHER)
    return path


def as_path(path):
    return path


def as_function(path):
    return ReadRange(path)


# A finished journal.


@pytest.mark.parametrize("kind", [as_path, as_function])
@pytest.mark.parametrize("options", [{}, {"checksum": tree_hash(OTHER), "verify": True}], ids=["plain", "checked"])
def test_finished_journal_rejects_another_source(dask_client, glacier, source, other, tmp_path, kind, options):
    call = partial(upload, dask_client, glacier, size=SIZE, journal=tmp_path / "journal")
    archive = call(kind(source))
    with pytest.raises(glacier_mp.LocalError, match=re.escape(archive.archive_id)) as caught:
        call(kind(other), **options)
    assert caught.value.name == SOURCE_CHANGED and not caught.value.resumable
    assert len(glacier.archives()) == 1


def test_finished_journal_accepts_a_source_with_equal_bytes(dask_client, glacier, source, other, tmp_path):
    call = partial(upload, dask_client, glacier, journal=tmp_path / "journal")
    archive = call(source)
    other.write_bytes(content(SIZE))
    requests = len(glacier.requests())
    assert call(other, checksum=tree_hash(content(SIZE)), verify=True) == archive
    assert len(glacier.requests()) == requests
    with pytest.raises(glacier_mp.IntegrityError, match="but checksum is 0000"):
        call(source, checksum="0" * 64)


# A source that changes during the call.


class Once:
    """A progress callback that calls a function once, when this many ranges are stored."""

    def __init__(self, ranges, function, *arguments):
        self.ranges = ranges
        self.call = partial(function, *arguments)
        self.called = False

    def __call__(self, progress):
        if progress.ranges_done >= self.ranges and not self.called:
            self.called = True
            self.call()


def rewrite(path):
    with open(path, "r+b") as file:
        file.write(OTHER)


def rewrite_between_samples(path):
    """Modifies a byte that is in no sample of a source of 32 MiB."""
    with open(path, "r+b") as file:
        file.seek(ReadRange.ODD_OFFSET)
        file.write(b"\xff")


def rewrite_and_restore_the_time(path):
    before = os.stat(path)
    rewrite_between_samples(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def replace(path):
    path.with_name("new").write_bytes(OTHER)
    os.replace(path.with_name("new"), path)


@pytest.mark.parametrize("change", [rewrite, replace])
def test_range_of_a_changed_file_is_an_error_of_its_worker(dask_client, glacier, source, change):
    progress = Once(2, change, source)
    with pytest.raises(glacier_mp.LocalError, match="modification time") as caught:
        upload(dask_client, glacier, source, config=glacier.settings(bandwidth_limit=2 * MIB), progress=progress)
    assert progress.called and caught.value.name == SOURCE_CHANGED
    assert caught.value.worker in dask_client.nthreads()
    assert caught.value.resumable and glacier.archives() == []


@pytest.mark.parametrize("change", [rewrite_between_samples, rewrite_and_restore_the_time])
@pytest.mark.parametrize("is_visible", [True, False])
def test_file_that_changes_after_the_last_range_gives_no_archive(
    dask_client, glacier, source, tmp_path, change, is_visible
):
    size = 32 * MIB
    source.write_bytes(content(size))
    path = source
    if not is_visible:
        # The calling process runs in another directory.
        dask_client.run(os.chdir, str(tmp_path))
        path = "/proc/self/cwd/source"
    progress = Once(32, change, source)
    with pytest.raises(WorkerSourceError) as caught:
        upload(dask_client, glacier, path, size=size, progress=progress)
    assert progress.called and caught.value.name == SOURCE_CHANGED
    assert caught.value.resumable and glacier.archives() == []


def age(path):
    """Waits until the times of a file are trusted. Programs cannot set its ctime."""
    time.sleep(max(0, os.stat(path).st_ctime + 2.1 - time.time()))


@pytest.mark.parametrize("is_old", [True, False])
def test_chmod_during_the_upload_does_not_stop_it(dask_client, glacier, source, is_old):
    if is_old:
        age(source)
    archive = upload(dask_client, glacier, source, progress=Once(2, source.chmod, 0o600))
    assert glacier.archive(archive.archive_id) == content(SIZE)


def test_range_that_was_read_before_a_change_of_ctime_is_compared_again(dask_client, glacier, source):
    source.write_bytes(content(32 * MIB))
    age(source)
    progress = Once(32, rewrite_and_restore_the_time, source)
    with pytest.raises(WorkerSourceError, match=r"part 1 (differs between workers|changed)") as caught:
        upload(dask_client, glacier, source, progress=progress)
    assert caught.value.name == SOURCE_CHANGED and glacier.archives() == []


def test_source_whose_ctime_changes_before_each_comparison_gives_no_archive(dask_client, glacier, source, monkeypatch):
    view_of, changes = _coordinator.view_of, itertools.count(1)

    def view_after_change(*arguments):
        view = view_of(*arguments)
        return replace_fields(view, version=replace_fields(view.version, changed_ns=next(changes)))

    monkeypatch.setattr(_coordinator, "view_of", view_after_change)
    with pytest.raises(WorkerSourceError, match="keeps changing") as caught:
        upload(dask_client, glacier, source)
    assert caught.value.name == SOURCE_CHANGED and caught.value.resumable and glacier.archives() == []


def test_function_whose_source_changes_gives_no_archive(dask_client, glacier, source):
    progress = Once(PARTS, rewrite, source)
    with pytest.raises(WorkerSourceError, match="differ from those of") as caught:
        upload(dask_client, glacier, ReadRange(source), size=SIZE, progress=progress)
    assert progress.called and caught.value.name == SOURCE_CHANGED and glacier.archives() == []


def test_stored_part_that_another_program_replaces_gives_no_archive(dask_client, glacier, source):
    def replace_part():
        upload_id = glacier.uploads()[0]["upload_id"]
        client = glacier_mp.Client(glacier_mp.Config(**glacier.settings()))
        with glacier_mp.Upload(client, VAULT, upload_id=upload_id) as other:
            other.put_part(3, OTHER[:MIB])

    with pytest.raises(glacier_mp.IntegrityError, match="part 3") as caught:
        upload(dask_client, glacier, source, progress=Once(PARTS, replace_part))
    assert caught.value.resumable and glacier.archives() == []


# A lost response to Complete.


@pytest.fixture
def completing(dask_client, glacier, source, tmp_path):
    """Returns a function that calls upload() twice with one journal. The first call does not learn the outcome."""

    def run(fault, between=lambda: None, **facts):
        call = partial(upload, dask_client, glacier, source, journal=tmp_path / "journal")
        glacier.fault(fault, "CompleteMultipartUpload", always=True, **facts)
        with pytest.raises(glacier_mp.ServiceError) as caught:
            call(config=glacier.settings(max_attempts=2))
        assert caught.value.name == "GLACIER_E_OUTCOME_UNKNOWN" and caught.value.resumable
        glacier.clear_faults()
        between()
        return call, caught.value.upload_id

    return run


LOST = {"fault": "lost_answer", "then": "close"}
NOT_CARRIED_OUT = {"fault": "status", "status": 503}


@pytest.mark.parametrize("fault", [LOST, NOT_CARRIED_OUT], ids=["carried-out", "not-carried-out"])
@pytest.mark.parametrize("with_id", [False, True])
def test_outcome_of_a_lost_complete_is_learned_with_the_journal(glacier, completing, fault, with_id):
    call, upload_id = completing(**fault)
    archive = call(part_size=None, upload_id=upload_id) if with_id else call()
    assert glacier.archive(archive.archive_id) == content(SIZE)
    assert len(glacier.archives()) == 1


def test_unknown_outcome_without_a_journal_cannot_be_resumed(dask_client, glacier, source):
    glacier.fault("lost_answer", "CompleteMultipartUpload", always=True, then="close")
    with pytest.raises(glacier_mp.ServiceError) as caught:
        upload(dask_client, glacier, source, config=glacier.settings(max_attempts=2))
    assert caught.value.name == "GLACIER_E_OUTCOME_UNKNOWN" and not caught.value.resumable


def test_archive_of_a_lost_complete_is_compared_with_the_source(glacier, source, completing):
    call, _ = completing(**LOST, between=partial(rewrite, source))
    for _ in range(2):
        with pytest.raises(glacier_mp.LocalError, match="completed as archive") as caught:
            call()
        assert caught.value.name == SOURCE_CHANGED and not caught.value.resumable
    assert len(glacier.archives()) == 1


def test_lost_complete_that_is_rejected_resumes_the_upload(glacier, source, completing):
    call, _ = completing(**NOT_CARRIED_OUT, between=partial(rewrite, source))
    glacier.respond_with_error(400, "InvalidParameterValueException", "CompleteMultipartUpload")
    archive = call()
    assert glacier.archive(archive.archive_id) == OTHER
    assert len(glacier.archives()) == 1
