"""Lifetimes of buffers, callbacks and handles; interpreter shutdown, forks and subinterpreters."""

from __future__ import annotations

import copy
import io
import itertools
import mmap
import pickle
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Callable

import pytest

from glacier_mp import Config, Progress, StoppedError, TreeHash, Upload, UsageError, plan
from local import MIB, VAULT, Glacier, child, content, wait_until

PART = "UploadMultipartPart"

pytestmark = pytest.mark.usefixtures("without_collector")


class Buffer(bytearray):
    """A bytearray that supports weak references."""


def test_source_buffer_is_exported_until_the_upload_is_closed(glacier: Glacier) -> None:
    data = Buffer(content(MIB))
    gone = weakref.ref(data)
    with glacier.client() as client:
        upload = Upload(client, VAULT, data)
        with pytest.raises(BufferError):
            data.append(0)
        upload.close()
        data.append(0)
        with Upload(client, VAULT, data):
            del data
            assert gone() is not None
        assert gone() is None


def test_mmap_source_cannot_be_closed_before_the_upload(glacier: Glacier) -> None:
    data = mmap.mmap(-1, MIB)
    with glacier.client() as client, Upload(client, VAULT, data) as upload:
        with pytest.raises(BufferError):
            data.close()
        upload.run()
    data.close()


def test_source_buffer_is_released_with_its_upload(glacier: Glacier) -> None:
    client = glacier.client()
    data = Buffer(content(MIB))
    gone = weakref.ref(data)
    upload = Upload(client, VAULT, data)
    upload.run()
    del data, client
    assert gone() is not None
    del upload
    assert gone() is None


def test_source_buffer_outlives_a_running_call(glacier: Glacier) -> None:
    glacier.fault("stall", PART, always=True)
    data = Buffer(content(MIB))
    with glacier.client() as client, ThreadPoolExecutor(2) as pool:
        upload = Upload(client, VAULT, data, part_size=MIB)
        running = pool.submit(upload.run)
        wait_until(lambda: glacier.requests(PART))
        upload.close()
        assert isinstance(running.exception(), StoppedError)
    del running, upload
    data.append(0)


def test_part_buffer_is_exported_only_during_the_call(glacier: Glacier) -> None:
    data = Buffer(content(MIB))
    held = []

    def report(progress: Progress) -> None:
        with suppress(BufferError):
            data.append(0)
            return
        held.append(True)

    with glacier.client() as client, Upload(client, VAULT, part_size=MIB, progress=report) as upload:
        upload.initiate()
        data = Buffer(content(MIB))
        held.clear()
        upload.put_part(0, data)
        assert held
        data.append(0)
        hasher = TreeHash(data)
        data.append(0)
        hasher.update(data)
        data.append(0)


@pytest.mark.parametrize("failing", [False, True])
def test_progress_callback_is_released_with_its_upload(glacier: Glacier, failing: bool) -> None:
    class Report:
        def __call__(self, progress: Progress) -> None:
            if failing:
                raise KeyError("in the callback")

    report = Report()
    gone = weakref.ref(report)
    client = glacier.client()
    upload = Upload(client, VAULT, b"data", progress=report)
    with suppress(KeyError):
        upload.run()
    upload.close()
    del report, upload
    assert gone() is None


def test_log_callback_is_released_with_its_client_and_uploads(glacier: Glacier) -> None:
    class Write:
        def __call__(self, level: int, line: str) -> None:
            pass

    write = Write()
    gone = weakref.ref(write)
    client = glacier.client(log=write)
    upload = Upload(client, VAULT, b"data")
    del write, client
    upload.run()
    assert gone() is not None
    del upload
    assert gone() is None


@pytest.mark.parametrize("how", ["run", "start", "close", "drop"])
def test_stream_source_is_released_with_its_upload(glacier: Glacier, how: str) -> None:
    source = io.BytesIO(b"data")
    gone = weakref.ref(source)
    with glacier.client() as client:
        upload = Upload(client, VAULT, source)
        del source
        assert gone() is not None
        if how == "run":
            upload.run()
        elif how == "start":
            upload.start().result()
        if how != "drop":
            upload.close()
            # The thread may still be ending.
            wait_until(lambda: gone() is None)
        del upload
        wait_until(lambda: gone() is None)


def test_stream_is_released_with_its_last_reference(glacier: Glacier) -> None:
    with glacier.client() as client:
        upload = Upload(client, VAULT, part_size=MIB)
        stream = upload.stream()
        gone = weakref.ref(upload), weakref.ref(stream)
        stream.write(b"data")
        del upload
        stream.write(b"data")
        del stream
        assert (gone[0](), gone[1]()) == (None, None)
    assert glacier.requests() == []


