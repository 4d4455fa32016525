"""Multipart uploads to Amazon Glacier vaults: parallel, resumable, with bounded memory. ::

    import glacier_mp

    with glacier_mp.Client() as client:   # keys and region come from the environment, a profile or a Config
        archive = client.upload("my-vault", "backup.tar", progress=print)
    print(archive.archive_id)

A source is a file, a bytes, bytearray, memoryview or mmap object, a file object, or an iterable of bytes. A program can
also write the bytes itself. Parts are sent in parallel, and every hash is compared with the service's. After a failure,
stored parts are not sent again. To resume, run the upload again, or start another process with the upload ID or with a
journal::

    with glacier_mp.Upload(client, "my-vault", "backup.tar", journal="backup.journal") as upload:
        try:
            archive = upload.run()
        except glacier_mp.GlacierError as error:
            if not error.resumable:
                raise
            archive = upload.run()

- Config: settings, such as region, keys, endpoint, memory, timeouts and log
- Credentials: keys that expire, returned by a callable of the program; credentials_from() makes one of a boto3 session
- Client: endpoint, account and credentials; upload(), list_uploads()
- Upload: one upload; run(), start() or run_async() for a source; write() and finish() for a stream; initiate(),
  put_part() and complete() for the service's operations
- UploadStream: a writable file object, from Upload.stream()
- TreeHash: the service's checksum of parts and archives
- Plan: the division of an archive into parts; plan() creates one
- Progress: the progress of an upload
- Source: the type of all sources; Data is the type of in-memory sources
- GlacierError: the base class of all exceptions

Names follow boto3 where it has them. A checksum is a SHA-256 tree hash. Sizes are in bytes, times in seconds.

Ctrl-C on the main thread, or an exception in a callback, stops the call in progress and is raised from it. The upload
stays in the vault. During interpreter shutdown (in atexit functions) calls run on the caller's thread. Ctrl-C may then
be raised as a StoppedError.

Calls release the GIL while they transfer data. A forked child must create its own Client. With gevent and eventlet,
other greenlets keep running during a call.
"""

from ._ffi import decoded as _decoded
from ._ffi import lib as _lib
from .archive import Archive
from .client import Client, UploadInfo
from .config import Config
from .credentials import Credentials, credentials_from
from .errors import (
    GlacierError,
    IntegrityError,
    InternalError,
    LocalError,
    ServiceError,
    StoppedError,
    TransportError,
    UsageError,
)
from .plan import Plan, plan
from .progress import Progress
from .source import Data, Source
from .stream import UploadStream
from .treehash import TreeHash
from .upload import Part, State, Upload

__all__ = [
    "Archive",
    "Client",
    "Config",
    "Credentials",
    "Data",
    "GlacierError",
    "IntegrityError",
    "InternalError",
    "LocalError",
    "Part",
    "Plan",
    "Progress",
    "ServiceError",
    "Source",
    "State",
    "StoppedError",
    "TransportError",
    "TreeHash",
    "Upload",
    "UploadInfo",
    "UploadStream",
    "UsageError",
    "credentials_from",
    "plan",
]

__version__ = _decoded(_lib.glacier_version()) or ""
"""The version of the library."""
