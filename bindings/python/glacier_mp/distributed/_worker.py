"""The tasks that run on the workers."""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Optional

import distributed

from .._ffi import E_INCOMPLETE, error_of
from ..client import Client
from ..errors import GlacierError, StoppedError
from ..progress import Progress
from ..treehash import TreeHash
from ..upload import Upload
from ._errors import WorkerSourceError, source_errors
from ._settings import Settings
from ._source import DistributedSource, SourceReader, Version, View, file_version, view_of

# A report at most this often, in seconds.
_REPORT_INTERVAL = 0.5


@dataclass(frozen=True)
class Job:
    """What the workers must know of an upload. Its repr, which Dask logs, has no key."""

    name: str
    vault_name: str
    upload_id: str
    source: DistributedSource
    part_size: int
    reference: View
    settings: Settings

    def bytes_of(self, first: int, count: int) -> tuple[int, int]:
        """Returns offset and length of a range of parts."""
        offset = first * self.part_size
        return offset, min(count * self.part_size, self.reference.size - offset)

    def reader(self) -> SourceReader:
        """Returns a reader of the version of the source that the reference saw."""
        return SourceReader(self.source, self.reference.size, self.reference.version.validator)


@dataclass(frozen=True)
class Range:
    """A range of parts: the index of the first, and their number."""

    first: int
    count: int


@dataclass(frozen=True)
class Reading:
    """What one task has read of the source.

    Attributes:
        worker (str): the address of the worker.
        checksums (list of str): the tree hashes of the parts of the range. After send_range the service holds them.
        version (Version or None): the version of the source when the task began; None if its ctime changed meanwhile.
    """

    worker: str
    checksums: list[str]
    version: Optional[Version]

    def is_proved(self, now: Version) -> bool:
        """Returns whether these are the hashes of a source that has this version now."""
        return self.version is not None and self.version.is_trusted and self.version.changed_ns == now.changed_ns


def send_range(job: Job, parts: Range) -> Reading:
    """Sends the missing parts of a range."""
    with _process(job) as process:
        before = process.check_source(job)
        report = _Reporter(process, job, parts)
        if isinstance(job.source, (str, os.PathLike)):
            checksums = _transfer(job, parts, process.client, report)
        else:
            checksums = _put_parts(job, parts, process, report)
        return process.reading(job, before, checksums)


def hash_range(job: Job, parts: Range) -> Reading:
    """Computes the tree hashes of the parts of a range."""
    with _process(job) as process:
        before = process.check_source(job)
        reader = job.reader()
        checksums = []
        for index in range(parts.first, parts.first + parts.count):
            process.check_wanted()
            with _source_errors(process.worker):
                checksums.append(reader.tree_hash(*job.bytes_of(index, 1)))
        return process.reading(job, before, checksums)


def view_range(job: Job, _parts: Range) -> View:
    """Returns what this worker sees of the source now."""
    return view(job.source, job.reference.size)


def view(source: DistributedSource, size: Optional[int]) -> View:
    """Returns what this worker sees of the source."""
    worker = distributed.get_worker()
    with _source_errors(worker):
        return view_of(source, size, _name(worker))


def stop(name: str) -> None:
    """Stops the tasks of an upload in this process. Not a task: the coordinator runs it on all workers."""
    with _lock:
        for (job_name, _), process in _processes.items():
            if job_name == name:
                process.stopped.set()


class _Process:
    """What the tasks of one upload share on this worker: a client with its limits, and the check of the source."""

    def __init__(self, job: Job, worker: distributed.Worker) -> None:
        self.worker = worker
        self.address: str = worker.address
        self.client = job.settings.client()
        self.stopped = threading.Event()
        self._lock = threading.Lock()
        self._checked = False

    def check_source(self, job: Job) -> Version:
        """Returns the version of the source. Each task calls it before and after it reads.

        Raises:
            WorkerSourceError: this worker sees another source than the reference, or the source changed.
        """
        reference = job.reference
        with self._lock:
            if not self._checked:
                self._check(reference, view(job.source, reference.size))
                self._checked = True
        if not isinstance(job.source, (str, os.PathLike)):
            # The reader compares the validator of each range.
            return reference.version
        with _source_errors(self.worker):
            size, version = file_version(job.source)
        self._check(reference, View(_name(self.worker), size, reference.samples, version))
        return version

    def reading(self, job: Job, before: Version, checksums: list[str]) -> Reading:
        """Returns what a task has read, after a check that the source did not change."""
        after = self.check_source(job)
        return Reading(self.address, checksums, before if before.changed_ns == after.changed_ns else None)

    def _check(self, reference: View, own: View) -> None:
        difference = reference.difference(own)
        if difference is not None:
            raise WorkerSourceError(f"a worker sees another source: {difference}", worker=self.address)

    def check_wanted(self) -> None:
        """Raises StoppedError if the upload was stopped, or if this worker is closing."""
        if self.stopped.is_set() or self.worker.status.name in ("closing", "closed", "failed"):
            raise StoppedError(
                "the upload was stopped, or its worker is closing", code=500, name="GLACIER_E_CANCELED", resumable=True
            )


