"""Working calls: library functions that use the network or files and that may invoke callbacks.

A call runs on its own thread, and the caller's thread waits for it in Python. Signal handlers and callbacks run on the
waiting thread. Ctrl-C and exceptions in callbacks are therefore ordinary exceptions: they stop the call and keep their
traceback. If the caller's thread were inside C, Python would raise a signal's exception at the first instruction of the
next callback. ctypes can only print such an exception, so the call would not stop.

A background call works in the same way, except that a Python thread takes the place of the caller's thread. The
library's own background threads are not used: Python does not know them, so their callbacks would run in the main
interpreter, whichever interpreter started the call.

Python 3.12 and later start no threads during interpreter shutdown. Calls then run on the caller's thread.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import sys
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
from ._memory import memory_at
from ._queue import SimpleQueue
from .archive import Archive, set_archive
from .errors import GlacierError
from .progress import Progress, progress_of

ReportProgress = Callable[[Progress], object]
WriteLog = Callable[[int, str], object]
# Gets a size and whether the call must stop. Returns None if it stopped for that or another reason.
Read = Callable[[int, Callable[[], bool]], Optional[memoryview]]
# Returns the arguments of glacier_credentials_set: key ID, secret key, session token or None, expiration.
GetCredentials = Callable[[], tuple[bytes, bytes, Optional[bytes], int]]
T = TypeVar("T")


class Call(Generic[T]):
    """A call of a library function. Callbacks run on the thread or greenlet that waits for the result.

    Args:
        function: the library function, called with `arguments` on the call's own thread.
        kept_alive: an object that the function uses. It is kept until the function returns, also if the call is
            abandoned.
        progress, log, read, get_credentials: the program's callbacks.
        stoppable: whether the function invokes ON_PROGRESS at least 4 times a second. A call that is not stoppable is
            abandoned when it is stopped.
    """

    def __init__(
        self,
        function: Callable[..., T],
        *arguments: Any,
        kept_alive: Optional[object] = None,
        progress: Optional[ReportProgress] = None,
        log: Optional[WriteLog] = None,
        read: Optional[Read] = None,
        get_credentials: Optional[GetCredentials] = None,
        stoppable: bool = True,
    ) -> None:
        if get_credentials is not None and get_credentials in _active_providers():
            # The library cannot detect this: it sees the call's thread, not this one. The call would wait for the keys
            # that this thread is about to return.
            raise error_of(E_BUSY, "called from inside the credentials callable of this client")
        self._function = function
        self._arguments = arguments
        self._kept_alive = kept_alive
        self._progress = progress
        self._log = log
        self._read = read
        self._get_credentials = get_credentials
        self._stoppable = stoppable
        self._stopped = False
        self._cancel: Optional[Callable[[], object]] = None
        self._result: Optional[T] = None
        self._error: Optional[BaseException] = None
        self._has_own_thread = True
        # An exception of a callback, for a call without its own thread.
        self._callback_error: Optional[BaseException] = None
        # Callbacks for the waiting thread to run; None when the function has returned.
        self._requests: Optional[_threads.Inbox[Optional[tuple[Callable[..., object], tuple[Any, ...]]]]] = None
        self._responses: SimpleQueue[Any] = SimpleQueue()
        # Set when the function has returned. C uses nothing of the call afterwards.
        self.done = _threads.Completion()

    def result(self) -> T:
        """Runs the call, runs its callbacks on this thread, and returns the function's result.

        A callback or a signal handler can fail when the function has already created an archive. Its exception then has
        the archive, and never that of another call.
        """
        try:
            return self._run_to_result()
        except BaseException as error:
            set_archive(error, self._result if isinstance(self._result, Archive) else None)
            raise

    def _run_to_result(self) -> T:
        if sys.is_finalizing() or (_is_exiting and _threads.native_ident() != _exiting_thread):
            raise error_of(E_STATE, "the interpreter is shutting down: no call can be started")
        requests = self._requests = _threads.inbox()
        try:
            if _is_exiting or not self._start():
                self._run_on_this_thread()
            else:
                while (request := requests.get()) is not None:
                    callback, arguments = request
                    self._responses.put(callback(*arguments))
        except BaseException as error:
            self.stop()
            if self._stoppable:
                # A second Ctrl-C ends this wait. The call then ends in the background.
                self.done.wait()
            self._add_upload_details(error)
            raise
        finally:
            self._callback_error = None
        try:
            if self._error is not None:
                raise self._error
            return cast(T, self._result)
        finally:
            # The error refers to this frame. A reference back would form a cycle.
            self._error = None

    def stop(self) -> None:
        """Stops the call at its next callback, or at the callback that is waiting for a response."""
        self._stopped = True
        self._responses.put(_STOPPED)

    def cancel_with(self, cancel: Callable[[], object]) -> None:
        """Calls `cancel` in the next progress callback, so that it cancels this call and not a later one."""
        self._cancel = cancel

    def wait_if_it_calls_back(self) -> None:
        """Waits for the end of the call if it can still invoke callbacks."""
        if self._stoppable or self._log is not None or self._get_credentials is not None:
            self.done.wait_natively()

    def on_progress(self, raw: Any) -> int:
        """The progress callback. It runs on the call's thread."""
        if self._stopped:
            return STOP
        if self._cancel is not None:
            self._cancel()
        if self._progress is None:
            return CONTINUE
        return STOP if self._run_callback(self._progress, progress_of(raw)) is _STOPPED else CONTINUE

    def on_read(self, buffer: memoryview) -> Optional[int]:
        """Fills `buffer` with the next bytes of the source. Returns their number, or None to stop the call.

        It runs on the call's thread.
        """
        if self._stopped or self._read is None:
            return None
        # The program never gets the library's buffer: it could keep it, or still use it after the call is stopped.
        data = self._run_callback(self._read, len(buffer), self._is_stopping)
        if data is _STOPPED or data is None:
            return None
        buffer[: len(data)] = data
        return len(data)

    def on_log(self, level: int, message: str) -> None:
        """The log callback. It runs on the call's thread."""
        if not self._stopped and self._log is not None:
            self._run_callback(self._log, level, message)

    def on_credentials(self, out: Any) -> int:
        """The credentials callback. It runs on the call's thread.

        `out` is valid only until this function returns, so this function fills it, not the waiting thread.
        """
        if self._stopped or self._get_credentials is None:
            return STOP
        credentials = self._run_callback(_run_provider, self._get_credentials)
        if credentials is _STOPPED:
            return STOP
        try:
            lib.glacier_credentials_set(out, *credentials)
        except GlacierError as error:
            self._run_callback(_raise, error)
            return STOP
        return CONTINUE

    def _is_stopping(self) -> bool:
        return self._stopped or self._cancel is not None

    def _run_callback(self, callback: Callable[..., object], *arguments: Any) -> Any:
        """Runs `callback` on the waiting thread. Returns its result, or _STOPPED if the call must stop."""
        if self._has_own_thread:
            assert self._requests is not None
            self._requests.put((callback, arguments))
            return self._responses.get()
        try:
            return callback(*arguments)
        except BaseException as error:
            self._callback_error = error
            self._stopped = True
            return _STOPPED

    def _start(self) -> bool:
        """Starts the call's thread. Returns False if the interpreter is shutting down and starts no threads."""
        _running_calls.add(self)
        try:
            _threads.start_new_thread(self._run, ())
        except RuntimeError as error:
            _running_calls.discard(self)
            if _threads.is_shutdown(error):
                return False
            self.done.set()
            raise thread_error(error) from error
        return True

    def _run_on_this_thread(self) -> None:
        """Runs the function on this thread. Raises an exception of a callback after the function has returned."""
        self._has_own_thread = False
        outer_call = getattr(_current, "call", None)
        _running_calls.add(self)
        try:
            self._run()
        finally:
            _current.call = outer_call
        if self._callback_error is not None:
            raise self._callback_error

    def _run(self) -> None:
        _current.call = self
        try:
            self._result = self._function(*self._arguments)
        except GlacierError as error:
            # This thread's traceback has no useful information and would keep the call's arguments alive: a handle
            # would keep its journal locked.
            self._error = error.with_traceback(None)
        except BaseException as error:
            self._error = error
        finally:
            self._arguments, self._kept_alive = (), None
            _running_calls.discard(self)
            self.done.set()
            # During shutdown only daemon threads can still be waiting. They must not run again.
            if not _is_exiting and self._requests is not None:
                self._requests.put(None)

    def _add_upload_details(self, error: BaseException) -> None:
        """Adds the library's upload details to an error that this package raised in a callback."""
        known = self._error
        if isinstance(error, GlacierError) and error.code == E_SOURCE_SHORT and isinstance(known, GlacierError):
            error.upload_id, error.resumable = known.upload_id, known.resumable


