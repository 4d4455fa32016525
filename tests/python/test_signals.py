"""Signals: Ctrl-C and its like surface at once from whatever call is at work, as the exceptions that they are."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from local import Glacier, child_environment, until

PART = "UploadMultipartPart"

# Python does not install its handler if it starts with SIGINT ignored, as under nohup and in a background job.
PYTHON_SIGINT = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"

# `call` is what is at work when the signal comes; the rest of the program must come after it.
PROGRAM = """
import logging, os, signal, sys, threading
import glacier_mp
from glacier_mp import Client, Config, Upload
from local import MIB, VAULT, content, settings, until

def on_signal(number, frame):
    say("signal")
    raise {exception}

def say(text):
    print(text, flush=True)

# Interrupts the wait for a call that was told to stop.
def interrupt_the_wait():
    main = threading.main_thread().ident
    def waits():
        frame, names = sys._current_frames()[main], []
        while frame:
            names.append(frame.f_code.co_name)
            frame = frame.f_back
        return {{"result", "wait"}} <= set(names)
    until(waits)
    os.kill(os.getpid(), signal.SIGINT)

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
import asyncio, os, signal, sys
from glacier_mp import Client, Config, GlacierError, Upload
from local import MIB, VAULT, content, settings

def say(text):
    print(text, flush=True)

def endless():
    while True:
        yield content(MIB)

def write_on(upload):
    while True:
        upload.write(content(70_001))

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
    """Sends it, and looks at how the program ended."""
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


def said(child: subprocess.Popen[str]) -> str:
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
def test_a_signal_stops_the_call(glacier: Glacier, operation: str, pieces: dict[str, str]) -> None:
    glacier.fault("stall", operation)
    with started(glacier, **pieces) as child:
        until(lambda: glacier.requests(operation))
        child.send_signal(signal.SIGINT)
        assert said(child) == "signal"
        assert said(child) == "stopped None"
        output, errors = child.communicate("go on\n")
        assert (output, errors, child.returncode) == ("completed\n", "", 0)
    assert len(glacier.archives()) == 1


def test_ctrl_c_ends_the_request_of_list_uploads(glacier: Glacier) -> None:
    """The call in C has returned as well, and the next one is not affected."""
    glacier.fault("stall", "ListMultipartUploads")
    check = "say(str(len(glacier_mp._calls._running_calls))); client.list_uploads(VAULT); upload.run()"
    program = PROGRAM.replace("    upload.run()\n    say", f"    {check}\n    say")
    with started(glacier, program, call="client.list_uploads(VAULT)") as child:
        until(lambda: glacier.requests("ListMultipartUploads"))
        child.send_signal(signal.SIGINT)
        assert said(child) == "signal"
        assert said(child) == "stopped None"
        output, errors = child.communicate("go on\n")
        assert (output, errors, child.returncode) == ("0\ncompleted\n", "", 0)


def test_nobody_has_to_wait_for_the_answer_to_complete(glacier: Glacier) -> None:
    """After a cancel it is awaited for 10 s. A second signal leaves the call alone, and it ends with the program."""
    glacier.fault("stall", "CompleteMultipartUpload")
    with started(glacier, call="threading.Thread(target=interrupt_the_wait).start(); upload.run()") as child:
        until(lambda: glacier.requests("CompleteMultipartUpload"))
        child.send_signal(signal.SIGINT)
        assert said(child) == "signal"
        assert said(child) == "signal"
        assert said(child).startswith("stopped")
        # The call is still at work, and the end of the program waits for it: until its connection is gone.
        assert child.stdin is not None
        assert child.stderr is not None
        child.stdin.write("go on\n")
        child.stdin.flush()
        assert any("UsageError: the upload is in use by another call" in line for line in child.stderr)
        glacier.close()
        output, errors = child.communicate()
        assert (output, errors, child.returncode) == ("", "", 1)


def test_ctrl_c_ends_a_program_as_it_ends_any_other(glacier: Glacier) -> None:
    glacier.fault("stall", PART)
    with started(
        glacier, exception="OSError", call="signal.signal(2, signal.default_int_handler); upload.run()"
    ) as child:
        until(lambda: glacier.requests(PART))
        assert_ended_by_ctrl_c(child)
    assert len(glacier.uploads()) == 2, "the uploads stay in the vault"


CARRIED_ON = """
    again = Upload(client, VAULT, upload_id=written.upload_id)
    again.write(content(3 * MIB))
    again.finish()
"""


@pytest.mark.parametrize(
    ("call", "then"),
    [
        ("write_on(written)", CARRIED_ON),
        ("written.write(content(3 * MIB)); written.finish()", CARRIED_ON),
        ("written.write(content(3 * MIB)); written.finish()", "written.abort(); upload.run()"),
        ("endlessly.run()", "upload.run()"),
        ("upload.start().result()", "upload.cancel(); upload._background.done.wait(); upload.run()"),
        ("asyncio.run(upload.run_async())", "upload.run()"),
        ("asyncio.run(asyncio.wait_for(upload.run_async(), 600))", "asyncio.run(upload.run_async())"),
        ("asyncio.run(endlessly.run_async())", "upload.run()"),
    ],
    ids=["write", "finish", "finish and abort", "iterable", "future", "run_async", "wait_for", "iterable awaited"],
)
def test_a_signal_stops_streams_and_what_is_awaited(glacier: Glacier, call: str, then: str) -> None:
    glacier.fault("stall", PART, always=True)
    with started(glacier, STREAM_PROGRAM, call=call, then=then) as child:
        until(lambda: len(glacier.requests(PART)) >= 2)
        child.send_signal(signal.SIGINT)
        assert said(child) == "stopped"
        glacier.heal()
        output, errors = child.communicate("go on\n")
        assert (output, errors, child.returncode) == ("completed\n", "", 0)
    assert len(glacier.archives()) == 1


def test_a_signal_interrupts_a_read(glacier: Glacier) -> None:
    with started(glacier, STREAM_PROGRAM, call="piped.run()", then="upload.run()") as child:
        assert said(child) == "reads"
        child.send_signal(signal.SIGINT)
        assert said(child) == "stopped"
        output, errors = child.communicate("go on\n")
        assert (output, errors, child.returncode) == ("completed\n", "", 0)


@pytest.mark.parametrize("source", ["upload", "piped"])
def test_ctrl_c_ends_a_program_with_a_started_run(glacier: Glacier, source: str) -> None:
    """Neither the run is waited for, nor a source that blocks."""
    glacier.fault("stall", PART, always=True)
    call = f"{source}.start().result()"
    with started(glacier, STREAM_PROGRAM, call=call, exception="OSError", then="") as child:
        until(lambda: said(child) == "reads" if source == "piped" else glacier.requests(PART))
        assert_ended_by_ctrl_c(child)