_lock = threading.Lock()
_processes: OrderedDict[tuple[str, str], _Process] = OrderedDict()
# Clients of earlier uploads are kept until this many others were made: no task says that it is the last.
_PROCESSES = 4


@contextmanager
def _process(job: Job) -> Iterator[_Process]:
    worker = distributed.get_worker()
    key = (job.name, worker.address)
    with _lock:
        if key not in _processes:
            _processes[key] = _Process(job, worker)
            while len(_processes) > _PROCESSES:
                _processes.popitem(last=False)
        process = _processes[key]
    try:
        process.check_wanted()
        yield process
    except GlacierError as error:
        error.__dict__.setdefault("worker", process.address)
        raise


class _Reporter:
    """Sends the progress of one attempt at a range to the coordinator, and stops the attempt if it is not wanted."""

    def __init__(self, process: _Process, job: Job, parts: Range) -> None:
        self._process = process
        self._topic = job.name
        self._facts = {"first": parts.first, "attempt": uuid.uuid4().hex, "worker": process.address}
        self._lock = threading.Lock()
        self._next = 0.0
        self.report(0, 0)

    def report(self, stored: int, sent: int) -> None:
        self._process.worker.log_event(self._topic, {**self._facts, "stored": stored, "sent": sent})

    def on_progress(self, progress: Progress, resumed: int = 0) -> None:
        """The progress callback of an upload. `resumed` are bytes that the upload does not count."""
        self._process.check_wanted()
        with self._lock:
            if time.monotonic() < self._next:
                return
            self._next = time.monotonic() + _REPORT_INTERVAL
        self.report(progress.bytes_done + progress.bytes_resumed + resumed, progress.bytes_sent)


def _transfer(job: Job, parts: Range, client: Client, report: _Reporter) -> list[str]:
    """Sends a range of a file. Returns the tree hashes of its parts."""
    with Upload(
        client,
        job.vault_name,
        job.source,  # type: ignore[arg-type]
        upload_id=job.upload_id,
        part_range=(parts.first, parts.count),
        archive_size=job.reference.size,
        progress=report.on_progress,
    ) as upload:
        upload.transfer()
        _report_end(report, upload)
        stored = {part.offset: part.checksum for part in upload.list_parts()}
    checksums = []
    for index in range(parts.first, parts.first + parts.count):
        checksum = stored.get(index * job.part_size)
        if checksum is None:
            raise error_of(E_INCOMPLETE, f"the service acknowledged part {index}, but does not list it")
        checksums.append(checksum)
    return checksums


def _put_parts(job: Job, parts: Range, process: _Process, report: _Reporter) -> list[str]:
    """Sends a range of a source that is a function. Returns the tree hashes of its parts.

    Each part is in memory while it is sent.
    """
    concurrency, memory_limit = job.settings.limits()
    threads = max(1, min(concurrency, memory_limit // job.part_size, parts.count))
    reader = job.reader()
    checksums = []
    resumed = 0
    with Upload(
        process.client,
        job.vault_name,
        upload_id=job.upload_id,
        archive_size=job.reference.size,
        progress=lambda progress: report.on_progress(progress, resumed),
    ) as upload:
        # Bytes of another length can have the same tree hash.
        stored = {(part.offset, part.length, part.checksum) for part in upload.list_parts()}

        def put(index: int) -> tuple[str, int]:
            """Sends a part unless it is stored. Returns its tree hash, and the bytes of it that were stored before."""
            offset, length = job.bytes_of(index, 1)
            with _source_errors(process.worker):
                data = reader.read(offset, length)
            checksum = TreeHash(data).finish().hex()
            if (offset, length, checksum) in stored:
                return checksum, length
            upload.put_part(index, data, checksum)
            return checksum, 0

        with ThreadPoolExecutor(threads, thread_name_prefix="glacier_mp") as pool:
            futures = [pool.submit(put, index) for index in range(parts.first, parts.first + parts.count)]
            for future in futures:
                try:
                    checksum, stored_before = future.result()
                except BaseException:
                    pool.shutdown(wait=False, cancel_futures=True)
                    upload.cancel()
                    raise
                checksums.append(checksum)
                resumed += stored_before
        _report_end(report, upload, resumed)
    return checksums


def _report_end(report: _Reporter, upload: Upload, resumed: int = 0) -> None:
    progress = upload.progress()
    report.report(progress.bytes_done + progress.bytes_resumed + resumed, progress.bytes_sent)


def _source_errors(worker: distributed.Worker) -> AbstractContextManager[None]:
    """Names the worker in errors of the source."""
    return source_errors(_name(worker), worker.address)


def _name(worker: distributed.Worker) -> str:
    return f"worker {worker.name} ({worker.address})"