def test_handles_cannot_be_pickled_or_copied(glacier: Glacier) -> None:
    with glacier.client() as client, Upload(client, VAULT) as upload:
        objects = (client, upload, upload.stream(), Config(), TreeHash(), plan(MIB))
        for take, kept in itertools.product((pickle.dumps, copy.copy, copy.deepcopy), objects):
            with pytest.raises(TypeError, match="glacier_mp objects cannot be pickled or copied"):
                take(kept)


def test_upload_outlives_its_client(glacier: Glacier) -> None:
    client = glacier.client()
    upload = Upload(client, VAULT, b"data")
    client.close()
    del client
    upload.run()
    assert len(glacier.archives()) == 1


def test_closed_objects_reject_calls(glacier: Glacier) -> None:
    client = glacier.client()
    upload = Upload(client, VAULT, b"data")
    for closed in (upload, client):
        closed.close()
        closed.close()
        assert "closed" in repr(closed)
    upload.cancel()
    calls: list[Callable[[], object]] = [
        upload.run,
        upload.progress,
        lambda: upload.set_bandwidth_limit(0),
        upload.start,
        upload.transfer,
        lambda: upload.write(b"data"),
        lambda: client.list_uploads(VAULT),
        lambda: Upload(client, VAULT),
    ]
    for call in calls:
        with pytest.raises(UsageError, match="closed") as caught:
            call()
        assert caught.value.name == "GLACIER_E_STATE"


PREAMBLE = """
import atexit, sys, threading
import glacier_mp
from glacier_mp import Client, Config, Plan, TreeHash, Upload
from local import MIB, VAULT, Glacier, content, settings, wait_until

class Watch(Glacier):
    def __init__(self, endpoint): self.endpoint = endpoint

glacier = Watch(sys.argv[1])
config = Config(**settings(glacier.endpoint), log=lambda level, line: None, log_level=10)
client = Client(config)
upload = Upload(client, VAULT, content(MIB), progress=lambda progress: None)
"""


@pytest.mark.parametrize(
    "program",
    [
        "upload.run(); plan = Plan(MIB); tree_hash = TreeHash(b'data')",
        "first = client; second = upload; del client, upload, config",
        "sys.kept = upload; sys.client = client; del upload, client",
        "cycle = [upload, client]; cycle.append(cycle); del upload, client",
        "atexit.register(upload.run)",
        "upload.initiate(); sys.exit(0)",
        "threading.Thread(target=upload.run).start()",
        "glacier.fault('stall', 'UploadMultipartPart')\n"
        "threading.Thread(target=upload.run, daemon=True).start()\n"
        "wait_until(lambda: glacier.requests('UploadMultipartPart'))",
        "glacier.fault('delay_answer', 'ListMultipartUploads', millis=300)\n"
        "threading.Thread(target=client.list_uploads, args=(VAULT,), daemon=True).start()\n"
        "wait_until(lambda: glacier.requests('ListMultipartUploads'))",
        "glacier.fault('stall', 'UploadMultipartPart')\n"
        "future = upload.start()\n"
        "wait_until(lambda: glacier.requests('UploadMultipartPart'))",
        "import time\nupload = Upload(client, VAULT, iter(lambda: time.sleep(1e9), b''))\nfuture = upload.start()",
        "upload = Upload(client, VAULT, part_size=MIB); upload.write(content(MIB + 1))",
        "upload = Upload(client, VAULT); stream = upload.stream(); stream.write(b'data'); sys.stream = stream",
        "future = upload.start(); future.add_done_callback(lambda future: None); future.result()",
        "class Late:\n    def __del__(self, client=client): client.close()\nlate = Late()",
        "class Late:\n"
        "    def __del__(self, upload=upload):\n"
        "        try: upload.run()\n"
        "        except glacier_mp.UsageError as error: assert 'shutting down' in str(error)\n"
        "sys.late = Late()",
    ],
    ids=[
        "globals",
        "order",
        "elsewhere",
        "cycle",
        "atexit",
        "exit",
        "thread",
        "daemon uploads",
        "daemon lists",
        "started",
        "source blocks",
        "stream",
        "file object",
        "future",
        "close in del",
        "run in del",
    ],
)
def test_interpreter_exits_cleanly(glacier: Glacier, program: str) -> None:
    ended = child(PREAMBLE + program, glacier.endpoint)
    assert (ended.stderr, ended.returncode) == ("", 0)


