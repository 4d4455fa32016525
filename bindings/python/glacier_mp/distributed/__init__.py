"""One archive from the workers of a Dask cluster.

    import distributed
    import glacier_mp.distributed

    with distributed.Client("tcp://scheduler:8786") as dask_client:
        archive = glacier_mp.distributed.upload(dask_client, "my-vault", "/shared/backup.tar", journal="backup.journal")
    print(archive.archive_id)

The process that calls upload() initiates the upload and completes it. The workers send the parts: each task attaches to
the upload by its ID and sends one range of parts. The data does not pass through the scheduler or this process.

A worker that is lost loses only the parts in flight. Dask runs its task on another worker, which skips the stored parts
with equal tree hashes. Workers may join and leave at any time, as in an adaptive cluster.

The source is a file that all workers see at one path, or a function that reads a range of it.

Installation: the extra `dask` of the package, such as `pip install "./bindings/python[dask]"` in a checkout, here and
on the workers. docs/distributed.md has the details.
"""

from ._coordinator import upload
from ._errors import WorkerLostError, WorkerSourceError
from ._progress import DistributedProgress
from ._source import DistributedSource, ReadRange

__all__ = [
    "DistributedProgress",
    "DistributedSource",
    "ReadRange",
    "WorkerLostError",
    "WorkerSourceError",
    "upload",
]
