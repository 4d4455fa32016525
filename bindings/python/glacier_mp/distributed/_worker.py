"""The tasks that run on the workers."""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Optional

import distributed

from ..client import Client
from ..errors import GlacierError, StoppedError
from ..progress import Progress
from ..treehash import TreeHash
from ..upload import Upload
from ._errors import WorkerSourceError
from ._settings import Settings
from ._source import DistributedSource, View, read_range, tree_hash_of, view_of

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


@dataclass(frozen=True)
class Range:
    """A range of parts: the index of the first, and their number."""

    first: int
    count: int


def send_range(job: Job, parts: Range) -> str:
    """Sends the missing parts of a range. Returns the address of the worker."""
    with _process(job) as process:
        process.check_source(job)
        report = _Reporter(process, job, parts)
        if isinstance(job.source, (str, os.PathLike)):
            _transfer(job, parts, process.client, report)
        else:
            _put_parts(job, parts, process, report)
    return process.address


def hash_range(job: Job, parts: Range) -> tuple[str, list[str]]:
    """Computes the tree hashes of the parts of a range. Returns the address of the worker, and the hashes."""
    with _process(job) as process:
        process.check_source(job)
        hashes = []
        for index in range(parts.first, parts.first + parts.count):
            process.check_wanted()
            with _source_errors(process.worker):
                hashes.append(tree_hash_of(job.source, *job.bytes_of(index, 1)))
    return process.address, hashes


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

    def check_source(self, job: Job) -> None:
        """Raises WorkerSourceError if this worker sees another file than the coordinator or the first worker."""
        with self._lock:
            if not self._checked:
                own = view(job.source, job.reference.size)
                difference = job.reference.difference(own)
                if difference is not None:
                    raise WorkerSourceError(f"a worker sees another source: {difference}", worker=self.address)
                self._checked = True

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


def _transfer(job: Job, parts: Range, client: Client, report: _Reporter) -> None:
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


def _put_parts(job: Job, parts: Range, process: _Process, report: _Reporter) -> None:
    """Sends a range of a source that is a function. Each part is in memory while it is sent."""
    concurrency, memory_limit = job.settings.limits()
    threads = max(1, min(concurrency, memory_limit // job.part_size, parts.count))
    resumed = 0
    with Upload(
        process.client,
        job.vault_name,
        upload_id=job.upload_id,
        archive_size=job.reference.size,
        progress=lambda progress: report.on_progress(progress, resumed),
    ) as upload:
        stored = {part.offset: part.checksum for part in upload.list_parts()}

        def put(index: int) -> int:
            """Sends a part unless it is stored. Returns the number of bytes that were stored before."""
            offset, length = job.bytes_of(index, 1)
            with _source_errors(process.worker):
                data = read_range(job.source, offset, length)
            checksum = TreeHash(data).finish().hex()
            if stored.get(offset) == checksum:
                return length
            upload.put_part(index, data, checksum)
            return 0

        with ThreadPoolExecutor(threads, thread_name_prefix="glacier_mp") as pool:
            futures = [pool.submit(put, index) for index in range(parts.first, parts.first + parts.count)]
            for future in futures:
                try:
                    resumed += future.result()
                except BaseException:
                    pool.shutdown(wait=False, cancel_futures=True)
                    upload.cancel()
                    raise
        _report_end(report, upload, resumed)


def _report_end(report: _Reporter, upload: Upload, resumed: int = 0) -> None:
    progress = upload.progress()
    report.report(progress.bytes_done + progress.bytes_resumed + resumed, progress.bytes_sent)


@contextmanager
def _source_errors(worker: distributed.Worker) -> Iterator[None]:
    """Names the worker in errors of the source."""
    try:
        yield
    except (OSError, EOFError) as error:
        message = f"{_name(worker)} cannot read the source: {error}"
        raise WorkerSourceError(message, worker=worker.address) from error


def _name(worker: distributed.Worker) -> str:
    return f"worker {worker.name} ({worker.address})"
