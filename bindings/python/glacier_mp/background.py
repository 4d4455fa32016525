"""Background calls, which return a Future."""

from __future__ import annotations

import os
import threading
import weakref
from concurrent.futures import Future
from functools import partial
from typing import Any, Optional, TypeVar

from ._calls import Call, check_can_start_thread, thread_error
from ._ffi import UploadHandle, lib
from .archive import Archive, set_archive

T = TypeVar("T")


class Background:
    """An upload's reference to its background call, used to stop it.

    It also keeps the Future alive until the call has its outcome.
    """

    def __init__(self, call: Call[Any], future: Future[Any]) -> None:
        # Set when the call no longer uses the upload.
        self.done = call.done
        self._process = os.getpid()
        self._call: Optional[Call[Any]] = call
        self._future: Optional[Future[Any]] = future

    def is_running(self) -> bool:
        """Returns whether the call is in progress. In a forked child, a call of the parent is not."""
        return self._process == os.getpid() and not self.done.is_set()

    def stop(self) -> None:
        """Requests that the call stops. It does not wait for a callback that blocks."""
        call = self._call
        if call is not None:
            call.stop()

    def release(self) -> None:
        """Drops the references to the call and the Future. An error in the Future refers to frames that refer to the
        upload, which would form a cycle."""
        self._call = self._future = None


def in_background(call: Call[T], handle: UploadHandle) -> tuple[Future[T], Background]:
    """Starts a call on an upload. A new thread waits for it, runs its callbacks and sets the outcome of the Future.

    Neither that thread nor the call refers to the Future. When the program drops its last reference to the Future, the
    call is canceled. A later call on the same upload is not affected.
    """
    check_can_start_thread()
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()
    background = Background(call, future)
    canceler = weakref.finalize(future, call.cancel_with, partial(lib.glacier_upload_cancel, handle))
    canceler.atexit = False
    run = partial(_run, call, canceler, weakref.ref(background))
    try:
        # A daemon thread does not delay the end of the program, for example after Ctrl-C.
        threading.Thread(target=run, name="glacier_mp", daemon=True).start()
    except RuntimeError as error:
        canceler.detach()
        raise thread_error(error) from error
    return future, background


def _run(call: Call[Any], canceler: weakref.finalize[Any, Any], background: weakref.ref[Background]) -> None:
    try:
        result = call.result()
    except BaseException as error:
        _set_outcome(canceler, background, error=error)
    else:
        _set_outcome(canceler, background, result)


def _set_outcome(
    canceler: weakref.finalize[Any, Any],
    background: weakref.ref[Background],
    result: Any = None,
    error: Optional[BaseException] = None,
) -> None:
    detached = canceler.detach()
    if detached is None:
        return
    future: Future[Any] = detached[0]
    owner = background()
    if owner is not None:
        owner.release()
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(_awaitable(error))


def _awaitable(error: BaseException) -> BaseException:
    """Returns an exception that an asyncio.Future accepts.

    It rejects a StopIteration, and a task that awaits it would never end. As in a generator (PEP 479), a RuntimeError
    takes its place.
    """
    if not isinstance(error, StopIteration):
        return error
    replacement = RuntimeError("a callback or the source raised StopIteration")
    replacement.__cause__ = error
    archive = getattr(error, "archive", None)
    if isinstance(archive, Archive):
        set_archive(replacement, archive)
    return replacement
