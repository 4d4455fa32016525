"""Callbacks during working calls: progress and log, and cancellation."""

from __future__ import annotations

import logging
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from glacier_mp import (
    Client,
    Config,
    GlacierError,
    Progress,
    State,
    StoppedError,
    TreeHash,
    Upload,
    UsageError,
)
from local import MIB, VAULT, Glacier, content, wait_until

PART = "UploadMultipartPart"


def test_progress_reports_all_counters(glacier: Glacier) -> None:
    reports: list[Progress] = []
    threads = set()

    def report(progress: Progress) -> None:
        reports.append(progress)
        threads.add(threading.current_thread())

    glacier.fault("delay_answer", PART, millis=400)
    with (
        glacier.client() as client,
        Upload(client, VAULT, content(2 * MIB + 1), part_size=MIB, progress=report) as upload,
    ):
        assert (upload.progress().bytes_total, upload.progress().parts_total) == (None, None)
        upload.run()
        last = upload.progress()
    assert len(reports) > 1, "progress is reported while no data moves"
    assert replace(reports[-1], elapsed=last.elapsed) == last, "the final progress is reported"
    assert (last.bytes_total, last.bytes_done, last.bytes_hashed) == (2 * MIB + 1,) * 3
    assert (last.parts_total, last.parts_done, last.parts_in_flight, last.retries) == (3, 3, 0, 0)
    assert last.bytes_sent >= 2 * MIB + 1
    assert reports[0].elapsed <= last.elapsed < 60
    assert threads == {threading.current_thread()}
    with pytest.raises(AttributeError):
        last.retries = 1  # type: ignore[misc]


class CallbackError(Exception):
    pass


