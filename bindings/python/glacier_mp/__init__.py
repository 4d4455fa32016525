"""Multipart uploads to Amazon Glacier vaults: parallel, resumable, in bounded memory.

    import glacier_mp

    config = glacier_mp.Config(region_name="eu-central-1")   # keys come from the environment
    with glacier_mp.Client(config) as client:
        archive = client.upload("my-vault", "backup.tar", progress=print)
    print(archive.archive_id)

The bytes come from a file, from bytes, bytearray, memoryview or mmap, from a file object or an iterable of bytes, or
are written by the program. Several parts are sent at once, every hash is checked against the service's, and a failure
on the way loses no work: what the service holds already is not sent again. To carry on after one, run again, or later
and elsewhere with the upload's ID; or name a journal, and the same call carries on whatever had stopped it:

    with glacier_mp.Upload(client, "my-vault", "backup.tar", journal="backup.journal") as upload:
        try:
            archive = upload.run()
        except glacier_mp.GlacierError as error:
            if not error.resumable:
                raise
            archive = upload.run()

Config       settings: region, keys, endpoint, memory, timeouts, log
Credentials  keys that expire, as a callable of the program gives them
Client       the way to the service: upload(), list_uploads()
Upload       one upload: all at once with run(), start() or run_async(); written with write() and finish(); or by hand
             with initiate(), put_part() and complete()
UploadStream  the file object to write an archive into, from Upload.stream()
TreeHash     the service's checksum of parts and archives
Plan         how an archive is cut into parts; plan() makes one
Progress     how far an upload is
Source       the type of what can be uploaded; Data the part of it that is memory
GlacierError and its classes: what went wrong

Names are those of boto3 where it has them; a checksum is the SHA-256 tree hash. Sizes are in bytes, times in seconds.
Ctrl-C on the main thread, or an exception in a callback, stops the call in progress and is raised from it; the upload
stays in the vault. While the interpreter ends, in functions of atexit, calls run without a thread of their own: Ctrl-C
may then be raised as a StoppedError.
Python's global lock is free while bytes move. After a fork the child needs a Client of its own. Under gevent and
eventlet other greenlets keep running.
"""

from ._ffi import decoded as _decoded
from ._ffi import lib as _lib
from .client import Client, UploadInfo
from .config import Config
from .credentials import Credentials
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
from .upload import Archive, Part, State, Upload

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
    "plan",
]

__version__ = _decoded(_lib.glacier_version()) or ""
"""The version of the library that runs."""
