"""gevent and eventlet: other greenlets run during calls, and callbacks run in the calling greenlet."""

from __future__ import annotations

import subprocess
import sys

import pytest

from local import Glacier, child_environment

INITIATE = "InitiateMultipartUpload"
PART = "UploadMultipartPart"

LIBRARIES = {
    "gevent": """
import gevent.monkey
{before}
gevent.monkey.patch_all()
{after}
import gevent
from gevent import sleep, spawn
TimedOut = gevent.Timeout
time_limit = gevent.Timeout
current = gevent.getcurrent
def join(greenlets):
    gevent.joinall(greenlets, raise_error=True)
    return [greenlet.value for greenlet in greenlets]
""",
    "eventlet": """
import warnings
# eventlet warns about its deprecation.
warnings.simplefilter("ignore")
import eventlet
{before}
eventlet.monkey_patch()
{after}
from eventlet import sleep, spawn
from eventlet.greenthread import getcurrent as current
TimedOut = eventlet.Timeout
time_limit = eventlet.Timeout
def join(greenlets):
    return [greenlet.wait() for greenlet in greenlets]
""",
}

COMMON = """
import sys, threading, time
import glacier_mp
from glacier_mp import Client, Config, Upload
from local import MIB, VAULT, Glacier, content, settings

def clear_faults():
    glacier = Glacier.__new__(Glacier)
    glacier.endpoint = sys.argv[1]
    glacier.clear_faults()

client = Client(Config(**settings(sys.argv[1])))
data = content(2 * MIB)
ticks = []

def tick():
    while True:
        ticks.append(time.monotonic())
        sleep(0.01)

ticker = spawn(tick)
sleep(0)
"""

UPLOADS = """
def upload(number):
    return client.upload(VAULT, data, part_size=MIB, progress=lambda progress: sleep(0))
archives = join([spawn(upload, number) for number in range(2)])
assert len({archive.archive_id for archive in archives}) == 2
"""

# All kinds of calls in parallel, with callbacks that switch greenlets.
KINDS = """
def read():
    for start in range(0, len(data), MIB // 2):
        sleep(0.001)
        yield data[start : start + MIB // 2]

def run():
    client.upload(VAULT, data, part_size=MIB, progress=lambda progress: sleep(0.001))

def iterate():
    client.upload(VAULT, read(), part_size=MIB)

def start():
    with Upload(client, VAULT, data, part_size=MIB) as upload:
        upload.start().result()

def write():
    with Upload(client, VAULT, part_size=MIB) as upload:
        for piece in read():
            upload.write(piece)
        upload.finish()

def by_hand():
    with Upload(client, VAULT, part_size=MIB) as upload:
        upload.initiate()
        join([spawn(upload.put_part, 0, data[:MIB]), spawn(upload.put_part, 1, data[MIB:])])
        upload.complete()

def stop():
    with Upload(client, VAULT, data, part_size=MIB) as upload:
        upload.initiate()
        upload.abort()

def listing():
    client.list_uploads(VAULT)

join([spawn(kind) for kind in (run, iterate, start, write, by_hand, stop, listing) for _ in range(2)])
"""

# The service does not respond. The call ends only if another greenlet runs and cancels it.
OTHERS_RUN = """
upload = Upload(client, VAULT, part_size=MIB)

def cancel():
    ticks.clear()
    while len(ticks) < 3:
        sleep(0.01)
    upload.cancel()

spawn(cancel)
try:
    upload.initiate()
except glacier_mp.StoppedError:
    pass
else:
    raise AssertionError
"""

CALLBACKS = """
where = []
def upload():
    def read():
        where.append(current())
        yield data
    client.upload(VAULT, read(), part_size=MIB, progress=lambda progress: where.append(current()))
    return current()
greenlets = [spawn(upload) for _ in range(2)]
assert set(join(greenlets)) == set(where), where
"""

EXCEPTIONS = """
class CallbackError(Exception):
    pass

def fail(progress):
    sleep(0)
    raise CallbackError

with Upload(client, VAULT, data, part_size=MIB, progress=fail) as upload:
    try:
        upload.run()
    except CallbackError:
        pass
    else:
        raise AssertionError
"""

# The service does not respond. The timeout of the greenlet library ends the call, and the upload can run again.
TIME_LIMIT = """
with Upload(client, VAULT, data, part_size=MIB) as upload:
    try:
        with time_limit(0.2):
            upload.run()
    except TimedOut:
        pass
    else:
        raise AssertionError
    clear_faults()
    upload.run()
"""

