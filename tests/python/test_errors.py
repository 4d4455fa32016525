"""Exceptions: the class for each result code, and the attributes."""

from __future__ import annotations

import json
import logging
import pickle
from pathlib import Path
from typing import Any, Callable, Optional, cast

import pytest

import glacier_mp
from glacier_mp import Config, GlacierError, Upload, _ffi, errors
from local import MIB, VAULT, Glacier, settings

PART = "UploadMultipartPart"
COMPLETE = "CompleteMultipartUpload"


def failure(call: Callable[[], object]) -> GlacierError:
    with pytest.raises(GlacierError) as caught:
        call()
    assert str(caught.value) == caught.value.message != ""
    return caught.value


@pytest.mark.parametrize(
    ("status", "service_code", "name", "retryable"),
    [
        (400, "InvalidParameterValueException", "GLACIER_E_SERVICE", False),
        (500, "ServiceUnavailableException", "GLACIER_E_SERVICE", True),
        (403, "AccessDeniedException", "GLACIER_E_ACCESS", False),
        (403, "ExpiredTokenException", "GLACIER_E_CREDENTIALS", False),
        (400, "ThrottlingException", "GLACIER_E_THROTTLED", True),
        (404, "ResourceNotFoundException", "GLACIER_E_NOT_FOUND", False),
        (400, "LimitExceededException", "GLACIER_E_LIMIT", False),
        (400, "NoLongerSupportedException", "GLACIER_E_NO_LONGER_SUPPORTED", False),
    ],
)
def test_service_errors_have_all_attributes(
    glacier: Glacier, status: int, service_code: str, name: str, retryable: bool
) -> None:
    glacier.respond_with_error(status, service_code, PART, always=True)
    with glacier.client() as client, Upload(client, VAULT, b"data") as upload:
        error = failure(upload.run)
        assert type(error) is glacier_mp.ServiceError
        assert (error.name, error.http_status, error.service_code) == (name, status, service_code)
        assert error.operation == PART
        assert error.request_id
        assert error.retryable is retryable
        assert error.resumable is (name != "GLACIER_E_NOT_FOUND")
        assert error.upload_id == upload.upload_id
        assert upload.upload_id is not None
        assert upload.upload_id in error.message


