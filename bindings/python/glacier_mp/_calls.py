"""Working calls: functions of the library that use the network or files, and that call back.

A call runs on a thread of its own, and the caller's thread waits for it in Python. Signals are handled and callbacks
run on the waiting thread: Ctrl-C and an exception in a callback are ordinary exceptions, which stop the call and keep
their traceback. If the caller's thread were inside C, Python would raise a signal's exception at the first instruction
of the next callback, where ctypes can only print it, and the call could not be stopped.

A background call is the same, with a thread of Python in the caller's place. The library could start a thread too, but
Python does not know such a thread: a callback on it runs in the main interpreter, whichever interpreter began it.

While the interpreter shuts down, Python 3.12 and later start no thread. Then the call runs on the caller's thread.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import sys
from _queue import SimpleQueue
from typing import Any, Callable, Generic, Optional, TypeVar, cast

from . import _threads
from ._ffi import (
    CONTINUE,
    E_BUSY,
    E_MEMORY,
    E_SOURCE_SHORT,
    E_STATE,
    STOP,
    CredentialsFn,
    LogFn,
    ProgressFn,
    ReadFn,
    error_of,
    lib,
)
from .errors import GlacierError
from .progress import Progress, progress_of

ReportProgress = Callable[[Progress], object]
WriteLog = Callable[[int, str], object]
Read = Callable[[int], memoryview]
# What glacier_credentials_set takes: two keys, a token or none, and when they expire.
GiveKeys = Callable[[], tuple[bytes, bytes, Optional[bytes], int]]
T = TypeVar("T")


class Call(Generic[T]):
    """A call of a function of the library. Meanwhile `progress`, `log`, `read` and `keys` are called, on the thread or
    greenlet that waits for the result.

    A stoppable call calls ON_PROGRESS at least 4 times a second. Any other is abandoned when it is stopped. `holding`
    is what the function uses: it is held until the function returns, also if the call was abandoned.
    """

    def __init__(
        self,
        function: Callable[..., T],
        *arguments: Any,
        holding: Optional[object] = None,
        progress: Optional[ReportProgress] = None,
        log: Optional[WriteLog] = None,
        read: Optional[Read] = None,
        keys: Optional[GiveKeys] = None,
        stoppable: bool = True,
    ) -> None:
        if keys is not None and keys in _giving():
            # The library sees the thread of the call and not this one: it would wait for the keys that are being given.
            raise error_of(E_BUSY, "called from inside the callable that gives the keys of this client")
        self._function = function
        self._arguments = arguments
        self._holding = holding
        self._progress = progress
        self._log = log
        self._read = read
        self._keys = keys
        self._stoppable = stoppable
        self._stopped = False
        self._cancel: Optional[Callable[[], object]] = None
        self._returned: Optional[T] = None
        self._raised: Optional[BaseException] = None
        # Without a thread of its own the call keeps here what a callback raised.
        self._on_own_thread = True
        self._raised_by_callback: Optional[BaseException] = None
        # What the waiting thread is to call; None when the function has returned.
        self._events: Optional[_threads.Inbox[Optional[tuple[Callable[..., object], tuple[Any, ...]]]]] = None
        self._responses: SimpleQueue[Any] = SimpleQueue()
        # Set when the function has returned: from then on nothing of the call is used in C.
        self.over = _threads.Completion()

    def result(self) -> T:
        """Runs the call, runs its callbacks on this thread, and returns what the function returned."""
        if sys.is_finalizing() or (_ending and _threads.native_ident() != _ending_on):
            raise error_of(E_STATE, "the interpreter is ending: no call can be started any more")
        events = self._events = _threads.inbox()
        try:
            if _ending or not self._start():
                self._run_here()
            else:
                while (event := events.get()) is not None:
                    callback, facts = event
                    self._responses.put(callback(*facts))
        except BaseException as error:
            self.stop()
            if self._stoppable:
                # A second Ctrl-C ends this wait; the call then ends without it.
                self.over.wait()
            self._complete_error(error)
            raise
        finally:
            self._raised_by_callback = None
        try:
            if self._raised is not None:
                raise self._raised
            return cast(T, self._returned)
        finally:
            # The error refers to this frame, and this frame should not refer to the error.
            self._raised = None

    def stop(self) -> None:
        """Ends the call at its next callback, or at the one that it may be waiting for now."""
        self._stopped = True
        self._responses.put(_STOPPED)

    def cancel(self, cancel: Callable[[], object]) -> None:
        """Calls `cancel` at the next progress callback: then it ends this call, and no later one."""
        self._cancel = cancel

    def wait_if_it_calls_back(self) -> None:
        """Waits for the end of a call that still calls back into Python."""
        if self._stoppable or self._log is not None or self._keys is not None:
            self.over.wait_natively()

    def on_progress(self, raw: Any) -> int:
        """The progress callback, on the call's thread."""
        if self._stopped:
            return STOP
        if self._cancel is not None:
            self._cancel()
        if self._progress is None:
            return CONTINUE
        return STOP if self._ask(self._progress, progress_of(raw)) is _STOPPED else CONTINUE

    def on_read(self, room: memoryview) -> Optional[int]:
        """Fills `room` with the next bytes of the source, on the call's thread; None stops the call."""
        if self._stopped or self._read is None:
            return None
        # The program never sees the library's memory: it might keep it, or be reading still when the call is stopped.
        given = self._ask(self._read, len(room))
        if given is _STOPPED:
            return None
        room[: len(given)] = given
        return len(given)

    def on_log(self, level: int, message: str) -> None:
        """A line of the log, on the call's thread."""
        if not self._stopped and self._log is not None:
            self._ask(self._log, level, message)

    def on_credentials(self, out: Any) -> int:
        """The library needs keys, on the call's thread. `out` is good for nothing any more when this has returned, so
        it is filled here and not where the keys come from."""
        if self._stopped or self._keys is None:
            return STOP
        given = self._ask(_give, self._keys)
        if given is _STOPPED:
            return STOP
        try:
            lib.glacier_credentials_set(out, *given)
        except GlacierError as error:
            self._ask(_raise, error)
            return STOP
        return CONTINUE

    def _ask(self, callback: Callable[..., object], *facts: Any) -> Any:
        if self._on_own_thread:
            assert self._events is not None
            self._events.put((callback, facts))
            return self._responses.get()
        try:
            return callback(*facts)
        except BaseException as error:
            self._raised_by_callback = error
            self._stopped = True
            return _STOPPED

    def _start(self) -> bool:
        """Starts the call's thread; False if the interpreter shuts down and starts none."""
        _running.add(self)
        try:
            _threads.start_new_thread(self._run, ())
        except RuntimeError as error:
            _running.discard(self)
            if _threads.is_shutdown(error):
                return False
            self.over.set()
            raise no_thread(error) from error
        return True

    def _run_here(self) -> None:
        """Runs the function on this thread. An exception of a callback is raised when the function has returned."""
        self._on_own_thread = False
        outside = getattr(_here, "call", None)
        _running.add(self)
        try:
            self._run()
        finally:
            _here.call = outside
        if self._raised_by_callback is not None:
            raise self._raised_by_callback

    def _run(self) -> None:
        _here.call = self
        try:
            self._returned = self._function(*self._arguments)
        except GlacierError as error:
            # A traceback of this thread says nothing, and would keep what the call used: with a handle, its journal.
            self._raised = error.with_traceback(None)
        except BaseException as error:
            self._raised = error
        finally:
            self._arguments, self._holding = (), None
            _running.discard(self)
            self.over.set()
            # When the interpreter ends, only a thread that nobody joins can be waiting: it must not run again.
            if not _ending and self._events is not None:
                self._events.put(None)

    def _complete_error(self, error: BaseException) -> None:
        """Adds to an error that the package itself raised in a callback what the library knows of the upload."""
        known = self._raised
        if isinstance(error, GlacierError) and error.code == E_SOURCE_SHORT and isinstance(known, GlacierError):
            error.upload_id, error.resumable = known.upload_id, known.resumable