# Other greenlets use the client while the first one runs the credentials callable.
CREDENTIALS = """
def credentials():
    sleep(0.05)
    return settings("")["aws_access_key_id"], settings("")["aws_secret_access_key"]

facts = settings(sys.argv[1])
del facts["aws_access_key_id"], facts["aws_secret_access_key"]
asking = Client(Config(credentials=credentials, **facts))
join([spawn(asking.upload, VAULT, b"data") for _ in range(3)])
"""

CANCEL = """
with Upload(client, VAULT, data, part_size=MIB) as upload:
    def run():
        try:
            upload.run()
        except glacier_mp.StoppedError as error:
            return error.name
    running = spawn(run)
    while upload.progress().parts_in_flight == 0:
        sleep(0.01)
    upload.cancel()
    assert join([running]) == ["GLACIER_E_CANCELED"]
"""

# The file object is in non-blocking mode. It gets bytes only if another greenlet runs.
NON_BLOCKING = """
import os, posix
reader, writer = os.pipe()
for end in (reader, writer):
    os.set_blocking(end, False)

def write():
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[posix.write(writer, rest):]
        except BlockingIOError:
            pass
        sleep(0.001)
    os.close(writer)

spawn(write)
with {open}(reader, "rb") as file:
    archive = client.upload(VAULT, file, part_size=MIB)
glacier = Glacier.__new__(Glacier)
glacier.endpoint = sys.argv[1]
assert glacier.archive(archive.archive_id) == data
"""

NATIVE_THREADS = {
    "gevent": """
pool = gevent.get_hub().threadpool
for task in [pool.spawn(client.upload, VAULT, data, part_size=MIB) for _ in range(2)]:
    task.get()
""",
    "eventlet": """
from eventlet import tpool
join([spawn(tpool.execute, client.upload, VAULT, data, part_size=MIB) for _ in range(2)])
""",
}


def run(glacier: Glacier, library: str, program: str, *, imported_first: bool = False) -> None:
    """Runs a program after monkey patching. The package is imported after or before the patching."""
    pytest.importorskip(library)
    order = {"before": "import glacier_mp" if imported_first else "", "after": ""}
    whole = LIBRARIES[library].format(**order) + COMMON + program + "\nprint('done')\n"
    ended = subprocess.run(
        [sys.executable, "-c", whole, glacier.endpoint],
        capture_output=True,
        text=True,
        env=child_environment(),
        timeout=100,
        check=False,
    )
    assert (ended.stdout, ended.stderr, ended.returncode) == ("done\n", "", 0)


@pytest.fixture(params=LIBRARIES)
def library(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.mark.parametrize("imported_first", [False, True], ids=["patched first", "imported first"])
@pytest.mark.parametrize("program", [UPLOADS, KINDS], ids=["two uploads", "all kinds"])
def test_calls_of_several_greenlets_end(glacier: Glacier, library: str, program: str, imported_first: bool) -> None:
    run(glacier, library, program, imported_first=imported_first)


def test_other_greenlets_run_during_a_call(glacier: Glacier, library: str) -> None:
    glacier.fault("stall", INITIATE, always=True)
    run(glacier, library, OTHERS_RUN)


def test_callbacks_run_in_the_calling_greenlet(glacier: Glacier, library: str) -> None:
    run(glacier, library, CALLBACKS)


def test_callback_exception_is_raised_from_the_call(glacier: Glacier, library: str) -> None:
    run(glacier, library, EXCEPTIONS)


def test_timeout_of_the_library_stops_a_call(glacier: Glacier, library: str) -> None:
    glacier.fault("stall", PART, always=True)
    run(glacier, library, TIME_LIMIT)


def test_cancel_from_another_greenlet(glacier: Glacier, library: str) -> None:
    glacier.fault("stall", PART, always=True)
    run(glacier, library, CANCEL)


def test_credentials_callable_may_switch_greenlets(glacier: Glacier, library: str) -> None:
    run(glacier, library, CREDENTIALS)


def test_calls_from_native_threads(glacier: Glacier, library: str) -> None:
    run(glacier, library, NATIVE_THREADS[library])


def test_others_run_while_a_file_object_has_no_bytes(glacier: Glacier, library: str) -> None:
    run(glacier, library, NON_BLOCKING.format(open="os.fdopen"))


def test_reads_file_objects_of_gevent(glacier: Glacier) -> None:
    run(glacier, "gevent", "from gevent.fileobject import FileObject" + NON_BLOCKING.format(open="FileObject"))