def check_can_start_thread() -> None:
    """Raises UsageError if the interpreter is shutting down: a background call could not finish."""
    if _is_exiting:
        raise error_of(E_STATE, _NO_BACKGROUND)


def thread_error(error: RuntimeError) -> GlacierError:
    """Returns the GlacierError for a thread that could not be started."""
    if _threads.is_shutdown(error):
        return error_of(E_STATE, _NO_BACKGROUND)
    return error_of(E_MEMORY, f"cannot start a thread for the call: {error}")


_NO_BACKGROUND = "the interpreter is shutting down and starts no background thread: call run() instead"


def _on_progress(_user_data: Any, progress: Any) -> int:
    try:
        response: int = _current.call.on_progress(progress.contents)
    except MemoryError:
        response = STOP
    return response


def _on_read(_user_data: Any, buffer: Any, capacity: int, length: Any) -> int:
    try:
        count = _current.call.on_read(memory_at(ctypes.addressof(buffer.contents), capacity))
    except MemoryError:
        count = None
    if count is None:
        return STOP
    length[0] = count
    return CONTINUE


def _on_log(_user_data: Any, level: int, message: bytes) -> None:
    _current.call.on_log(level, message.decode("utf-8", "replace"))


def _on_credentials(_user_data: Any, out: Any) -> int:
    try:
        response: int = _current.call.on_credentials(out)
    except MemoryError:
        response = STOP
    return response