@pytest.mark.parametrize("kind", [CallbackError, KeyboardInterrupt, SystemExit, GeneratorExit, StopIteration])
def test_callback_exception_is_raised_from_the_call(glacier: Glacier, kind: type[BaseException]) -> None:
    thrown: list[BaseException] = []

    def report(progress: Progress) -> None:
        # An exception during Initiate may leave an upload that the object does not know.
        if not thrown and progress.parts_in_flight > 0:
            thrown.append(kind("in the callback"))
            raise thrown[0]

    glacier.fault("stall", PART)
    data = content(MIB + 1)
    with glacier.client() as client, Upload(client, VAULT, data, part_size=MIB, progress=report) as upload:
        with pytest.raises(kind) as caught:
            upload.run()
        assert caught.value is thrown[0]
        assert "report" in [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
        # The upload is in the vault, and the same object resumes it.
        assert [kept["upload_id"] for kept in glacier.uploads()] == [upload.upload_id]
        archive = upload.run()
    assert glacier.archive(archive.archive_id) == data


def test_exception_in_the_last_progress_callback_does_not_stop_later_calls(glacier: Glacier) -> None:
    raised = False

    def report(progress: Progress) -> None:
        nonlocal raised
        # The part is acknowledged, so the call has nothing left to do.
        if progress.parts_done == 1 and not raised:
            raised = True
            raise CallbackError

    with glacier.client() as client, Upload(client, VAULT, part_size=MIB, progress=report) as upload:
        upload.initiate()
        with pytest.raises(CallbackError):
            upload.put_part(0, content(MIB))
        upload.put_part(1, b"the end")
        upload.complete()


def test_exception_on_one_thread_stops_put_part_on_others(glacier: Glacier) -> None:
    glacier.fault("stall", PART, always=True)
    main = threading.current_thread()
    raised = threading.Event()

    def report(progress: Progress) -> None:
        # Raise once only: the put_part below may report progress before its own request arrives.
        if threading.current_thread() is main and not raised.is_set() and len(glacier.requests(PART)) == 3:
            raised.set()
            raise CallbackError

    with glacier.client() as client, Upload(client, VAULT, part_size=MIB, progress=report) as upload:
        upload.initiate()
        with ThreadPoolExecutor(2) as pool:
            others = [pool.submit(upload.put_part, index, content(MIB)) for index in (0, 1)]
            with pytest.raises(CallbackError):
                upload.put_part(2, content(MIB))
            for other in others:
                error = other.exception()
                assert isinstance(error, StoppedError)
                assert (error.name, error.upload_id) == ("GLACIER_E_CALLBACK", upload.upload_id)
        glacier.clear_faults()
        upload.put_part(0, content(MIB))


def test_rejects_working_calls_inside_a_callback(glacier: Glacier) -> None:
    seen: dict[str, Any] = {}

    def report(progress: Progress) -> None:
        if upload.state is State.TRANSFERRING and not seen:
            seen["id"] = upload.upload_id
            seen["total"] = upload.progress().bytes_total
            for call in (upload.run, upload.list_parts, upload.complete, upload.abort):
                with pytest.raises(UsageError) as caught:
                    call()
                seen[call.__name__] = caught.value.name
            upload.cancel()

    glacier.fault("stall", PART)
    with glacier.client() as client, Upload(client, VAULT, content(MIB), progress=report) as upload:
        with pytest.raises(StoppedError) as caught:
            upload.run()
        assert (caught.value.name, caught.value.resumable) == ("GLACIER_E_CANCELED", True)
        busy = dict.fromkeys(("run", "list_parts", "complete", "abort"), "GLACIER_E_BUSY")
        assert seen == {"id": upload.upload_id, "total": MIB, **busy}
        upload.run()


def test_callback_can_change_the_bandwidth_limit(glacier: Glacier) -> None:
    def report(progress: Progress) -> None:
        if progress.bytes_sent > 0:
            upload.set_bandwidth_limit(0)

    with glacier.client() as client, Upload(client, VAULT, content(MIB), progress=report) as upload:
        upload.set_bandwidth_limit(1)
        # With the first limit the upload would take twelve days.
        upload.run()


def test_callback_can_close_its_upload(glacier: Glacier) -> None:
    glacier.fault("stall", PART)
    client = glacier.client()
    upload: Upload = Upload(client, VAULT, content(MIB), progress=lambda _progress: upload.close())
    client.close()
    with pytest.raises(StoppedError):
        upload.run()
    with pytest.raises(UsageError, match="closed"):
        upload.run()


def test_other_threads_run_and_can_cancel(glacier: Glacier) -> None:
    glacier.fault("stall", PART)
    with glacier.client() as client, Upload(client, VAULT, content(MIB)) as upload, ThreadPoolExecutor(1) as pool:
        running = pool.submit(upload.run)
        # This thread runs while the other is inside the library, so the GIL is released.
        wait_until(lambda: glacier.requests(PART))
        assert upload.state is State.TRANSFERRING
        with pytest.raises(UsageError) as busy:
            upload.run()
        assert busy.value.name == "GLACIER_E_BUSY"
        upload.cancel()
        error = running.exception()
        assert isinstance(error, StoppedError)
        assert error.name == "GLACIER_E_CANCELED"
        upload.run()


def test_tree_hash_of_a_file_reports_progress(tmp_path: Path) -> None:
    path = tmp_path / "archive"
    path.write_bytes(content(3 * MIB + 1))
    reports: list[Progress] = []
    assert TreeHash.file(path, threads=2, progress=reports.append) == TreeHash(path.read_bytes()).finish()
    assert (reports[-1].bytes_total, reports[-1].bytes_hashed) == (3 * MIB + 1,) * 2

    def report(progress: Progress) -> None:
        raise CallbackError

    with pytest.raises(CallbackError):
        TreeHash.file(path, progress=report)


def test_logs_to_a_logger(glacier: Glacier, caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("test.logger")
    caplog.set_level(logging.DEBUG, logger.name)
    glacier.fault("status", PART, status=500)
    settings = glacier.settings(max_attempts=2, log=logger)
    with glacier.client(**settings) as client:
        client.upload(VAULT, b"data", archive_description="100% %s")
        client.list_uploads(VAULT)
    levels = {record.levelno for record in caplog.records if record.name == logger.name}
    assert {logging.DEBUG, logging.INFO, logging.WARNING} <= levels
    assert "ListMultipartUploads" in caplog.text
    assert settings["aws_secret_access_key"] not in caplog.text


def test_logger_level_selects_the_lines(glacier: Glacier, caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("test.logger")
    caplog.set_level(logging.INFO, logger.name)
    with glacier.client(log=logger) as client:
        client.upload(VAULT, b"data")
    assert {record.levelno for record in caplog.records} == {logging.INFO}


@pytest.mark.parametrize(
    ("level", "least"), [(None, logging.INFO), (logging.DEBUG, logging.DEBUG), (35, logging.ERROR)]
)
def test_logs_to_a_callable(glacier: Glacier, level: Any, least: int) -> None:
    lines: list[tuple[int, str]] = []
    threads = set()

    def write(level: int, line: str) -> None:
        lines.append((level, line))
        threads.add(threading.current_thread())

    glacier.respond_with_error(403, "AccessDeniedException", "CompleteMultipartUpload")
    with glacier.client(log=write, log_level=level) as client, pytest.raises(GlacierError) as caught:
        client.upload(VAULT, b"data")
    assert min(number for number, _ in lines) == least
    assert any(caught.value.message in line for number, line in lines if number == logging.ERROR)
    assert all(line and "\n" not in line for _, line in lines)
    assert threads == {threading.current_thread()}


def test_log_callback_exception_is_raised_from_the_call(glacier: Glacier) -> None:
    def write(level: int, line: str) -> None:
        raise CallbackError

    with glacier.client(log=write, log_level=logging.DEBUG) as client:
        with pytest.raises(CallbackError):
            client.upload(VAULT, b"data")
        with pytest.raises(CallbackError):
            client.list_uploads(VAULT)


NOT_CALLABLE: dict[str, Callable[[Client, Any], object]] = {
    "progress": lambda client, value: Upload(client, VAULT, b"data", progress=value),
    "progress of upload": lambda client, value: client.upload(VAULT, b"data", progress=value),
    "progress of file": lambda client, value: TreeHash.file("absent", progress=value),
    "log": lambda client, value: Config(log=value),
    "credentials": lambda client, value: Config(credentials=value),
}


@pytest.mark.parametrize("value", [5, "x", False, []])
@pytest.mark.parametrize("parameter", NOT_CALLABLE)
def test_rejects_a_callback_that_is_not_callable(glacier: Glacier, parameter: str, value: Any) -> None:
    name, kind = parameter.split()[0], type(value).__name__
    with glacier.client() as client, pytest.raises(TypeError, match=f"^{name} must be .*callable, not {kind}$"):
        NOT_CALLABLE[parameter](client, value)
    assert glacier.requests() == []


def test_error_of_a_log_names_every_type_that_is_accepted() -> None:
    rejected: Any = 5
    with pytest.raises(
        TypeError, match=r"^log must be a logging\.Logger, a logging\.LoggerAdapter or callable, not int$"
    ):
        Config(log=rejected)


def test_logs_to_a_logger_adapter(glacier: Glacier, caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("test.adapter")
    caplog.set_level(logging.WARNING, logger.name)

    class Adapter(logging.LoggerAdapter):  # type: ignore[type-arg]
        def process(self, message: str, arguments: Any) -> tuple[str, Any]:
            return f"job 7: {message}", arguments

    glacier.fault("status", PART, status=500)
    with glacier.client(max_attempts=2, log=Adapter(logger, {})) as client:
        client.upload(VAULT, b"data", archive_description="100% %s")
    # The level is that of the logger.
    assert {record.levelno for record in caplog.records} == {logging.WARNING}
    assert all(record.getMessage().startswith("job 7: ") for record in caplog.records)
