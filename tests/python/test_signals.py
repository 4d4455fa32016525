"""Signals: Ctrl-C and other signal handlers stop the call in progress, which raises their exception."""

from __future__ import annotations

import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from local import Glacier, child_environment, wait_until

PART = "UploadMultipartPart"

# Python does not install its SIGINT handler if SIGINT is ignored at its start, as in a background job.
PYTHON_SIGINT = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"

# `call` runs when the signal arrives. The rest of the program runs after it.
PROGRAM = """
import logging, signal, sys, threading
import glacier_mp
from glacier_mp import Client, Config, Upload
from local import MIB, VAULT, content, settings, wait_until

def on_signal(number, frame):
    say("signal")
    raise {exception}

def say(text):
    print(text, flush=True)

# Sends a signal to this thread. The main thread runs its handler, but nothing interrupts a wait of the main thread. A
# signal that arrives just before a wait has the same effect.
def signal_from_thread():
    signal.pthread_kill(threading.get_ident(), signal.SIGINT)

def signal_after_line():
    sys.stdin.readline()
    signal_from_thread()

# Interrupts the wait for the end of a stopped call.
def interrupt_wait():
    main = threading.main_thread().ident
    def waits():
        frame, names = sys._current_frames()[main], []
        while frame:
            names.append(frame.f_code.co_name)
            frame = frame.f_back
        return {{"result", "wait"}} <= set(names)
    wait_until(waits)
    signal_from_thread()

signal.signal(signal.SIGINT, on_signal)
client = Client(Config(**settings(sys.argv[1], {settings})))
upload = Upload(client, VAULT, content(MIB), part_size=MIB, {arguments})
by_hand = Upload(client, VAULT, part_size=MIB)
by_hand.initiate()
try:
    {call}
except {exception} as error:
    say("stopped " + str(error.__context__))
    sys.stdin.readline()
    upload.run()
    say("completed")
"""


STREAM_PROGRAM = """
import asyncio, os, signal, sys, time
from glacier_mp import Client, Config, GlacierError, Upload
from local import MIB, VAULT, content, settings

def say(text):
    print(text, flush=True)

def endless():
    while True:
        yield content(MIB)

def write_forever(upload):
    while True:
        upload.write(content(70_001))

# Python does not interrupt a blocking function by a signal that arrives just before it. Therefore the test repeats the
# signal, and this handler raises one exception only.
def interrupt_once(number, frame):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt

# For the same reason, the programs call neither future.result() nor asyncio.run() without a timer.
def wait_for(future):
    while not future.done():
        time.sleep(0.01)

# Wakes the event loop every 10 ms, so that it handles signals.
async def beside_ticks(awaitable):
    async def tick():
        while True:
            await asyncio.sleep(0.01)
    ticks = asyncio.create_task(tick())
    try:
        return await awaitable
    finally:
        ticks.cancel()

class Pipe:
    def __init__(self):
        self.ends = os.pipe()
    def read(self, size):
        say("reads")
        return os.read(self.ends[0], size)

client = Client(Config(**settings(sys.argv[1], memory_limit=4 * MIB)))
written = Upload(client, VAULT, part_size=MIB)
endlessly = Upload(client, VAULT, endless(), part_size=MIB)
piped = Upload(client, VAULT, Pipe(), part_size=MIB)
upload = Upload(client, VAULT, content(3 * MIB), part_size=MIB)
try:
    {call}
except {exception}:
    say("stopped")
    sys.stdin.readline()
    {then}
    say("completed")
"""


def assert_ended_by_ctrl_c(child: subprocess.Popen[str]) -> None:
    """Sends SIGINT and checks how the program ends."""
    child.send_signal(signal.SIGINT)
    output, errors = child.communicate()
    assert output == ""
    assert errors.rstrip().endswith("KeyboardInterrupt")
    assert "ignored" not in errors
    assert child.returncode == -signal.SIGINT


