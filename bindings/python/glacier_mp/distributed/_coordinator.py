"""The part of an upload that runs in the process that calls upload()."""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from queue import Empty, SimpleQueue
from typing import Any, Callable, Optional

import distributed

from .. import _arguments
from .._ffi import E_OUTCOME_UNKNOWN, E_SOURCE_CHANGED, E_STATE, E_TREE_HASH, error_of
from ..archive import Archive
from ..errors import GlacierError
from ..plan import Plan
from ..treehash import TreeHash
from ..upload import Part, State, Upload
from . import _worker
from ._errors import WorkerLostError, WorkerSourceError, source_errors
from ._progress import DistributedProgress, Totals
from ._settings import ConfigSource, Settings
from ._source import DistributedSource, View, view_of
from ._worker import Job, Range, Reading

# The longest time between two calls of progress, in seconds.
_PROGRESS_INTERVAL = 0.5
# By default there are at least this many ranges, and this many per thread of the cluster. More ranges divide the work
# more evenly, but each task lists all stored parts, 50 per request.
_RANGES = 64
_RANGES_PER_THREAD = 4
# How often ranges are hashed again at most while the ctime of the source changes. A change after the last pass would
# not be noticed, so a source that keeps changing fails.
_MAX_PASSES = 3


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

    Each worker compares the source with the reference before it sends its first part: the size, the modification time
    of a file, and 16 samples of 1 MiB that are spread over the source. The reference is what this process sees, or, if
    it cannot open the path or the source is a function, what the first worker sees.

    The archive has exactly the bytes of the source of this call. Each task compares the modification time of the file,
    or the ETag and Last-Modified of each HTTP response, and this process does so again before Complete, together with
    the samples. If the journal is of a finished upload, the workers read the source and no part is sent. If the
    response to an earlier Complete was lost, the call first determines the outcome.

    After a failure the parts stay in the vault, and the call can be repeated with the same journal, or with
    ``upload_id=error.upload_id``. Ctrl-C and an exception in `progress` stop the tasks and are raised.

    Args:
        dask_client (distributed.Client): a synchronous client of the cluster.
        vault_name (str): an existing vault.
        source (path or callable): a path that leads to the same regular file on all workers; or a function that is
            called with an offset and a length in bytes, on a worker, and returns these bytes or a binary file object
            that ends after them. An HTTP response must have status 206 and the Content-Range that was requested, or
            status 200 if the range is the whole source. The function must return the same bytes each time: a change
            between two calls that no ETag shows is found only in the samples, or with `checksum` or `verify`. It is
            called by several threads. For a function, each part is in memory while it is sent.
        size (int): the size of the source in bytes. A function needs it. For a path it is compared with the file.
        config (mapping or callable): the settings of the client in this process and in each worker process: the
            arguments of Config, or a function that returns a Config. The arguments pass through the scheduler, so let
            keys come from the environment or from a function. Default: the environment of each process.
        archive_description, part_size, upload_id (see glacier_mp.Upload): as there.
        journal (path): a file on a local disk of this process. It has the upload ID, so that the same call resumes
            after this process has died.
        checksum (str): the expected tree hash of the archive, 64 hexadecimal digits. If the source and its parts have
            another one, no archive is created.
        verify (bool): whether each part is hashed once more after it is stored, on another worker if there is one. It
            detects workers that see other bytes anywhere, and reads the source twice.
        parts_per_range (int): the number of parts per task. Default: such that there are at least 64 ranges, and 4
            ranges per thread of the cluster.
        max_losses (int): how often a range may lose its worker beyond what Dask retries itself ("allowed-failures").
        progress (callable): called with a DistributedProgress on this thread, at least twice a second.

    Raises:
        TypeError, ValueError: a value has the wrong type or range.
        WorkerSourceError: a worker cannot read the source or sees another one, and the message and `worker` name it; or
            the source changed. A source that cannot be opened or read, or is not a regular file, has GLACIER_E_IO, and
            the exception is also an OSError such as FileNotFoundError.
        LocalError: with GLACIER_E_SOURCE_CHANGED also if the archive exists and the source has other bytes.
        WorkerLostError: the workers of one range were lost too often.
        IntegrityError: the source does not have the `checksum`, or another program replaced a stored part.
        GlacierError: as Upload.run. If a worker raised it, it has the attribute `worker`, the worker's address.
        Exception: any exception that `progress` or the source function raised. An OSError or EOFError of the function
            becomes a WorkerSourceError. The one of an OSError is of the same built-in class, such as TimeoutError.

    If an exception is raised and the archive exists, the exception has it in the attribute ``archive``.
    """
    if dask_client.asynchronous:
        raise TypeError("dask_client must be synchronous: create it with asynchronous=False")
    if not isinstance(source, (str, os.PathLike)):
        _arguments.callback("source", source, "a path, as a str or an os.PathLike, or callable")
    if config is not None and not isinstance(config, Mapping):
        _arguments.callback("config", config, "a mapping or callable")
    if progress is not None:
        _arguments.callback("progress", progress)
    if size is not None:
        size = _arguments.u64("size", size)
    if part_size is not None:
        part_size = _arguments.u64("part_size", part_size)
    if parts_per_range is not None:
        parts_per_range = _arguments.u32("parts_per_range", parts_per_range)
    max_losses = _arguments.u32("max_losses", max_losses)
    settings = Settings(config)
    expected = None if checksum is None else bytes(_arguments.tree_hash("checksum", checksum))
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
            _open(handle)
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
            if handle.state is State.COMPLETED:
                readings = _hash(dask_client, job, ranges, {}, max_losses)
            else:
                readings = _send(dask_client, job, ranges, max_losses, progress)
            if verify:
                readings = _hash(dask_client, job, ranges, readings, max_losses)
            _check_source(dask_client, job, readings, max_losses)
            checksums = [checksum for part in ranges for checksum in readings[part].checksums]
            return _complete(handle, job, checksums, expected)
        except BaseException as error:
            # The call may also have learned that an earlier Complete created the archive.
            handle._set_archive(error)
            if not isinstance(error, GlacierError):
                raise
            error.upload_id = handle.upload_id
            error.resumable = error.resumable or handle.state in (State.INITIATED, State.TRANSFERRING)
            if error.code == E_OUTCOME_UNKNOWN and journal is None:
                # As in Client.upload: the service does not know an upload ID that has become an archive.
                error.resumable = False
            raise


def _reference(dask_client: distributed.Client, source: DistributedSource, size: Optional[int]) -> View:
    """Returns the view of the source with which those of all workers are compared."""
    if not isinstance(source, (str, os.PathLike)) and size is None:
        raise TypeError("a source that is a function needs size")
    view = _own_view(source) or dask_client.submit(_worker.view, source, size, pure=False).result()
    if size is not None and view.size != size:
        raise WorkerSourceError(f"{view.where} sees a source of {view.size} bytes, but size is {size}")
    return view


def _own_view(source: DistributedSource) -> Optional[View]:
    """Returns what this process sees of the source; None if it is a function, or if this process cannot open it."""
    if not isinstance(source, (str, os.PathLike)) or not os.path.isfile(source) or not os.access(source, os.R_OK):
        return None
    where = f"the process that calls upload() on {socket.gethostname()}"
    with source_errors(where):
        return view_of(source, None, where)


def _open(handle: Upload) -> None:
    """Initiates the upload, or attaches to the existing one. Then its ID and part size are known.

    If the response to an earlier Complete was lost, its outcome is determined first. Then the state is COMPLETED, or
    the service rejected Complete and the upload continues.
    """
    try:
        handle.initiate()
        return
    except GlacierError as error:
        if error.code != E_STATE or handle.upload_id is None:
            raise
    # The upload exists. The call has loaded the journal, if there is one.
    if handle.state is State.COMPLETING:
        _repeat_complete(handle)
    if handle.state is not State.COMPLETED:
        handle.list_parts()


def _repeat_complete(handle: Upload) -> None:
    try:
        handle.complete()
    except GlacierError:
        # After a rejection the upload is as before Complete.
        if handle.state is not State.TRANSFERRING:
            raise


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
) -> dict[Range, Reading]:
    """Sends all ranges. Returns what was read of each."""
    totals = Totals(job.reference.size, {part.first: job.bytes_of(part.first, part.count)[1] for part in ranges})
    readings = {}

    def report() -> None:
        if progress is not None:
            progress(totals.snapshot())

    dask_client.subscribe_topic(job.name, lambda event: totals.add(event[1]))
    try:
        tasks = _Tasks(dask_client, job, max_losses)
        with tasks.running(_worker.send_range, [(part, {}) for part in ranges]):
            for part, reading in tasks.results(report):
                readings[part] = reading
                totals.finish(part.first)
        report()
    finally:
        dask_client.unsubscribe_topic(job.name)
    return readings


def _hash(
    dask_client: distributed.Client,
    job: Job,
    ranges: list[Range],
    before: dict[Range, Reading],
    max_losses: int,
) -> dict[Range, Reading]:
    """Hashes ranges, if possible on other workers than before, and compares them with what was read before."""
    readings = {}
    workers = list(dask_client.nthreads())
    options = []
    for part in ranges:
        others = [worker for worker in workers if part in before and worker != before[part].worker]
        options.append((part, {"workers": others} if others else {}))
    tasks = _Tasks(dask_client, job, max_losses)
    with tasks.running(_worker.hash_range, options):
        for part, reading in tasks.results(lambda: None):
            if part in before:
                _compare(part, before[part], reading)
                # Equal hashes prove that the source had these bytes in between.
                reading = replace(reading, version=reading.version and replace(reading.version, is_trusted=True))
            readings[part] = reading
    return readings


def _compare(part: Range, before: Reading, now: Reading) -> None:
    for index, (old, new) in enumerate(zip(before.checksums, now.checksums), part.first):
        if old == new:
            continue
        if before.worker == now.worker:
            message = f"part {index} changed: {now.worker} reads other bytes than before"
        else:
            message = (
                f"part {index} differs between workers: {before.worker} read other bytes than {now.worker} sees;"
                " one of them sees another file, or the source changed"
            )
        raise WorkerSourceError(message, worker=before.worker)


def _check_source(dask_client: distributed.Client, job: Job, readings: dict[Range, Reading], max_losses: int) -> None:
    """Fails unless the ranges, which were read at different times, are those of the source as it is now.

    Ranges that were read before a change of ctime, or less than 2 s after a change of the file, are hashed again.
    """
    for passes_left in reversed(range(_MAX_PASSES + 1)):
        now = _own_view(job.source) or _worker_view(dask_client, job, max_losses)
        difference = job.reference.difference(now)
        if difference is not None:
            raise WorkerSourceError(f"the source changed during the upload: {difference}")
        unproved = [part for part, reading in readings.items() if not reading.is_proved(now.version)]
        if not unproved:
            return
        if not passes_left:
            raise WorkerSourceError(
                f"the source keeps changing: it was compared {_MAX_PASSES} times, and its ctime changed meanwhile or"
                " differs between workers"
            )
        readings.update(_hash(dask_client, job, unproved, readings, max_losses))


def _worker_view(dask_client: distributed.Client, job: Job, max_losses: int) -> View:
    tasks = _Tasks(dask_client, job, max_losses)
    with tasks.running(_worker.view_range, [(Range(0, Plan(job.reference.size, job.part_size).part_count), {})]):
        ((_, view),) = tasks.results(lambda: None)
    return view  # type: ignore[no-any-return]


def _complete(handle: Upload, job: Job, checksums: list[str], expected: Optional[bytes]) -> Archive:
    """Completes the upload. Fails unless the archive has exactly the parts of the source, with these tree hashes."""
    tree = TreeHash.combine(bytes.fromhex(checksum) for checksum in checksums)
    if handle.state is State.COMPLETED:
        _check_archive(handle.complete(), tree)
    else:
        _check_stored(handle.list_parts(), job, checksums)
    if expected is not None and tree != expected:
        raise error_of(
            E_TREE_HASH, f"the source and its parts have the tree hash {tree.hex()}, but checksum is {expected.hex()}"
        )
    archive = handle.complete()
    _check_archive(archive, tree)
    return archive


def _check_stored(stored: list[Part], job: Job, checksums: list[str]) -> None:
    """Fails if a part was replaced since it was stored. Complete itself finds missing parts."""
    found = {part.offset: part for part in stored}
    for index, checksum in enumerate(checksums):
        offset, length = job.bytes_of(index, 1)
        part = found.get(offset)
        # Bytes of another length can have the same tree hash.
        if part is not None and (part.length, part.checksum) != (length, checksum):
            raise error_of(
                E_TREE_HASH,
                f"the service holds part {index} with {part.length} bytes and the tree hash {part.checksum}, but the"
                f" source has {length} bytes and {checksum}: another program sends parts of this upload; stop it, and"
                " call upload() again",
            )


def _check_archive(archive: Archive, tree: bytes) -> None:
    if archive.checksum != tree.hex():
        raise error_of(
            E_SOURCE_CHANGED,
            f"the source has the tree hash {tree.hex()}, but the archive has {archive.checksum}: the source was"
            f" replaced or modified; the upload is completed as archive {archive.archive_id}; to upload another"
            " archive, use another journal",
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
            verb = "sent" if self._function is _worker.send_range else "read"
            raise WorkerLostError(
                f"parts {part.first} to {part.first + part.count - 1} were not {verb}: their workers were lost"
                f" {losses} times in a row beyond the retries of Dask; see the logs of the workers"
            )
        self._submit(part)


def _is_loss(error: Optional[BaseException]) -> bool:
    """Returns whether a task failed because of its worker: it died too often, or it was closing."""
    if isinstance(error, distributed.KilledWorker):
        return True
    return isinstance(error, GlacierError) and error.name == "GLACIER_E_CANCELED"
