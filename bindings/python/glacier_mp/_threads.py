"""Operating system threads, and primitives to wait for them.

gevent and eventlet can replace the primitives of `_thread`, `threading` and `queue` with versions for greenlets
("monkey patching"). The thread of a working call is inside C, so it must be an operating system thread. This module
therefore always uses the original primitives, whether it is imported before or after the patching. A greenlet that
waits for such a thread waits in its hub, so other greenlets of its thread keep running.
"""

from __future__ import annotations

import _thread
import builtins
import importlib
import os
import posix
import sys
import threading
import weakref
from collections import deque
from contextlib import suppress
from types import BuiltinFunctionType
from typing import Any, Callable, Generic, Protocol, TypeVar

from ._queue import Empty, SimpleQueue

T = TypeVar("T")


class Inbox(Protocol[T]):
    """A queue from other threads to the thread or greenlet that created it."""

    def put(self, item: T) -> None:
        """Adds an item. It does not block. Any thread may call it."""

    def get(self) -> T:
        """Removes and returns the oldest item. It blocks until there is one."""


def inbox() -> Inbox[Any]:
    """Returns an Inbox for the calling thread or greenlet."""
    if _is_patched_by_gevent():
        return _GeventInbox()
    if _is_patched_by_eventlet():
        return _EventletInbox()
    return _MainThreadInbox() if native_ident() == threading.main_thread().ident else SimpleQueue()


class Completion:
    """An event that happens once."""

    def __init__(self) -> None:
        self._is_done = False
        self._callbacks: deque[Callable[[Completion], object]] = deque()

    def is_set(self) -> bool:
        """Returns whether the event has happened."""
        return self._is_done

    def set(self) -> None:
        """Marks the event as happened and calls the callbacks."""
        self._is_done = True
        self._call()

    def add_done_callback(self, callback: Callable[[Completion], object]) -> None:
        """Calls `callback` once: on the thread that calls set(), or on this thread if the event has happened."""
        self._callbacks.append(callback)
        if self._is_done:
            self._call()

    def wait(self) -> None:
        """Waits for the event."""
        if not self._is_done:
            queue = inbox()
            self.add_done_callback(queue.put)
            queue.get()

    def wait_natively(self) -> None:
        """Waits for the event and blocks the whole thread, including its other greenlets."""
        queue: SimpleQueue[Completion] = SimpleQueue()
        self.add_done_callback(queue.put)
        queue.get()

    def _call(self) -> None:
        # A signal handler may call this too, so there is no lock. popleft returns each callback to one thread only.
        with suppress(IndexError):
            while True:
                self._callbacks.popleft()(self)


def is_shutdown(error: RuntimeError) -> bool:
    """Returns whether a thread could not be started because the interpreter is shutting down.

    Python 3.12 and later start no threads after the main thread has ended.
    """
    return isinstance(error, _FinalizationError) or "interpreter shutdown" in str(error)


# Python 3.13 and later.
_FinalizationError: Any = getattr(builtins, "PythonFinalizationError", ())


class _MainThreadInbox(Generic[T]):
    """An Inbox of the main thread, which runs the signal handlers.

    Python runs a signal handler between two instructions. A signal that arrives just before a wait, or that another
    thread receives, does not end the wait. It would delay Ctrl-C until the call returns, so each wait is short.
    """

    def __init__(self) -> None:
        self._items: deque[T] = deque()
        self._has_items = allocate_lock()
        self._has_items.acquire()

    def put(self, item: T) -> None:
        self._items.append(item)
        # The lock is released already if the reader has not read the last item yet.
        with suppress(RuntimeError):
            self._has_items.release()

    def get(self) -> T:
        # No exception is handled here: it would become the context of a signal handler's exception.
        while not self._items:
            self._has_items.acquire(timeout=_SIGNAL_SECONDS)
        return self._items.popleft()


class _GeventInbox(Generic[T]):
    """An Inbox of a gevent greenlet."""

    def __init__(self) -> None:
        self._items: SimpleQueue[T] = SimpleQueue()
        self._ready = importlib.import_module("gevent.event").Event()
        self._loop = sys.modules["gevent"].get_hub().loop

    def put(self, item: T) -> None:
        self._items.put(item)
        self._loop.run_callback_threadsafe(self._ready.set)

    def get(self) -> T:
        while True:
            self._ready.clear()
            with suppress(Empty):
                return self._items.get_nowait()
            # gevent ends a wait if its loop has no pending event. The timeout is such an event.
            self._ready.wait(_KEEP_ALIVE_SECONDS)


class _EventletInbox(Generic[T]):
    """An Inbox of an eventlet greenlet. The hub of eventlet waits for file descriptors only, so this uses a pipe."""

    def __init__(self) -> None:
        self._items: SimpleQueue[T] = SimpleQueue()
        self._hubs = importlib.import_module("eventlet.hubs")
        self._reader, self._writer = os.pipe()
        for end in (self._reader, self._writer):
            os.set_blocking(end, False)
            # The hub may still have a closed descriptor with the same number registered.
            self._hubs.notify_opened(end)
            # Close it with the last reference: another thread may be writing.
            weakref.finalize(self, os.close, end).atexit = False

    def put(self, item: T) -> None:
        self._items.put(item)
        # A full pipe wakes the reader too. eventlet replaces os.write and os.read, but not those of posix.
        with suppress(BlockingIOError):
            posix.write(self._writer, b"x")

    def get(self) -> T:
        while True:
            with suppress(BlockingIOError):
                posix.read(self._reader, 4096)
            with suppress(Empty):
                return self._items.get_nowait()
            self._hubs.trampoline(self._reader, read=True)


_KEEP_ALIVE_SECONDS = 3600.0
# As long as the library may take to stop a call.
_SIGNAL_SECONDS = 0.25


def _is_patched_by_gevent() -> bool:
    monkey: Any = sys.modules.get("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched("threading"))


def _is_patched_by_eventlet() -> bool:
    patcher: Any = sys.modules.get("eventlet.patcher")
    return patcher is not None and bool(patcher.is_monkey_patched("thread"))


def _native_module() -> Any:
    """Returns `_thread` with its original functions."""
    if isinstance(_thread.start_new_thread, BuiltinFunctionType):
        return _thread
    if _is_patched_by_gevent():
        return _GeventOriginals()
    return importlib.import_module("eventlet.patcher").original("_thread")


class _GeventOriginals:
    """The original functions of `_thread`, as gevent has saved them."""

    def __getattr__(self, name: str) -> Any:
        return sys.modules["gevent.monkey"].get_original("_thread", name)


_native = _native_module()
start_new_thread: Callable[[Callable[..., object], tuple[Any, ...]], int] = _native.start_new_thread
allocate_lock: Callable[[], Any] = _native.allocate_lock
native_ident: Callable[[], int] = _native.get_ident
# threading.local for operating system threads.
Local: Any = _native._local


def greenlet_or_thread() -> int:
    """Returns the ID of the calling greenlet or thread. IDs of ended ones are reused."""
    return _thread.get_ident()
