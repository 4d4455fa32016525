"""Background runs: Futures, and uploads on asyncio event loops."""

from __future__ import annotations

import asyncio
import concurrent.futures
import gc
import logging
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Callable

import pytest

from glacier_mp import Archive, GlacierError, Progress, ServiceError, State, StoppedError, Upload, UsageError
from local import MIB, VAULT, Glacier, content, wait_until

PART = "UploadMultipartPart"
COMPLETE = "CompleteMultipartUpload"
DATA = content(2 * MIB + 5)


class CallbackError(Exception):
    pass


def test_future_returns_the_archive(glacier: Glacier) -> None:
    glacier.fault("delay_answer", PART, millis=300)
    called: list[Future[Archive]] = []
    with glacier.client() as client, Upload(client, VAULT, DATA, part_size=MIB) as upload:
        future = upload.start()
        future.add_done_callback(called.append)
        assert (future.running(), future.done(), future.cancel()) == (True, False, False)
        with pytest.raises(concurrent.futures.TimeoutError):
            future.result(timeout=0)
        archive = future.result()
        assert (future.running(), future.done(), future.cancelled(), future.cancel()) == (False, True, False, False)
        assert future.exception() is None
        assert archive == upload.run(), "run() returns the same archive"
        wait_until(lambda: called)
        assert called == [future]
        assert upload.start().result() == archive
    assert glacier.archive(archive.archive_id) == DATA


def test_futures_work_with_as_completed(glacier: Glacier) -> None:
    with glacier.client() as client:
        uploads = [Upload(client, VAULT, DATA + bytes([number]), part_size=MIB) for number in range(5)]
        futures = [upload.start() for upload in uploads]
        archives = [future.result() for future in concurrent.futures.as_completed(futures)]
        assert {archive.archive_id for archive in archives} == {archive["archive_id"] for archive in glacier.archives()}
        assert concurrent.futures.wait(futures).not_done == set()


def test_future_raises_the_error_of_the_run(glacier: Glacier) -> None:
    glacier.respond_with_error(403, "AccessDeniedException", PART)
    with glacier.client() as client, Upload(client, VAULT, DATA, part_size=MIB) as upload:
        error = upload.start().exception()
        assert isinstance(error, ServiceError)
        assert (error.name, error.operation, error.resumable) == ("GLACIER_E_ACCESS", PART, True)
        assert error.upload_id == upload.upload_id is not None
        archive = upload.start().result()
    assert glacier.archive(archive.archive_id) == DATA
    with glacier.client() as client, Upload(client, VAULT) as upload:
        assert isinstance(upload.start().exception(), UsageError), "the upload has no source"