def _run_provider(get_credentials: GetCredentials) -> tuple[bytes, bytes, Optional[bytes], int]:
    caller = _threads.greenlet_or_thread()
    outer = _active_providers()
    _providers_of[caller] = (*outer, get_credentials)
    try:
        return get_credentials()
    finally:
        if outer:
            _providers_of[caller] = outer
        else:
            del _providers_of[caller]


def _active_providers() -> tuple[GetCredentials, ...]:
    """Returns the credentials callables that this thread or greenlet is running."""
    return _providers_of.get(_threads.greenlet_or_thread(), ())


def _raise(error: BaseException) -> None:
    raise error


# The only callbacks that are passed to the library. They are never released, so the library cannot call a released one.
ON_PROGRESS = ProgressFn(_on_progress)
ON_READ = ReadFn(_on_read)
ON_LOG = LogFn(_on_log)
ON_CREDENTIALS = CredentialsFn(_on_credentials)

# The response to a callback of a call that must stop.
_STOPPED = object()

# `call`: the call that this thread runs.
_current = _threads.Local()

# The credentials callables that are running, by thread or greenlet.
_providers_of: dict[int, tuple[GetCredentials, ...]] = {}

_running_calls: set[Call[Any]] = set()
# Whether the interpreter is shutting down, and the thread that does it: the only one that may still run calls.
_is_exiting = False
_exiting_thread = 0


def _stop_all_calls() -> None:
    """Stops the calls of daemon threads. Interpreter shutdown would otherwise end these threads inside C."""
    global _is_exiting, _exiting_thread
    _is_exiting, _exiting_thread = True, _threads.native_ident()
    calls = list(_running_calls)
    for call in calls:
        call.stop()
    for call in calls:
        call.wait_if_it_calls_back()


atexit.register(_stop_all_calls)

if hasattr(os, "register_at_fork"):
    # The threads of these calls exist only in the parent.
    os.register_at_fork(after_in_child=_running_calls.clear)