# An atexit function that is registered before the import runs after the package has stopped its calls.
REGISTERED_EARLY = """
import atexit
atexit.register(lambda: at_exit())
"""

# Python 3.12 and later start no threads after the main thread has ended.
NO_THREAD = """
def start_no_thread(*arguments):
    raise RuntimeError("can't create new thread at interpreter shutdown")
from glacier_mp import _threads
_threads.start_new_thread = threading.Thread.start = start_no_thread
"""

AT_EXIT_CALLS = """
def pieces():
    yield content(MIB)
    yield b"the end"

def at_exit():
    upload.run()
    client.upload(VAULT, pieces(), part_size=MIB)
    with Upload(client, VAULT, part_size=MIB) as stream:
        stream.write(content(MIB + 1))
        stream.finish()
    with Upload(client, VAULT, part_size=MIB) as by_hand:
        by_hand.initiate()
        by_hand.put_part(0, content(5))
        assert len(by_hand.list_parts()) == 1
        by_hand.abort()
    assert client.list_uploads(VAULT) == []
    print(len(glacier.archives()))
"""

AT_EXIT_ERRORS = """
class CallbackError(Exception):
    pass

def fail(*_):
    raise CallbackError

def failing():
    yield content(MIB)
    fail()

def at_exit():
    glacier.fault("delay_answer", "UploadMultipartPart", always=True, millis=600)
    for source, progress in ((content(MIB), fail), (failing(), None)):
        with Upload(client, VAULT, source, part_size=MIB, progress=progress) as failed:
            try: failed.run()
            except CallbackError as error: assert error.__traceback__.tb_next
            else: raise AssertionError
    try: client.upload("no-such-vault", b"data")
    except glacier_mp.ServiceError as error: assert error.name == "GLACIER_E_NOT_FOUND"
    else: raise AssertionError
    try: started = upload.start()
    except glacier_mp.UsageError as error:
        assert error.name == "GLACIER_E_STATE"
        assert "shutting down" in str(error) and "run()" in str(error), error
    else:
        # Some versions of Python can still start a thread.
        assert sys.argv[2] == "late"
        started.result()
    upload.run()
    print(len(glacier.archives()))
"""


@pytest.mark.parametrize("order", ["early", "late", "late, no thread"])
@pytest.mark.parametrize(("program", "archives"), [(AT_EXIT_CALLS, 3), (AT_EXIT_ERRORS, 1)], ids=["calls", "errors"])
def test_calls_work_during_interpreter_shutdown(glacier: Glacier, program: str, archives: int, order: str) -> None:
    whole = {
        "early": REGISTERED_EARLY + PREAMBLE + program,
        "late": PREAMBLE + program + "atexit.register(at_exit)\n",
        "late, no thread": PREAMBLE + program + NO_THREAD + "atexit.register(at_exit)\n",
    }[order]
    ended = child(whole, glacier.endpoint, order)
    assert (ended.stdout, ended.stderr, ended.returncode) == (f"{archives}\n", "", 0)


def test_non_daemon_thread_uploads_after_the_main_thread_has_ended(glacier: Glacier) -> None:
    program = """
def later():
    threading.main_thread().join()
    client.upload(VAULT, content(MIB))
    upload.run()
    print(len(glacier.archives()))
threading.Thread(target=later).start()
"""
    for whole in (PREAMBLE + program, PREAMBLE + program + "_threads = None\n" + NO_THREAD):
        ended = child(whole, glacier.endpoint)
        assert (ended.stderr, ended.returncode) == ("", 0)
    assert len(glacier.archives()) == 4


FORK = """
import asyncio, os, sys, warnings
from glacier_mp import Client, Config, TreeHash, Upload, UsageError
from local import MIB, VAULT, content, settings

client = Client(Config(**settings(sys.argv[1])))
upload = Upload(client, VAULT, content(MIB + 1), part_size=MIB)
by_hand = Upload(client, VAULT, part_size=MIB)
by_hand.initiate()
stream = Upload(client, VAULT, part_size=MIB)
started = Upload(client, VAULT, b"data")
started.start().result()
# The thread of a call that has returned may still be ending, and Python warns about forks with threads.
warnings.simplefilter("ignore", DeprecationWarning)
child = os.fork()
if child == 0:
    for call in (upload.run, by_hand.complete, by_hand.abort, by_hand.progress, lambda: Upload(client, VAULT),
                 lambda: by_hand.put_part(0, b"data"), lambda: client.list_uploads(VAULT), upload.transfer,
                 lambda: stream.write(b"data"), stream.finish, lambda: started.start().result(),
                 lambda: asyncio.run(started.run_async())):
        try:
            call()
        except UsageError as error:
            assert error.name == "GLACIER_E_FORKED", error
        else:
            raise AssertionError(call)
    # Objects created in the child work.
    Client(Config(**settings(sys.argv[1]))).upload(VAULT, b"of the child")
    {end}
_, status = os.waitpid(child, 0)
assert os.waitstatus_to_exitcode(status) == 0
upload.run()
by_hand.put_part(0, b"data")
by_hand.complete()
"""


