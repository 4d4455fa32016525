"""Worker processes are killed at random while they send parts."""

import os
import random
import signal
import threading
import time

import glacier_mp
import glacier_mp.distributed
from local_glacier import MIB, VAULT, content

KILLS = int(os.environ.get("GLACIER_DASK_KILLS", "20"))
WORKERS = 4
SIZE = 192 * MIB + 1000
PARTS = 193
# Of each worker, in bytes per second, such that the upload outlasts the kills.
BANDWIDTH = 2 * MIB


def test_killed_workers_are_replaced_and_no_stored_part_is_lost(start_cluster, glacier, tmp_path, capsys):
    source = tmp_path / "source"
    source.write_bytes(content(SIZE))
    dask_client = start_cluster(WORKERS)
    seed = int(os.environ.get("GLACIER_DASK_SEED", "0")) or random.SystemRandom().randrange(1 << 32)
    killer = Killer(dask_client, random.Random(seed))
    started = time.monotonic()
    killer.start()
    try:
        reports = []
        archive = glacier_mp.distributed.upload(
            dask_client,
            VAULT,
            source,
            config=glacier.settings(bandwidth_limit=BANDWIDTH, concurrency=4),
            part_size=MIB,
            parts_per_range=8,
            progress=lambda progress: (reports.append(progress), killer.see(progress)),
        )
    finally:
        killer.stop()
    seconds = time.monotonic() - started
    requests = glacier.requests("UploadMultipartPart")
    stored = sum(request["status"] == 204 for request in requests)
    again = reports[-1].ranges_restarted
    with capsys.disabled():
        print(
            f"\nseed {seed}: {WORKERS} workers, {killer.kills} kills, {PARTS} parts, {len(requests)} requests for them,"
            f" {stored - PARTS} parts stored twice, {again} ranges started again, {seconds:.1f} s"
        )
    assert glacier.archive(archive.archive_id) == content(SIZE)
    assert killer.kills == KILLS
    assert len(glacier.requests("InitiateMultipartUpload")) == len(glacier.requests("CompleteMultipartUpload")) == 1
    # A kill loses at most the acknowledgements of the parts in flight of one worker.
    assert stored <= PARTS + KILLS * 4


class Killer(threading.Thread):
    """Kills a random worker process each time another share of the archive is stored."""

    def __init__(self, dask_client, choices):
        super().__init__(daemon=True)
        self.kills = 0
        self._client = dask_client
        self._choices = choices
        self._stored = 0
        self._stopped = threading.Event()

    def see(self, progress):
        self._stored = progress.bytes_stored

    def run(self):
        while self.kills < KILLS and not self._stopped.wait(self._choices.uniform(0, 0.3)):
            if self._stored < SIZE * (self.kills + 1) // (KILLS + 4):
                continue
            pids = list(self._client.run(os.getpid, on_error="ignore").values())
            if pids:
                os.kill(self._choices.choice(pids), signal.SIGKILL)
                self.kills += 1

    def stop(self):
        self._stopped.set()
        self.join()
