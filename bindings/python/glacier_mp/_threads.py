"""Threads of the operating system, and waiting for them.

gevent and eventlet can replace the primitives of `_thread`, `threading` and `queue` by their own, for greenlets. The
thread of a working call is inside C and must be a real one, so the primitives here are never the replaced ones,
whether the package is imported before or after the replacement. A greenlet that waits for such a thread waits in its
hub: other greenlets of its thread keep running.
"""

from __future__ import annotations

import _thread
import builtins
import importlib
import os
import posix
import sys
import weakref
from _queue import Empty, SimpleQueue
from collections import deque
from contextlib import suppress
from types import BuiltinFunctionType
from typing import Any, Callable, Generic, Protocol, TypeVar

T = TypeVar("T")


class Inbox(Protocol[T]):
    """A queue from other threads to the thread, or greenlet, that made it."""

    def put(self, item: T) -> None:
        """Adds an item. Any thread may call it; it never waits."""

    def get(self) -> T:
        """Removes and returns the oldest item; waits for one."""


def inbox() -> Inbox[Any]:
    """Returns an Inbox that suits the calling thread or greenlet."""
    if _is_patched_by_gevent():
        return _GeventInbox()
    if _is_patched_by_eventlet():
        return _EventletInbox()
    return SimpleQueue()


class Completion:
    """An event that happens once."""

    def __init__(self) -> None:
        self._is_done = False
        self._callbacks: deque[Callable[[Completion], object]] = deque()

    def done(self) -> bool:
        """Returns whether it has happened."""
        return self._is_done

    def set(self) -> None:
        """Reports the event and calls the callbacks."""
        self._is_done = True
        self._call()

    def add_done_callback(self, callback: Callable[[Completion], object]) -> None:
        """Calls `callback` once: on the thread that reports the event, or here if it has happened."""
        self._callbacks.append(callback)
        if self._is_done:
            self._call()

    def wait(self) -> None:
        """Waits for the event."""
        if not self._is_done:
            waiting = inbox()
            self.add_done_callback(waiting.put)
            waiting.get()

    def result(self) -> None:
        """Waits for the event, as a Future does."""
        self.wait()

    def wait_natively(self) -> None:
        """Waits for the event and holds up the whole thread, greenlets included."""
        waiting: SimpleQueue[Completion] = SimpleQueue()
        self.add_done_callback(waiting.put)
        waiting.get()

    def _call(self) -> None:
        # No lock, because a signal handler may come here too: popleft gives each callback to one thread only.
        with suppress(IndexError):
            while True:
                self._callbacks.popleft()(self)


def is_shutdown(error: RuntimeError) -> bool:
    """Returns whether a thread could not be started because the interpreter shuts down. Since Python 3.12 it starts no
    thread once its main thread has ended."""
    return isinstance(error, _FinalizationError) or "interpreter shutdown" in str(error)


# Python 3.13 has a class for it.
_FinalizationError: Any = getattr(builtins, "PythonFinalizationError", ())


class _GeventInbox(Generic[T]):
    """For a greenlet of gevent."""

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
            # The time limit is a timer: gevent ends a wait when its loop has nothing at all to wait for.
            self._ready.wait(_KEEP_ALIVE)


class _EventletInbox(Generic[T]):
    """For a greenlet of eventlet, whose hub waits for file descriptors only."""

    def __init__(self) -> None:
        self._items: SimpleQueue[T] = SimpleQueue()
        self._hubs = importlib.import_module("eventlet.hubs")
        self._reader, self._writer = os.pipe()
        for end in (self._reader, self._writer):
            os.set_blocking(end, False)
            # The number may be that of a descriptor that the hub believes to be open.
            self._hubs.notify_opened(end)
            # Closed with the last reference only: another thread may be writing.
            weakref.finalize(self, os.close, end).atexit = False

    def put(self, item: T) -> None:
        self._items.put(item)
        # A pipe that is full wakes the reader as well. eventlet replaces the functions of os, not those of posix.
        with suppress(BlockingIOError):
            posix.write(self._writer, b"x")

    def get(self) -> T:
        while True:
            with suppress(BlockingIOError):
                posix.read(self._reader, 4096)
            with suppress(Empty):
                return self._items.get_nowait()
            self._hubs.trampoline(self._reader, read=True)


# Seconds.
_KEEP_ALIVE = 3600.0


def _is_patched_by_gevent() -> bool:
    monkey: Any = sys.modules.get("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched("threading"))


def _is_patched_by_eventlet() -> bool:
    patcher: Any = sys.modules.get("eventlet.patcher")
    return patcher is not None and bool(patcher.is_monkey_patched("thread"))


def _native_module() -> Any:
    """Returns `_thread` with its own functions."""
    if isinstance(_thread.start_new_thread, BuiltinFunctionType):
        return _thread
    if _is_patched_by_gevent():
        return _GeventOriginals()
    return importlib.import_module("eventlet.patcher").original("_thread")


class _GeventOriginals:
    """`_thread` as it was before gevent replaced its functions."""

    def __getattr__(self, name: str) -> Any:
        return sys.modules["gevent.monkey"].get_original("_thread", name)


_native = _native_module()
start_new_thread: Callable[[Callable[..., object], tuple[Any, ...]], int] = _native.start_new_thread
allocate_lock: Callable[[], Any] = _native.allocate_lock
native_ident: Callable[[], int] = _native.get_ident
# Native: the class of objects that have one set of attributes per thread.
Local: Any = _native._local


def greenlet_or_thread() -> int:
    """Returns a number for the greenlet, or else the thread, that calls. It is reused after the end of either."""
    return _thread.get_ident()