@pytest.mark.parametrize("end", ["sys.exit(0)", "upload.close(); by_hand.close(); del client; os._exit(0)"])
def test_forked_child_gets_an_error(glacier: Glacier, end: str) -> None:
    ended = child(FORK.format(end=end), glacier.endpoint)
    assert (ended.stderr, ended.returncode) == ("", 0)
    assert len(glacier.archives()) == 4


FORK_DURING_CALLS = """
import os, warnings
warnings.simplefilter("ignore")
glacier.fault('stall', 'UploadMultipartPart', always=True)
future = upload.start()
stream = Upload(client, VAULT, part_size=MIB)
stream.write(content(MIB))
stream.write(b"buffered")
wait_until(lambda: len(glacier.requests('UploadMultipartPart')) == 2)
child = os.fork()
if child == 0:
    assert not future.done()
    for call in (upload.start().result, stream.finish):
        try:
            call()
        except glacier_mp.UsageError as error:
            assert error.name == "GLACIER_E_FORKED", error
        else:
            raise AssertionError(call)
    upload.close()
    stream.close()
    del upload, stream, future
    sys.exit(0)
_, status = os.waitpid(child, 0)
assert status == 0
upload.cancel()
assert isinstance(future.exception(), glacier_mp.StoppedError)
glacier.clear_faults()
upload.run()
"""


def test_forked_child_gets_an_error_for_running_calls_of_its_parent(glacier: Glacier) -> None:
    ended = child(PREAMBLE + FORK_DURING_CALLS, glacier.endpoint)
    assert (ended.stderr, ended.returncode) == ("", 0)


def test_forked_child_does_not_wait_for_calls_of_its_parent(glacier: Glacier) -> None:
    program = """
glacier.fault('stall', 'UploadMultipartPart')
import os, warnings
warnings.simplefilter("ignore")
thread = threading.Thread(target=upload.run, daemon=True)
thread.start()
wait_until(lambda: glacier.requests('UploadMultipartPart'))
child = os.fork()
if child == 0:
    sys.exit(0)
_, status = os.waitpid(child, 0)
assert status == 0
"""
    ended = child(PREAMBLE + program, glacier.endpoint)
    assert (ended.stderr, ended.returncode) == ("", 0)


SUBINTERPRETERS = """
import sys
try:
    import _xxsubinterpreters as api
    run = api.run_string
    create = lambda isolated: api.create(isolated=isolated)
except ImportError:
    import _interpreters as api
    run = api.exec
    create = lambda isolated: api.create("isolated" if isolated else "legacy")
program = f'''\nimport sys; sys.path[:] = {sys.path!r}\n{sys.argv[1]}'''
for isolated in (False, True, False):
    failure = run(create(isolated), program)
    assert not failure, failure
print("the main interpreter continues", flush=True)
"""

IN_A_SUBINTERPRETER = """
try:
    import glacier_mp
    from local import VAULT, settings
    with glacier_mp.Client(glacier_mp.Config(**settings({endpoint!r}))) as client:
        client.upload(VAULT, b"data", progress=lambda progress: None)
        client.upload(VAULT, [b"da", b"ta"])
        with glacier_mp.Upload(client, VAULT, b"data", progress=lambda progress: None) as upload:
            upload.start().result()
        with glacier_mp.Upload(client, VAULT) as upload:
            upload.write(b"data")
            upload.finish()
    print("uploaded", flush=True)
except Exception as error:
    # An isolated interpreter may be unable to start threads or to import ctypes.
    assert type(error).__name__ in ("ImportError", "LocalError"), error
    print("error:", error, flush=True)
"""


def test_uploads_in_subinterpreters(glacier: Glacier) -> None:
    ended = child(SUBINTERPRETERS, IN_A_SUBINTERPRETER.format(endpoint=glacier.endpoint))
    assert (ended.stderr, ended.returncode) == ("", 0)
    first, isolated, second, last = ended.stdout.splitlines()
    assert (first, second, last) == ("uploaded", "uploaded", "the main interpreter continues")
    assert isolated == "uploaded" or (isolated.startswith("error: ") and len(isolated) > 30)
