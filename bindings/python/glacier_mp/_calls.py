"""Working calls: those that take their time, and from which the library calls back.

A call runs on a thread of its own, and the caller's thread waits for it in Python. There, and not in C, it is where
signals are handled and callbacks run: Ctrl-C and an exception in a callback are ordinary exceptions, which stop the
call and go on with their traceback. If the caller's thread were inside C, Python would raise a signal's exception at
the first instruction of the next callback, where ctypes can only print it, and the library could not be stopped.
"""

from __future__ import annotations

import _thread
import atexit
import os
import threading
from queue import SimpleQueue
from typing import Any, Callable, Optional

from ._ffi import CONTINUE, E_BUSY, E_MEMORY, E_STATE, STOP, CredentialsFn, LogFn, ProgressFn, error_of, lib
from .errors import GlacierError
from .progress import Progress, progress_of

ReportProgress = Callable[[Progress], object]
WriteLog = Callable[[int, str], object]
# What glacier_credentials_set takes: two keys, a token or none, and when they expire.
GiveKeys = Callable[[], tuple[bytes, bytes, Optional[bytes], int]]


def work(
    function: Callable[..., Any],
    *arguments: Any,
    holding: Optional[object] = None,
    progress: Optional[ReportProgress] = None,
    log: Optional[WriteLog] = None,
    keys: Optional[GiveKeys] = None,
    stoppable: bool = True,
) -> Any:
    """What the function returns, once it has; meanwhile `progress`, `log` and `keys` are called, on this thread.

    A call that is stoppable calls ON_PROGRESS all the time. Any other is left to itself when it shall stop. `holding`
    is what the function uses: it is held until the function has returned, also if nobody waits for that any more.
    """
    if keys is not None and keys in _giving():
        # The library sees the thread of the call and not this one: it would wait for the keys that are being given.
        raise error_of(E_BUSY, "called from inside the callable that gives the keys of this client")
    return _Call(function, arguments, holding, progress, log, keys, stoppable).result()


class _Call:
    def __init__(
        self,
        function: Callable[..., Any],
        arguments: tuple[Any, ...],
        holding: Optional[object],
        progress: Optional[ReportProgress],
        log: Optional[WriteLog],
        keys: Optional[GiveKeys],
        stoppable: bool,
    ) -> None:
        self._function = function
        self._arguments = arguments
        self._holding = holding
        self._progress = progress
        self._log = log
        self._keys = keys
        self._stoppable = stoppable
        self._stopped = False
        self._returned: Any = None
        self._raised: Optional[BaseException] = None
        # What the caller's thread is to call, and None when there is nothing more to come.
        self._events: SimpleQueue[Optional[tuple[Callable[..., object], tuple[Any, ...]]]] = SimpleQueue()
        self._answers: SimpleQueue[int] = SimpleQueue()
        self._over = threading.Event()

    def result(self) -> Any:
        """Lets the call run and serves it, on the caller's thread."""
        if _ending:
            raise error_of(E_STATE, "the interpreter is ending: nothing can be started any more")
        try:
            self._start()
            while (event := self._events.get()) is not None:
                callback, facts = event
                callback(*facts)
                self._answers.put(CONTINUE)
        except BaseException:
            self.stop()
            if self._stoppable:
                # A second Ctrl-C gets through this: then the call ends by itself.
                self._over.wait()
            raise
        try:
            if self._raised is not None:
                raise self._raised
            return self._returned
        finally:
            # The error refers to this frame, and this frame should not refer to the error.
            self._raised = None

    def stop(self) -> None:
        """Answers whatever the call asks from now on, and what it may be asking at this moment."""
        self._stopped = True
        self._answers.put(STOP)

    def wait_if_it_calls_back(self) -> None:
        """Waits for the end of a call that still comes back into Python."""
        if self._stoppable or self._log is not None or self._keys is not None:
            self._over.wait()

    def on_progress(self, raw: Any) -> int:
        """A beat of the call, on the call's thread."""
        if self._stopped or self._progress is None:
            return STOP if self._stopped else CONTINUE
        return self._ask(self._progress, progress_of(raw))

    def on_log(self, level: int, message: str) -> None:
        """A line of the log, on the call's thread."""
        if not self._stopped and self._log is not None:
            self._ask(self._log, level, message)

    def on_credentials(self, out: Any) -> int:
        """The library needs keys, on the call's thread. `out` is good for nothing any more when this has returned, so
        it is filled here and not where the keys come from."""
        given: list[tuple[Any, ...]] = []
        if self._stopped or self._keys is None or self._ask(_append, given, self._keys) != CONTINUE:
            return STOP
        try:
            lib.glacier_credentials_set(out, *given[0])
        except GlacierError as error:
            return self._ask(_raise, error)
        return CONTINUE

    def _ask(self, callback: Callable[..., object], *facts: Any) -> int:
        self._events.put((callback, facts))
        return self._answers.get()

    def _start(self) -> None:
        try:
            _running.add(self)
            _thread.start_new_thread(self._run, ())
        except RuntimeError as error:
            _running.discard(self)
            self._over.set()
            raise error_of(E_MEMORY, f"no thread could be had for the call: {error}") from error

    def _run(self) -> None:
        _here.call = self
        try:
            self._returned = self._function(*self._arguments)
        except BaseException as error:
            self._raised = error
        finally:
            _running.discard(self)
            self._over.set()
            # At the interpreter's end only a thread that nobody joins can be waiting: it is to vanish where it is.
            if not _ending:
                self._events.put(None)


def _on_progress(_user_data: Any, progress: Any) -> int:
    try:
        answer: int = _here.call.on_progress(progress.contents)
    except MemoryError:
        answer = STOP
    return answer


def _on_log(_user_data: Any, level: int, message: bytes) -> None:
    _here.call.on_log(level, message.decode("utf-8", "replace"))


def _on_credentials(_user_data: Any, out: Any) -> int:
    try:
        answer: int = _here.call.on_credentials(out)
    except MemoryError:
        answer = STOP
    return answer


def _append(given: list[Any], give: GiveKeys) -> None:
    outside = _giving()
    _here.giving = (*outside, give)
    try:
        given.append(give())
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
ON_LOG = LogFn(_on_log)
ON_CREDENTIALS = CredentialsFn(_on_credentials)

# The call that this thread is for; and of a thread that waits for calls, what it gives keys for.
_here = threading.local()

_running: set[_Call] = set()
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