@contextmanager
def started(glacier: Glacier, program: str = PROGRAM, **pieces: str) -> Iterator[subprocess.Popen[str]]:
    pieces = {"exception": "KeyboardInterrupt", "settings": "", "arguments": "", "call": "upload.run()", **pieces}
    child = subprocess.Popen(
        [sys.executable, "-c", PYTHON_SIGINT + program.format(**pieces), glacier.endpoint],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=child_environment(),
    )
    try:
        yield child
    finally:
        child.kill()
        child.communicate()


def read_line(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()


@pytest.mark.parametrize(
    ("operation", "pieces"),
    [
        (PART, {}),
        (PART, {"arguments": "progress=lambda progress: None"}),
        (PART, {"settings": "log=lambda level, line: None, log_level=logging.DEBUG"}),
        (PART, {"exception": "TimeoutError"}),
        (PART, {"call": "by_hand.put_part(0, content(MIB))"}),
        ("ListParts", {"call": "by_hand.list_parts()"}),
        ("ListMultipartUploads", {"call": "client.list_uploads(VAULT)"}),
    ],
    ids=["run", "with progress", "with log", "another exception", "put_part", "list_parts", "list_uploads"],
)
def test_signal_stops_the_call(glacier: Glacier, operation: str, pieces: dict[str, str]) -> None:
    glacier.fault("stall", operation)
    with started(glacier, **pieces) as child:
        wait_until(lambda: glacier.requests(operation), child)
        child.send_signal(signal.SIGINT)
        assert read_line(child) == "signal"
        assert read_line(child) == "stopped None"
        output, errors = child.communicate("continue\n")
        assert (output, errors, child.returncode) == ("completed\n", "", 0)
    assert len(glacier.archives()) == 1


@pytest.mark.parametrize(
    ("operation", "call"),
    [
        (PART, "upload.run()"),
        (PART, "by_hand.put_part(0, content(MIB))"),
        ("ListMultipartUploads", "client.list_uploads(VAULT)"),
    ],
    ids=["run", "put_part", "list_uploads"],
)
def test_signal_that_another_thread_receives_stops_the_call(glacier: Glacier, operation: str, call: str) -> None:
    glacier.fault("stall", operation)
    with started(glacier, call=f"threading.Thread(target=signal_after_line).start(); {call}") as child:
        wait_until(lambda: glacier.requests(operation), child)
        assert child.stdin is not None
        child.stdin.write("signal\n")
        child.stdin.flush()
        assert read_line(child) == "signal"
        assert read_line(child) == "stopped None"
        output, errors = child.communicate("continue\n")
        assert (output, errors, child.returncode) == ("completed\n", "", 0)
    assert len(glacier.archives()) == 1


def test_ctrl_c_stops_list_uploads(glacier: Glacier) -> None:
    """The C function has returned, and the next call is not affected."""
    glacier.fault("stall", "ListMultipartUploads")
    check = "say(str(len(glacier_mp._calls._running_calls))); client.list_uploads(VAULT); upload.run()"
    program = PROGRAM.replace("    upload.run()\n    say", f"    {check}\n    say")
    with started(glacier, program, call="client.list_uploads(VAULT)") as child:
        wait_until(lambda: glacier.requests("ListMultipartUploads"), child)
        child.send_signal(signal.SIGINT)
        assert read_line(child) == "signal"
        assert read_line(child) == "stopped None"
        output, errors = child.communicate("continue\n")
        assert (output, errors, child.returncode) == ("0\ncompleted\n", "", 0)


def test_second_signal_ends_the_wait_for_complete(glacier: Glacier) -> None:
    """A canceled call waits 10 s for the response to Complete. A second signal ends that wait."""
    glacier.fault("stall", "CompleteMultipartUpload")
    with started(glacier, call="threading.Thread(target=interrupt_wait).start(); upload.run()") as child:
        wait_until(lambda: glacier.requests("CompleteMultipartUpload"), child)
        child.send_signal(signal.SIGINT)
        assert read_line(child) == "signal"
        assert read_line(child) == "signal"
        assert read_line(child).startswith("stopped")
        # The call is still in progress, and the end of the program waits for it until its connection is closed.
        assert child.stdin is not None
        assert child.stderr is not None
        child.stdin.write("continue\n")
        child.stdin.flush()
        assert any("UsageError: " in line for line in child.stderr)
        glacier.close()
        output, errors = child.communicate()
        assert (output, errors, child.returncode) == ("", "", 1)


def test_ctrl_c_ends_the_program(glacier: Glacier) -> None:
    glacier.fault("stall", PART)
    with started(
        glacier, exception="OSError", call="signal.signal(2, signal.default_int_handler); upload.run()"
    ) as child:
        wait_until(lambda: glacier.requests(PART), child)
        assert_ended_by_ctrl_c(child)
    assert len(glacier.uploads()) == 2, "the uploads stay in the vault"


RESUME = """
    again = Upload(client, VAULT, upload_id=written.upload_id)
    again.write(content(3 * MIB))
    again.finish()
"""


@pytest.mark.parametrize(
    ("call", "then"),
    [
        ("write_forever(written)", RESUME),
        ("written.write(content(3 * MIB)); written.finish()", RESUME),
        ("written.write(content(3 * MIB)); written.finish()", "written.abort(); upload.run()"),
        ("endlessly.run()", "upload.run()"),
        ("wait_for(upload.start())", "upload.cancel(); upload._background.done.wait(); upload.run()"),
        ("asyncio.run(beside_ticks(upload.run_async()))", "upload.run()"),
        ("asyncio.run(beside_ticks(asyncio.wait_for(upload.run_async(), 600)))", "asyncio.run(upload.run_async())"),
        ("asyncio.run(beside_ticks(endlessly.run_async()))", "upload.run()"),
    ],
    ids=["write", "finish", "finish and abort", "iterable", "future", "run_async", "wait_for", "iterable awaited"],
)
def test_signal_stops_streams_and_background_runs(glacier: Glacier, call: str, then: str) -> None:
    glacier.fault("stall", PART, always=True)
    with started(glacier, STREAM_PROGRAM, call=call, then=then) as child:
        wait_until(lambda: len(glacier.requests(PART)) >= 2, child)
        child.send_signal(signal.SIGINT)
        assert read_line(child) == "stopped"
        glacier.clear_faults()
        output, errors = child.communicate("continue\n")
        assert (output, errors, child.returncode) == ("completed\n", "", 0)
    assert len(glacier.archives()) == 1


def test_signal_interrupts_a_read(glacier: Glacier) -> None:
    call = "signal.signal(signal.SIGINT, interrupt_once); piped.run()"
    with started(glacier, STREAM_PROGRAM, call=call, then="upload.run()") as child:
        assert read_line(child) == "reads"
        child.send_signal(signal.SIGINT)
        assert child.stdout is not None
        while not select.select([child.stdout], [], [], 0.1)[0]:
            child.send_signal(signal.SIGINT)
        assert read_line(child) == "stopped"
        output, errors = child.communicate("continue\n")
        assert (output, errors, child.returncode) == ("completed\n", "", 0)


@pytest.mark.parametrize("source", ["upload", "piped"])
def test_ctrl_c_ends_a_program_with_a_background_run(glacier: Glacier, source: str) -> None:
    """The program waits neither for the run nor for a blocking source."""
    glacier.fault("stall", PART, always=True)
    call = f"wait_for({source}.start())"
    with started(glacier, STREAM_PROGRAM, call=call, exception="OSError", then="") as child:
        wait_until(lambda: read_line(child) == "reads" if source == "piped" else glacier.requests(PART), child)
        assert_ended_by_ctrl_c(child)
