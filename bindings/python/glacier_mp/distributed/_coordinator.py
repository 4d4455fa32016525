"""The part of an upload that runs in the process that calls upload()."""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import Any, Callable, Optional

import distributed

from .. import _arguments
from .._ffi import E_STATE
from ..errors import GlacierError, IntegrityError
from ..plan import Plan
from ..treehash import TreeHash
from ..upload import Archive, Part, State, Upload
from . import _worker
from ._errors import WorkerLostError, WorkerSourceError
from ._progress import DistributedProgress, Totals
from ._settings import ConfigSource, Settings
from ._source import DistributedSource, View, view_of
from ._worker import Job, Range

# The longest time between two calls of progress, in seconds.
_PROGRESS_INTERVAL = 0.5
# By default there are at least this many ranges, and this many per thread of the cluster. More ranges divide the work
# more evenly, but each task lists all stored parts, 50 per request.
_RANGES = 64
_RANGES_PER_THREAD = 4


def upload(
    dask_client: distributed.Client,
    vault_name: str,
    source: DistributedSource,
    *,
    size: Optional[int] = None,
    config: Optional[ConfigSource] = None,
    archive_description: str = "",
    part_size: Optional[int] = None,
    upload_id: Optional[str] = None,
    journal: Optional[_arguments.StrPath] = None,
    checksum: Optional[str] = None,
    verify: bool = False,
    parts_per_range: Optional[int] = None,
    max_losses: int = 10,
    progress: Optional[Callable[[DistributedProgress], object]] = None,
) -> Archive:
    """Uploads a source from the workers of a Dask cluster, and returns the archive.

    This process initiates the upload, submits one task per range of parts, and completes the upload when all parts are
    stored. A range whose worker is lost is sent by another worker, which skips the stored parts. New workers take part
    as soon as they join, also in an adaptive cluster.

    Each worker compares the source with the reference before it sends its first part: the size, and 16 samples of 1 MiB
    that are spread over the source. The reference is what this process sees, or, if it cannot open the path or the
    source is a function, what the first worker sees.

    After a failure the parts stay in the vault, and the call can be repeated with the same journal, or with
    ``upload_id=error.upload_id``. Ctrl-C and an exception in `progress` stop the tasks and are raised.

    Args:
        dask_client (distributed.Client): a synchronous client of the cluster.
        vault_name (str): an existing vault.
        source (path or callable): a path that leads to the same regular file on all workers; or a function that is
            called with an offset and a length in bytes, on a worker, and returns these bytes or a binary file object
            that supplies them. The function must return the same bytes each time. It is called by several threads. For
            a function, each part is in memory while it is sent.
        size (int): the size of the source in bytes. A function needs it. For a path it is compared with the file.
        config (mapping or callable): the settings of the client in this process and in each worker process: the
            arguments of Config, or a function that returns a Config. The arguments pass through the scheduler, so let
            keys come from the environment or from a function. Default: the environment of each process.
        archive_description, part_size, upload_id (see glacier_mp.Upload): as there.
        journal (path): a file on a local disk of this process. It has the upload ID, so that the same call resumes
            after this process has died.
        checksum (str): the expected tree hash of the archive, 64 hexadecimal digits. If the stored parts have another
            one, no archive is created.
        verify (bool): whether each part is hashed once more after it is stored, on another worker if there is one. It
            detects workers that see other bytes anywhere, and reads the source twice.
        parts_per_range (int): the number of parts per task. Default: such that there are at least 64 ranges, and 4
            ranges per thread of the cluster.
        max_losses (int): how often a range may lose its worker beyond what Dask retries itself ("allowed-failures").
        progress (callable): called with a DistributedProgress on this thread, at least twice a second.

    Raises:
        WorkerSourceError: a worker cannot read the source or sees another one. The message and `worker` name it.
        WorkerLostError: the workers of one range were lost too often.
        IntegrityError: the stored parts do not have the `checksum`.
        GlacierError: as Upload.run. If a worker raised it, it has the attribute `worker`, the worker's address.
        Exception: any exception that `progress` or the source function raised.
    """
    if dask_client.asynchronous:
        raise TypeError("dask_client must be synchronous: create it with asynchronous=False")
    settings = Settings(config)
    reference = _reference(dask_client, source, size)
    with Upload(
        settings.client(),
        vault_name,
        archive_description=archive_description,
        part_size=part_size or (None if upload_id or journal else Plan(reference.size).part_size),
        upload_id=upload_id,
        journal=journal,
        archive_size=reference.size,
    ) as handle:
        try:
            _open(handle, attached=upload_id is not None)
            if handle.state is State.COMPLETED:
                return handle.complete()
            job = Job(
                f"glacier-mp-{uuid.uuid4().hex}",
                vault_name,
                handle.upload_id or "",
                source,
                handle.part_size or 0,
                reference,
                settings,
            )
            ranges = _ranges(reference.size, job.part_size, parts_per_range or _default_count(dask_client, job))
            senders = _send(dask_client, job, ranges, max_losses, progress)
            if verify:
                _verify(dask_client, job, ranges, senders, handle.list_parts(), max_losses)
            if checksum is not None:
                _check(checksum, handle.list_parts())
            return handle.complete()
        except GlacierError as error:
            error.upload_id = handle.upload_id
            error.resumable = error.resumable or handle.state in (State.INITIATED, State.TRANSFERRING)
            raise