def test_hides_secrets_and_control_characters(
    glacier: Glacier, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    logger = logging.getLogger("test.logger")
    caplog.set_level(logging.DEBUG, logger.name)
    settings = glacier.settings(log=logger)
    secret = settings["aws_secret_access_key"]
    echo = f"no {secret}\r\n\x1b[2Jforged {secret[10:30]}"
    glacier.fault(
        "status",
        "InitiateMultipartUpload",
        status=403,
        body=json.dumps({"code": "AccessDeniedException", "message": echo, "type": echo}),
    )
    with glacier_mp.Client(Config(**settings)) as client:
        refused = failure(lambda: client.upload(VAULT, b"data"))
        missing = failure(lambda: client.upload(VAULT, tmp_path / "a\r\n\x1b[2Jforged"))
    assert refused.service_code == "AccessDeniedException"
    assert "[redacted]" in refused.message
    for text in (refused.message, repr(refused), missing.message, caplog.text.replace("\n", "")):
        assert not any(secret[at : at + 16] in text for at in range(len(secret) - 15)), text
        assert text.isprintable(), text


def test_errors_before_initiate_have_no_upload_id(glacier: Glacier) -> None:
    with glacier.client() as client:
        error = failure(lambda: client.upload("no-such-vault", b"data"))
        assert (error.name, error.http_status) == ("GLACIER_E_NOT_FOUND", 404)
        assert (error.operation, error.upload_id) == ("InitiateMultipartUpload", None)
        error = failure(lambda: client.list_uploads("no-such-vault"))
        assert (type(error), error.operation) == (glacier_mp.ServiceError, "ListMultipartUploads")
    with glacier.client(aws_secret_access_key="wrong") as client:
        assert failure(lambda: client.list_uploads(VAULT)).name == "GLACIER_E_CREDENTIALS"


@pytest.mark.parametrize(
    ("name", "fault", "settings"),
    [
        ("GLACIER_E_NETWORK", {"kind": "reset"}, {}),
        ("GLACIER_E_NETWORK", {"kind": "close"}, {}),
        ("GLACIER_E_TIMEOUT", {"kind": "stall"}, {"stall_timeout": 0.3}),
        ("GLACIER_E_PROTOCOL", {"kind": "status", "status": 200}, {}),
    ],
)
def test_transport_errors(glacier: Glacier, name: str, fault: dict[str, Any], settings: dict[str, Any]) -> None:
    glacier.fault(operation="InitiateMultipartUpload", always=True, **fault)
    with glacier.client(**settings) as client:
        error = failure(lambda: client.upload(VAULT, b"data"))
    assert (type(error), error.name) == (glacier_mp.TransportError, name)
    assert (error.service_code, error.operation) == (None, "InitiateMultipartUpload")


def test_untrusted_certificate_is_tls_error(secure_glacier: tuple[Glacier, Path]) -> None:
    glacier, _ = secure_glacier
    with glacier.client() as client:
        error = failure(lambda: client.list_uploads(VAULT))
    assert (type(error), error.name, error.http_status) == (glacier_mp.TransportError, "GLACIER_E_TLS", None)


def test_wrong_tree_hash_is_integrity_error(glacier: Glacier) -> None:
    glacier.fault("wrong_tree_hash", PART, always=True)
    with glacier.client(max_attempts=2) as client:
        error = failure(lambda: client.upload(VAULT, b"data"))
    assert (type(error), error.name) == (glacier_mp.IntegrityError, "GLACIER_E_TREE_HASH")


def test_missing_parts_are_integrity_error(glacier: Glacier) -> None:
    with glacier.client() as client, Upload(client, VAULT, part_size=MIB) as upload:
        upload.initiate()
        upload.put_part(1, b"the end")
        error = failure(upload.complete)
    assert (type(error), error.name) == (glacier_mp.IntegrityError, "GLACIER_E_INCOMPLETE")
    assert error.resumable


def test_lost_response_to_complete_is_outcome_unknown(glacier: Glacier) -> None:
    glacier.fault("lost_answer", COMPLETE, then="close")
    with glacier.client() as client, Upload(client, VAULT, b"data") as upload:
        error = failure(upload.run)
        assert (type(error), error.name) == (glacier_mp.ServiceError, "GLACIER_E_OUTCOME_UNKNOWN")
        assert error.resumable
        assert upload.run().archive_id == glacier.archives()[0]["archive_id"]
        glacier.fault("lost_answer", COMPLETE, then="close")
        error = failure(lambda: client.upload(VAULT, b"data"))
        assert (error.name, error.resumable) == ("GLACIER_E_OUTCOME_UNKNOWN", False), (
            "the Upload that could determine the outcome is closed"
        )


def test_local_errors(glacier: Glacier, tmp_path: Path) -> None:
    with glacier.client() as client:
        error = failure(lambda: client.upload(VAULT, tmp_path / "missing"))
        assert isinstance(error, glacier_mp.LocalError)
        assert error.name == "GLACIER_E_IO"
        assert "missing" in error.message
        path = tmp_path / "archive"
        path.write_bytes(b"1" * MIB)
        glacier.fault("delay_answer", PART, millis=300)

        def change(progress: glacier_mp.Progress) -> None:
            path.write_bytes(b"2" * (MIB + 1))

        error = failure(lambda: client.upload(VAULT, path, progress=change))
        assert (type(error), error.name) == (glacier_mp.LocalError, "GLACIER_E_SOURCE_CHANGED")


def test_usage_errors(glacier: Glacier) -> None:
    with glacier.client() as client, Upload(client, VAULT, part_size=MIB) as upload:
        for call, name, word in (
            (lambda: client.upload("no/vault", b"data"), "GLACIER_E_INVALID", "vault"),
            (lambda: client.upload(VAULT, b"data", part_size=MIB + 1), "GLACIER_E_INVALID", "part size"),
            (lambda: client.upload(VAULT, b"data", archive_description="\n"), "GLACIER_E_INVALID", "description"),
            (lambda: client.upload(VAULT, b""), "GLACIER_E_INVALID", "empty"),
            (lambda: client.upload(VAULT, b"data", upload_id=""), "GLACIER_E_INVALID", "upload ID"),
            (lambda: upload.put_part(0, b"data"), "GLACIER_E_STATE", ""),
            (upload.complete, "GLACIER_E_STATE", ""),
            (lambda: Config(concurrency=33), "GLACIER_E_INVALID", "32"),
            (lambda: glacier_mp.Client(Config()), "GLACIER_E_INVALID", "region"),
            (lambda: Config(region_name="no region"), "GLACIER_E_INVALID", "region"),
            (lambda: Config(profile_name=""), "GLACIER_E_INVALID", "profile"),
            (lambda: glacier_mp.Client(Config(profile_name="absent")), "GLACIER_E_INVALID", '"absent"'),
        ):
            error = failure(call)
            assert (type(error), error.name) == (glacier_mp.UsageError, name), error
            assert word in error.message
    assert glacier.requests() == []


def client_of_nothing() -> glacier_mp.Client:
    return glacier_mp.Client(Config(**settings("http://127.0.0.1:1")))


@pytest.mark.parametrize(
    ("call", "kind", "says"),
    [
        # ctypes would truncate or wrap these values.
        (lambda upload: upload.put_part(1 << 32, b"data"), ValueError, "index"),
        (lambda upload: upload.put_part(-1, b"data"), ValueError, "index"),
        (lambda upload: upload.put_part(0.5, b"data"), TypeError, "float"),
        (lambda upload: upload.put_part(0, "data"), TypeError, "bytes-like"),
        (lambda upload: upload.put_part(0, memoryview(b"data")[::2]), BufferError, "contiguous"),
        (lambda upload: upload.put_part(0, b"data", checksum="ab"), ValueError, "checksum"),
        (lambda upload: upload.put_part(0, b"data", checksum=bytes(33)), ValueError, "checksum"),
        (lambda upload: Config(region_name="us\0"), ValueError, "region_name"),
        (lambda upload: Config(region_name=cast(Any, b"us")), TypeError, "region_name"),
        (lambda upload: Config(profile_name=cast(Any, 1)), TypeError, "profile_name"),
        (lambda upload: Config(user_agent="\ud800"), ValueError, "user_agent.* surrogate"),
        (lambda upload: Config(memory_limit=1 << 64), ValueError, "memory_limit"),
        (lambda upload: Config(bandwidth_limit=-1), ValueError, "bandwidth_limit"),
        (lambda upload: upload.set_bandwidth_limit(-1), ValueError, "bytes_per_second"),
        (lambda upload: Config(stall_timeout=-1), ValueError, "stall_timeout"),
        (lambda upload: Config(stall_timeout=float("nan")), ValueError, "stall_timeout"),
        (lambda upload: Config(aws_access_key_id="AKIDEXAMPLE"), TypeError, "aws_secret_access_key"),
        (lambda upload: Config(aws_session_token="token"), TypeError, "aws_secret_access_key"),
        (lambda upload: client_of_nothing().upload(VAULT, b"data", journal="a\0b"), ValueError, "journal"),
        (lambda upload: glacier_mp.plan(-1), ValueError, "size"),
        (lambda upload: glacier_mp.TreeHash.file("a\0b"), ValueError, "path"),
        (lambda upload: glacier_mp.TreeHash.combine([b"short"]), ValueError, "checksum"),
    ],
)
def test_rejects_values_that_c_types_cannot_hold(
    glacier: Glacier, call: Callable[[Upload], object], kind: type[Exception], says: str
) -> None:
    with glacier.client() as client, Upload(client, VAULT, part_size=MIB) as upload:
        upload.initiate()
        with pytest.raises(kind, match=says):
            call(upload)
    assert glacier.requests(PART) == []


def test_rounds_short_timeouts_up() -> None:
    assert failure(lambda: Config(connect_timeout=0)).name == "GLACIER_E_INVALID"
    Config(connect_timeout=0.0001)


def test_class_depends_on_the_range_of_the_code() -> None:
    families: dict[int, Optional[type[GlacierError]]] = {
        1: glacier_mp.UsageError,
        99: glacier_mp.UsageError,
        100: glacier_mp.LocalError,
        200: glacier_mp.TransportError,
        300: glacier_mp.ServiceError,
        400: glacier_mp.IntegrityError,
        500: glacier_mp.StoppedError,
        901: glacier_mp.InternalError,
        600: GlacierError,
        -1: GlacierError,
    }
    assert {code: errors.class_of(code) for code in families} == families


def test_frees_the_error_of_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    freed: list[object] = []
    free = _ffi.lib.glacier_error_free

    def count(handle: object) -> None:
        freed.append(handle)
        free(handle)

    monkeypatch.setattr(_ffi.lib, "glacier_error_free", count)
    failure(lambda: Config(concurrency=33))
    assert len(freed) == 1


def test_errors_can_be_pickled() -> None:
    error = _ffi.error_of(304, "gone")
    error.upload_id = "id"
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), vars(copy)) == (glacier_mp.ServiceError, "gone", vars(error))
    assert copy.name == "GLACIER_E_NOT_FOUND"
