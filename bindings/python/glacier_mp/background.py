"""Background calls: a Future in place of a thread that waits."""

from __future__ import annotations

import os
import threading
import weakref
from concurrent.futures import Future
from functools import partial
from typing import Any, Optional, TypeVar

from ._calls import Call, check_background, no_thread
from ._ffi import UploadHandle, lib

T = TypeVar("T")


class Background:
    """What an upload keeps of a call in the background: enough to stop it; and the Future, until it has its outcome."""

    def __init__(self, call: Call[Any], future: Future[Any]) -> None:
        # Done when the upload is not worked on any more.
        self.over = call.over
        self._process = os.getpid()
        self._call: Optional[Call[Any]] = call
        self._future: Optional[Future[Any]] = future

    def is_at_work(self) -> bool:
        """Whether it is not over yet; what a parent process began is not at work in its child."""
        return self._process == os.getpid() and not self.over.done()

    def stop(self) -> None:
        """Has it end as soon as it can; a callback that blocks is not waited for."""
        call = self._call
        if call is not None:
            call.stop()

    def forget(self) -> None:
        """Lets go of what is not needed any more. An error in the Future refers to frames, and they to the upload."""
        self._call = self._future = None


def in_background(call: Call[T], handle: UploadHandle) -> tuple[Future[T], Background]:
    """Starts a call on an upload, waited for and served by a thread that gives the Future its outcome.

    Neither that thread nor the call refers to the Future: when nobody else does any more, the call is canceled; not
    what the upload may be doing next by then.
    """
    check_background()
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()
    background = Background(call, future)
    wanted = weakref.finalize(future, call.cancel, partial(lib.glacier_upload_cancel, handle))
    wanted.atexit = False
    serve = partial(_serve, call, wanted, weakref.ref(background))
    try:
        # A daemon: a program that is to end, by Ctrl-C for one, is not kept.
        threading.Thread(target=serve, name="glacier_mp", daemon=True).start()
    except RuntimeError as error:
        wanted.detach()
        raise no_thread(error) from error
    return future, background


def _serve(call: Call[Any], wanted: weakref.finalize[Any, Any], background: weakref.ref[Background]) -> None:
    try:
        returned = call.result()
    except BaseException as error:
        _tell(wanted, background, error=error)
    else:
        _tell(wanted, background, returned)


def _tell(
    wanted: weakref.finalize[Any, Any],
    background: weakref.ref[Background],
    returned: Any = None,
    error: Optional[BaseException] = None,
) -> None:
    kept = wanted.detach()
    if kept is None:
        return
    future: Future[Any] = kept[0]
    keeper = background()
    if keeper is not None:
        keeper.forget()
    if error is None:
        future.set_result(returned)
    else:
        future.set_exception(error)