def _reference(dask_client: distributed.Client, source: DistributedSource, size: Optional[int]) -> View:
    """Returns the view of the source with which those of all workers are compared."""
    is_path = isinstance(source, (str, os.PathLike))
    if not is_path and size is None:
        raise TypeError("a source that is a function needs size")
    if is_path and os.path.isfile(source):  # type: ignore[arg-type]
        view = view_of(source, None, f"the process that calls upload() on {socket.gethostname()}")
    else:
        future = dask_client.submit(_worker.view, source, size, pure=False)
        view = future.result()
    if size is not None and view.size != size:
        raise WorkerSourceError(f"{view.where} sees a source of {view.size} bytes, but size is {size}")
    return view


def _open(handle: Upload, *, attached: bool) -> None:
    """Initiates the upload, or attaches to the existing one. Then its ID and part size are known."""
    if not attached:
        try:
            handle.initiate()
        except GlacierError as error:
            if error.code != E_STATE or handle.upload_id is None:
                raise
            # The journal has an upload.
            attached = True
    if attached and handle.state is not State.COMPLETED:
        handle.list_parts()


def _default_count(dask_client: distributed.Client, job: Job) -> int:
    threads: int = sum(dask_client.nthreads().values())
    parts = Plan(job.reference.size, job.part_size).part_count
    return max(1, parts // max(_RANGES, _RANGES_PER_THREAD * threads))


def _ranges(size: int, part_size: int, count: int) -> list[Range]:
    parts = Plan(size, part_size).part_count
    return [Range(first, min(count, parts - first)) for first in range(0, parts, count)]


def _send(
    dask_client: distributed.Client,
    job: Job,
    ranges: list[Range],
    max_losses: int,
    progress: Optional[Callable[[DistributedProgress], object]],
) -> dict[Range, str]:
    """Sends all ranges. Returns the worker that sent each."""
    totals = Totals(job.reference.size, {part.first: job.bytes_of(part.first, part.count)[1] for part in ranges})
    senders = {}

    def report() -> None:
        if progress is not None:
            progress(totals.snapshot())

    dask_client.subscribe_topic(job.name, lambda event: totals.add(event[1]))
    try:
        tasks = _Tasks(dask_client, job, max_losses)
        with tasks.running(_worker.send_range, [(part, {}) for part in ranges]):
            for part, worker in tasks.results(report):
                senders[part] = worker
                totals.finish(part.first)
        report()
    finally:
        dask_client.unsubscribe_topic(job.name)
    return senders


def _verify(
    dask_client: distributed.Client,
    job: Job,
    ranges: list[Range],
    senders: dict[Range, str],
    stored: list[Part],
    max_losses: int,
) -> None:
    """Hashes all parts again, on other workers, and compares them with the stored parts."""
    checksums = {part.offset: part.checksum for part in stored}
    workers = list(dask_client.nthreads())
    tasks = _Tasks(dask_client, job, max_losses)
    others = {sender: [worker for worker in workers if worker != sender] for sender in set(senders.values())}
    options = [(part, {"workers": others[senders[part]]} if others[senders[part]] else {}) for part in ranges]
    with tasks.running(_worker.hash_range, options):
        for part, (worker, hashes) in tasks.results(lambda: None):
            for index, checksum in enumerate(hashes, part.first):
                if checksums.get(index * job.part_size) != checksum:
                    raise WorkerSourceError(
                        f"part {index} differs between workers: {senders[part]} sent other bytes than {worker} sees",
                        worker=senders[part],
                    )


def _check(checksum: str, stored: list[Part]) -> None:
    expected = _arguments.tree_hash("checksum", checksum)
    found = TreeHash.combine(bytes.fromhex(part.checksum) for part in stored)
    if found != bytes(expected):
        raise IntegrityError(
            f"the stored parts have the tree hash {found.hex()}, but checksum is {bytes(expected).hex()}",
            code=400,
            name="GLACIER_E_TREE_HASH",
        )


class _Tasks:
    """The tasks of one step, one per range. A task that loses its worker too often for Dask is submitted again."""

    def __init__(self, dask_client: distributed.Client, job: Job, max_losses: int) -> None:
        self._client = dask_client
        self._job = job
        self._max_losses = max_losses
        self._ended: SimpleQueue[tuple[Range, Any]] = SimpleQueue()
        self._futures: dict[Range, Any] = {}
        self._options: dict[Range, dict[str, Any]] = {}
        self._losses: dict[Range, int] = {}

    @contextmanager
    def running(
        self, function: Callable[[Job, Range], Any], ranges: list[tuple[Range, dict[str, Any]]]
    ) -> Iterator[None]:
        """Submits the tasks. Stops those that have not ended when the block ends."""
        self._function = function
        try:
            for part, options in ranges:
                self._options[part] = options
                self._submit(part)
            yield
        finally:
            if self._futures:
                with suppress(Exception):
                    self._client.cancel(list(self._futures.values()))
                    self._client.run(_worker.stop, self._job.name, on_error="ignore")

    def results(self, idle: Callable[[], None]) -> Iterator[tuple[Range, Any]]:
        """Waits for the tasks, and returns their results as they end. Calls `idle` at least twice a second."""
        while self._futures:
            idle()
            try:
                part, future = self._ended.get(timeout=_PROGRESS_INTERVAL)
            except Empty:
                self._release_stranded()
                continue
            if part not in self._futures or self._futures[part] is not future:
                continue
            del self._futures[part]
            if self._is_lost(future):
                self._lost(part)
            else:
                yield part, future.result()

    def _release_stranded(self) -> None:
        """Submits tasks again, for any worker, whose allowed workers have all left the cluster."""
        restricted = [part for part in self._futures if self._options[part]]
        if not restricted:
            return
        workers = set(self._client.nthreads())
        for part in restricted:
            if workers.isdisjoint(self._options[part]["workers"]):
                self._options[part] = {}
                self._client.cancel([self._futures[part]])
                self._submit(part)

    def _submit(self, part: Range) -> None:
        future = self._client.submit(
            self._function,
            self._job,
            part,
            key=f"{self._function.__name__}-{part.first}-{uuid.uuid4().hex}",
            pure=False,
            # Ranges in the order of the source: disks read ahead.
            priority=-part.first,
            **self._options[part],
        )
        self._futures[part] = future
        future.add_done_callback(lambda done, part=part: self._ended.put((part, done)))

    def _is_lost(self, future: distributed.Future) -> bool:
        if future.status in ("cancelled", "lost"):
            return True
        return future.status == "error" and _is_loss(future.exception())

    def _lost(self, part: Range) -> None:
        losses = self._losses[part] = self._losses.get(part, 0) + 1
        if losses > self._max_losses:
            raise WorkerLostError(
                f"parts {part.first} to {part.first + part.count - 1} were not sent: their workers were lost"
                f" {losses} times in a row beyond the retries of Dask; see the logs of the workers"
            )
        self._submit(part)


def _is_loss(error: Optional[BaseException]) -> bool:
    """Returns whether a task failed because of its worker: it died too often, or it was closing."""
    if isinstance(error, distributed.KilledWorker):
        return True
    return isinstance(error, GlacierError) and error.name == "GLACIER_E_CANCELED"