@pytest.mark.parametrize("kind", [CallbackError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("where", ["progress", "log", "source"])
def test_future_raises_the_exception_of_a_callback(glacier: Glacier, where: str, kind: type[BaseException]) -> None:
    thrown: list[BaseException] = []

    def fail(*facts: Any) -> Any:
        if not thrown:
            thrown.append(kind("in the callback"))
            raise thrown[0]

    def read() -> Iterator[bytes]:
        yield DATA
        fail()

    glacier.fault("stall", PART)
    log = {"log": fail} if where == "log" else {}
    source: Any = read() if where == "source" else DATA
    with (
        glacier.client(**log) as client,
        Upload(client, VAULT, source, part_size=MIB, progress=fail if where == "progress" else None) as upload,
    ):
        assert upload.start().exception() is thrown[0]


def test_callbacks_run_on_the_thread_of_the_upload(glacier: Glacier) -> None:
    threads: dict[str, threading.Thread] = {}

    def seen(name: str) -> None:
        threads[name] = threading.current_thread()

    def read() -> Iterator[bytes]:
        seen("source")
        yield DATA

    glacier.fault("delay_answer", PART, millis=200)
    with glacier.client(log=lambda level, line: seen("log"), log_level=logging.DEBUG) as client:
        upload = Upload(client, VAULT, read(), progress=lambda progress: seen("progress"))
        future = upload.start()
        future.add_done_callback(lambda future: seen("done"))
        future.result()
        wait_until(lambda: "done" in threads)
    assert set(threads) == {"source", "log", "progress", "done"}
    (own,) = set(threads.values())
    assert own is not threading.current_thread()
    assert (own.name, own.daemon) == ("glacier_mp", True)


def test_rejects_working_calls_inside_a_callback(glacier: Glacier) -> None:
    seen: dict[str, Any] = {}

    def report(progress: Progress) -> None:
        if upload.state is State.TRANSFERRING and not seen:
            seen["id"] = upload.upload_id
            seen["total"] = upload.progress().bytes_total
            for call in (upload.run, upload.start, upload.list_parts, upload.complete):
                with pytest.raises(UsageError) as caught:
                    call()
                seen[call.__name__] = caught.value.name
            upload.cancel()

    glacier.fault("stall", PART)
    with glacier.client() as client, Upload(client, VAULT, DATA, progress=report) as upload:
        error = upload.start().exception()
        assert isinstance(error, StoppedError)
        assert error.name == "GLACIER_E_CANCELED"
        busy = dict.fromkeys(("run", "start", "list_parts", "complete"), "GLACIER_E_BUSY")
        assert seen == {"id": upload.upload_id, "total": len(DATA), **busy}


@pytest.mark.parametrize("where", ["outside", "callback"])
def test_abort_stops_the_run_first(glacier: Glacier, where: str) -> None:
    def report(progress: Progress) -> None:
        if where == "callback" and progress.parts_in_flight:
            upload.abort()

    glacier.fault("stall", PART, always=True)
    with glacier.client() as client, Upload(client, VAULT, DATA, part_size=MIB, progress=report) as upload:
        future = upload.start()
        wait_until(lambda: glacier.requests(PART))
        if where == "outside":
            with pytest.raises(UsageError) as caught:
                upload.list_parts()
            assert caught.value.name == "GLACIER_E_BUSY"
            upload.abort()
        assert isinstance(future.exception(), StoppedError)
        assert upload.state is State.ABORTED
        upload.abort()
    assert glacier.uploads() == []


def test_rejects_a_second_start_during_a_run(glacier: Glacier) -> None:
    glacier.fault("delay_answer", PART, millis=300)
    with glacier.client() as client, Upload(client, VAULT, DATA) as upload:
        future = upload.start()
        with pytest.raises(UsageError) as caught:
            upload.start()
        assert caught.value.name == "GLACIER_E_BUSY"
        future.result()


@pytest.mark.parametrize("how", ["cancel", "close"])
def test_cancel_and_close_stop_the_run(glacier: Glacier, how: str) -> None:
    glacier.fault("stall", PART)
    with glacier.client() as client:
        upload = Upload(client, VAULT, DATA, part_size=MIB)
        future = upload.start()
        wait_until(lambda: glacier.requests(PART))
        getattr(upload, how)()
        error = future.exception()
        assert isinstance(error, StoppedError)
        assert (error.name, error.resumable) == ("GLACIER_E_CANCELED", True)
        if how == "cancel":
            upload.start().result()
    assert len(glacier.archives()) == (how == "cancel")


@pytest.mark.parametrize("kept", ["upload", "future"])
def test_run_continues_while_upload_or_future_is_referenced(glacier: Glacier, kept: str) -> None:
    glacier.fault("delay_answer", PART, millis=300)
    with glacier.client() as client:
        upload = Upload(client, VAULT, DATA, part_size=MIB)
        future = upload.start()
        left = upload if kept == "upload" else future
        del upload, future
        wait_until(glacier.archives)
    del left


def test_run_is_canceled_with_the_last_reference(glacier: Glacier, without_collector: None) -> None:
    glacier.fault("stall", PART, always=True)
    lines: list[str] = []
    with glacier.client(log=lambda level, line: lines.append(line)) as client:
        upload = Upload(client, VAULT, DATA, part_size=MIB)
        future = upload.start()
        future.add_done_callback(print)
        wait_until(lambda: glacier.requests(PART))
        del upload
        assert not any("canceled" in line for line in lines)
        del future
        wait_until(lambda: any("canceled" in line for line in lines))


def test_late_release_of_a_future_does_not_cancel_the_next_run(glacier: Glacier) -> None:
    glacier.fault("stall", PART)
    served, serve = threading.Event(), threading.Event()

    def wait(_: object) -> None:
        served.set()
        serve.wait()

    with glacier.client() as client, Upload(client, VAULT, DATA, part_size=MIB) as upload:
        first = upload.start()
        background = upload._background
        assert background is not None
        # Holds the thread that sets the outcome of the Future after the call has ended.
        background.done.add_done_callback(wait)
        wait_until(lambda: glacier.requests(PART))
        upload.cancel()
        served.wait()
        glacier.fault("delay_answer", PART, millis=1000)
        second = upload.start()
        del first, background
        gc.collect()
        try:
            assert glacier.archive(second.result().archive_id) == DATA
        finally:
            serve.set()


@pytest.mark.parametrize("how", ["run", "start", "run_async"])
@pytest.mark.parametrize("outcome", ["done", "refused", "exception"])
def test_run_releases_source_and_callback(glacier: Glacier, without_collector: None, how: str, outcome: str) -> None:
    class Buffer(bytearray):
        pass

    class Report:
        def __call__(self, progress: Progress) -> None:
            if outcome == "exception":
                raise CallbackError

    references: list[weakref.ref[Any]] = []

    def go() -> None:
        data, report = Buffer(DATA), Report()
        references.extend((weakref.ref(data), weakref.ref(report)))
        upload = Upload(client, VAULT, data, progress=report)
        if how == "run":
            upload.run()
        elif how == "start":
            upload.start().result()
        else:
            asyncio.run(upload.run_async())

    if outcome == "refused":
        glacier.respond_with_error(403, "AccessDeniedException", PART)
    with glacier.client() as client:
        with suppress(CallbackError, GlacierError):
            go()

        def all_gone() -> bool:
            if how == "run_async":
                # asyncio.run() creates a reference cycle of an exception and its frames.
                gc.collect()
            return [reference() for reference in references] == [None, None]

        # The thread may still be ending.
        wait_until(all_gone)


def test_run_async_does_not_block_the_event_loop(glacier: Glacier) -> None:
    glacier.fault("delay_answer", PART, millis=300)
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    async def main() -> Archive:
        ticking = asyncio.ensure_future(tick())
        with glacier.client() as client, Upload(client, VAULT, DATA, part_size=MIB) as upload:
            archive = await upload.run_async()
        ticking.cancel()
        return archive

    archive = asyncio.run(main())
    assert glacier.archive(archive.archive_id) == DATA
    assert ticks > 3, "the event loop is not blocked"


def test_uploads_in_parallel_on_one_event_loop(glacier: Glacier) -> None:
    datas = [content(MIB + number) for number in range(12)]

    async def main() -> list[Archive]:
        with glacier.client() as client:
            uploads = [Upload(client, VAULT, data, part_size=MIB) for data in datas]
            return await asyncio.gather(*(upload.run_async() for upload in uploads))

    archives = asyncio.run(main(), debug=True)
    assert [glacier.archive(archive.archive_id) for archive in archives] == datas


def test_uploads_on_several_event_loops(glacier: Glacier) -> None:
    def on_a_loop(number: int) -> Archive:
        async def main() -> Archive:
            with Upload(client, VAULT, content(MIB + number), part_size=MIB) as upload:
                return await upload.run_async()

        return asyncio.run(main())

    with glacier.client() as client, ThreadPoolExecutor(4) as pool:
        archives = list(pool.map(on_a_loop, range(4)))
    assert [len(glacier.archive(archive.archive_id)) for archive in archives] == [MIB + number for number in range(4)]


def test_run_async_raises_the_errors_of_the_run(glacier: Glacier) -> None:
    def report(progress: Progress) -> None:
        raise CallbackError

    async def main() -> None:
        with glacier.client() as client:
            with Upload(client, VAULT, DATA) as upload, pytest.raises(ServiceError) as caught:
                await upload.run_async()
            assert caught.value.name == "GLACIER_E_ACCESS"
            with Upload(client, VAULT, DATA, progress=report) as upload, pytest.raises(CallbackError):
                await upload.run_async()
        with pytest.raises(UsageError, match="closed"):
            await upload.run_async()

    glacier.respond_with_error(403, "AccessDeniedException", PART)
    asyncio.run(main(), debug=True)


async def stopped_by_cancel(upload: Upload, glacier: Glacier) -> None:
    task = asyncio.ensure_future(upload.run_async())
    while not glacier.requests(PART):
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def stopped_by_timeout(upload: Upload, glacier: Glacier) -> None:
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(upload.run_async(), timeout=0.5)


async def stopped_by_another_task(upload: Upload, glacier: Glacier) -> None:
    async def fail() -> None:
        while not glacier.requests(PART):
            await asyncio.sleep(0.01)
        raise CallbackError

    task = asyncio.ensure_future(upload.run_async())
    with pytest.raises(CallbackError):
        await asyncio.gather(task, fail())
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


@pytest.mark.parametrize("stop", [stopped_by_cancel, stopped_by_timeout, stopped_by_another_task])
def test_canceling_the_task_stops_the_run(
    glacier: Glacier, caplog: pytest.LogCaptureFixture, stop: Callable[[Upload, Glacier], Any]
) -> None:
    async def main() -> Archive:
        with glacier.client() as client, Upload(client, VAULT, DATA, part_size=MIB) as upload:
            await stop(upload, glacier)
            # The run has ended, so the same object can resume immediately.
            assert upload.progress().parts_in_flight == 0
            assert [kept["upload_id"] for kept in glacier.uploads()] == [upload.upload_id]
            return await upload.run_async()

    glacier.fault("stall", PART)
    archive = asyncio.run(main(), debug=True)
    assert glacier.archive(archive.archive_id) == DATA
    assert len(glacier.requests(PART)) <= 3 + 3
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR], (
        "asyncio reports no unretrieved exception"
    )


def test_canceled_task_does_not_wait_for_a_blocking_source(glacier: Glacier) -> None:
    blocked, go_on = threading.Event(), threading.Event()

    def read() -> Iterator[bytes]:
        yield DATA
        blocked.set()
        go_on.wait()

    async def main() -> None:
        with glacier.client() as client, Upload(client, VAULT, read(), part_size=MIB) as upload:
            task = asyncio.ensure_future(upload.run_async())
            await asyncio.get_running_loop().run_in_executor(None, blocked.wait)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert upload.progress().parts_in_flight == 0

    asyncio.run(main())
    assert not go_on.is_set()
    go_on.set()


@pytest.mark.parametrize("cancels", [1, 3])
def test_canceled_task_waits_for_the_response_to_complete(glacier: Glacier, cancels: int) -> None:
    glacier.fault("delay_answer", COMPLETE, millis=500)

    async def main() -> None:
        with glacier.client() as client, Upload(client, VAULT, DATA) as upload:
            task = asyncio.ensure_future(upload.run_async())
            while not glacier.requests(COMPLETE):
                await asyncio.sleep(0.01)
            for _ in range(cancels):
                task.cancel()
                await asyncio.sleep(0.01)
            with pytest.raises(asyncio.CancelledError):
                await task
            assert upload.state is State.COMPLETED
            assert upload.archive_id == glacier.archives()[0]["archive_id"]

    asyncio.run(main())
