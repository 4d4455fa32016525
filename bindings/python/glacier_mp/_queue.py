"""SimpleQueue, which gevent and eventlet do not replace. CPython has it in C."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING or sys.implementation.name != "pypy":
    from _queue import Empty, SimpleQueue
else:
    import _thread
    from collections import deque
    from contextlib import suppress
    from queue import Empty

    class SimpleQueue:
        """A queue with one reader. A signal handler may call put(), even during another put()."""

        def __init__(self):
            self._items = deque()
            self._has_items = _thread.allocate_lock()
            self._has_items.acquire()

        def __class_getitem__(cls, kind):
            return cls

        def put(self, item):
            self._items.append(item)
            # The lock is released already if the reader has not read the last item yet.
            with suppress(RuntimeError):
                self._has_items.release()

        def get(self):
            while True:
                with suppress(IndexError):
                    return self._items.popleft()
                self._has_items.acquire()

        def get_nowait(self):
            with suppress(IndexError):
                return self._items.popleft()
            raise Empty


__all__ = ["Empty", "SimpleQueue"]