def check_background() -> None:
    """Raises if no background call can run to its end any more."""
    if _ending:
        raise error_of(E_STATE, _NO_BACKGROUND)


def no_thread(error: RuntimeError) -> GlacierError:
    """Returns what a failure to start a thread is raised as."""
    if _threads.is_shutdown(error):
        return error_of(E_STATE, _NO_BACKGROUND)
    return error_of(E_MEMORY, f"no thread could be had for the call: {error}")


_NO_BACKGROUND = "the interpreter is ending and starts no background thread: call run() instead"


def _on_progress(_user_data: Any, progress: Any) -> int:
    try:
        response: int = _here.call.on_progress(progress.contents)
    except MemoryError:
        response = STOP
    return response


def _on_read(_user_data: Any, buffer: Any, room: int, length: Any) -> int:
    try:
        given = _here.call.on_read(_memory_at(ctypes.addressof(buffer.contents), room, _WRITABLE))
    except MemoryError:
        given = None
    if given is None:
        return STOP
    length[0] = given
    return CONTINUE


def _on_log(_user_data: Any, level: int, message: bytes) -> None:
    _here.call.on_log(level, message.decode("utf-8", "replace"))


def _on_credentials(_user_data: Any, out: Any) -> int:
    try:
        response: int = _here.call.on_credentials(out)
    except MemoryError:
        response = STOP
    return response


def _give(give: GiveKeys) -> tuple[bytes, bytes, Optional[bytes], int]:
    caller = _threads.greenlet_or_thread()
    outside = _giving()
    _giving_in[caller] = (*outside, give)
    try:
        return give()
    finally:
        if outside:
            _giving_in[caller] = outside
        else:
            del _giving_in[caller]


def _giving() -> tuple[GiveKeys, ...]:
    """Returns the callables for keys that this thread or greenlet is inside of."""
    return _giving_in.get(_threads.greenlet_or_thread(), ())


def _raise(error: BaseException) -> None:
    raise error


# The only callbacks that the library is given. They are never released, so none can be called after its end.
ON_PROGRESS = ProgressFn(_on_progress)
ON_READ = ReadFn(_on_read)
ON_LOG = LogFn(_on_log)
ON_CREDENTIALS = CredentialsFn(_on_credentials)

# The response to a callback of a call that is to stop.
_STOPPED = object()

_memory_at = ctypes.pythonapi.PyMemoryView_FromMemory
_memory_at.argtypes = (ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_int)
_memory_at.restype = ctypes.py_object
_WRITABLE = 0x200

# The call that this thread runs.
_here = _threads.Local()

# The callables for keys that threads and greenlets are inside of.
_giving_in: dict[int, tuple[GiveKeys, ...]] = {}

_running: set[Call[Any]] = set()
# Whether the interpreter is ending, and the thread that ends it: of all threads only this one may still run a call.
_ending = False
_ending_on = 0


def _stop_all() -> None:
    """Stops the calls of threads that nobody joins: the end of the interpreter would end these threads inside C."""
    global _ending, _ending_on
    _ending, _ending_on = True, _threads.native_ident()
    calls = list(_running)
    for call in calls:
        call.stop()
    for call in calls:
        call.wait_if_it_calls_back()


atexit.register(_stop_all)

if hasattr(os, "register_at_fork"):
    # The threads of these calls are the parent's.
    os.register_at_fork(after_in_child=_running.clear)
