"""Working calls: those that take their time, and from which the library calls back.

A call runs on a thread of its own, and the caller's thread waits for it in Python. There, and not in C, it is where
signals are handled and callbacks run: Ctrl-C and an exception in a callback are ordinary exceptions, which stop the
call and go on with their traceback. If the caller's thread were inside C, Python would raise a signal's exception at
the first instruction of the next callback, where ctypes can only print it, and the library could not be stopped.

A call in the background is the same, with a thread of Python's in the caller's place. The library could start one by
itself; but its threads are nobody's, and a callback on one of them runs in the main interpreter, whoever began it.
"""

from __future__ import annotations

import _thread
import atexit
import ctypes
import os
import threading
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, Callable, Generic, Optional, TypeVar, cast

from ._ffi import CONTINUE, E_BUSY, E_MEMORY, E_STATE, STOP, CredentialsFn, LogFn, ProgressFn, ReadFn, error_of, lib
from .errors import GlacierError
from .progress import Progress, progress_of

ReportProgress = Callable[[Progress], object]
WriteLog = Callable[[int, str], object]
Read = Callable[[int], memoryview]
# What glacier_credentials_set takes: two keys, a token or none, and when they expire.
GiveKeys = Callable[[], tuple[bytes, bytes, Optional[bytes], int]]
T = TypeVar("T")


class Call(Generic[T]):
    """A call of a function of the library; meanwhile `progress`, `log`, `read` and `keys` are called, on the thread
    that waits for its result.

    A call that is stoppable calls ON_PROGRESS all the time. Any other is left to itself when it shall stop. `holding`
    is what the function uses: it is held until the function has returned, also if nobody waits for that any more.
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
        # What the waiting thread is to call, and None when there is nothing more to come.
        self._events: SimpleQueue[Optional[tuple[Callable[..., object], tuple[Any, ...]]]] = SimpleQueue()
        self._answers: SimpleQueue[Any] = SimpleQueue()
        # Done when the function has returned: from then on nothing of the call is used in C.
        self.over: Future[None] = Future()
        self.over.set_running_or_notify_cancel()

    def result(self) -> T:
        """Lets the call run, serves it on this thread, and gives what the function returned."""
        if _ending:
            raise error_of(E_STATE, "the interpreter is ending: nothing can be started any more")
        try:
            self._start()
            while (event := self._events.get()) is not None:
                callback, facts = event
                self._answers.put(callback(*facts))
        except BaseException:
            self.stop()
            if self._stoppable:
                # A second Ctrl-C gets through this: then the call ends by itself.
                self.over.result()
            raise
        try:
            if self._raised is not None:
                raise self._raised
            return cast(T, self._returned)
        finally:
            # The error refers to this frame, and this frame should not refer to the error.
            self._raised = None

    def stop(self) -> None:
        """Answers whatever the call asks from now on, and what it may be asking at this moment."""
        self._stopped = True
        self._answers.put(_STOPPED)

    def cancel(self, cancel: Callable[[], object]) -> None:
        """Has it canceled at its next beat, when it is surely this call, and not one after it, that is ended."""
        self._cancel = cancel

    def wait_if_it_calls_back(self) -> None:
        """Waits for the end of a call that still comes back into Python."""
        if self._stoppable or self._log is not None or self._keys is not None:
            self.over.result()

    def on_progress(self, raw: Any) -> int:
        """A beat of the call, on the call's thread."""
        if self._stopped:
            return STOP
        if self._cancel is not None:
            self._cancel()
        if self._progress is None:
            return CONTINUE
        return STOP if self._ask(self._progress, progress_of(raw)) is _STOPPED else CONTINUE

    def on_read(self, room: memoryview) -> Optional[int]:
        """Fills the room with the next bytes of the source, on the call's thread; None: stop."""
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
        self._events.put((callback, facts))
        return self._answers.get()

    def _start(self) -> None:
        try:
            _running.add(self)
            _thread.start_new_thread(self._run, ())
        except RuntimeError as error:
            _running.discard(self)
            self.over.set_result(None)
            raise no_thread(error) from error

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
            self.over.set_result(None)
            # At the interpreter's end only a thread that nobody joins can be waiting: it is to vanish where it is.
            if not _ending:
                self._events.put(None)


def no_thread(error: RuntimeError) -> GlacierError:
    """What a failure to start a thread becomes."""
    return error_of(E_MEMORY, f"no thread could be had for the call: {error}")


def _on_progress(_user_data: Any, progress: Any) -> int:
    try:
        answer: int = _here.call.on_progress(progress.contents)
    except MemoryError:
        answer = STOP
    return answer


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
        answer: int = _here.call.on_credentials(out)
    except MemoryError:
        answer = STOP
    return answer


def _give(give: GiveKeys) -> tuple[bytes, bytes, Optional[bytes], int]:
    outside = _giving()
    _here.giving = (*outside, give)
    try:
        return give()
    finally:
        _here.giving = outside


def _giving() -> tuple[GiveKeys, ...]:
    """The callables for keys that this thread is inside of."""
    inside: tuple[GiveKeys, ...] = getattr(_here, "giving", ())
    return inside


def _raise(error: BaseException) -> None:
    raise error


# The only callbacks that the library knows. They are never released, so nothing can be called that is gone.
ON_PROGRESS = ProgressFn(_on_progress)
ON_READ = ReadFn(_on_read)
ON_LOG = LogFn(_on_log)
ON_CREDENTIALS = CredentialsFn(_on_credentials)

# The answer to what a call asks when it shall stop.
_STOPPED = object()

_memory_at = ctypes.pythonapi.PyMemoryView_FromMemory
_memory_at.argtypes = (ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_int)
_memory_at.restype = ctypes.py_object
_WRITABLE = 0x200

# The call that this thread is for; and of a thread that waits for calls, what it gives keys for.
_here = threading.local()

_running: set[Call[Any]] = set()
_ending = False


def _stop_all() -> None:
    """Stops what threads that nobody joins are still doing: at the interpreter's end they would be torn out of C."""
    global _ending
    _ending = True
    calls = list(_running)
    for call in calls:
        call.stop()
    for call in calls:
        call.wait_if_it_calls_back()


atexit.register(_stop_all)

if hasattr(os, "register_at_fork"):
    # The threads of these calls are the parent's.
    os.register_at_fork(after_in_child=_running.clear)
