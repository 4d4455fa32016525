"""Credentials callables: accepted results, the thread they run on, and their exceptions."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any, Callable, Optional

import pytest

from glacier_mp import (
    Client,
    Config,
    Credentials,
    ServiceError,
    State,
    StoppedError,
    Upload,
    UsageError,
    credentials_from,
)
from local import MIB, VAULT, Glacier, content, settings

SETTINGS = settings("http://127.0.0.1:1")
KEYS = (SETTINGS["aws_access_key_id"], SETTINGS["aws_secret_access_key"])


class TokenIssuer:
    """A credentials callable that returns the current session token, and counts its calls."""

    def __init__(self, glacier: Glacier) -> None:
        self.glacier = glacier
        self.token = "token-0"
        self.calls = 0

    def __call__(self) -> Any:
        self.calls += 1
        return (*KEYS, self.token)

    def expire(self) -> None:
        self.token += "x"
        self.glacier.replace_token(self.token)

    def client(self, credentials: Optional[Callable[[], Any]] = None, **more: Any) -> Client:
        kept = {name: value for name, value in self.glacier.settings(**more).items() if not name.startswith("aws_")}
        return Client(Config(**kept, credentials=credentials or self))


@pytest.fixture
def issuer() -> Iterator[TokenIssuer]:
    glacier = Glacier("--session-token", "token-0")
    yield TokenIssuer(glacier)
    glacier.close()


def test_upload_continues_with_new_tokens(issuer: TokenIssuer) -> None:
    data = content(3 * MIB)
    with issuer.client() as client, Upload(client, VAULT, part_size=MIB) as upload:
        upload.initiate()
        for index in range(3):
            issuer.expire()
            upload.put_part(index, data[index * MIB : (index + 1) * MIB])
        issuer.expire()
        archive = upload.complete()
        issuer.expire()
        assert client.list_uploads(VAULT) == []
    assert issuer.glacier.archive(archive.archive_id) == data
    assert issuer.calls == 6
    assert len(issuer.glacier.requests("UploadMultipartPart")) == 6


NOW = datetime.now(timezone.utc)


@pytest.mark.parametrize(
    "result",
    [
        Credentials(*KEYS, "token-0"),
        Credentials(*KEYS, "token-0", NOW + timedelta(hours=1)),
        Credentials(*KEYS, aws_session_token="token-0", expiration=NOW.timestamp() + 0.5),
        (*KEYS, "token-0", (NOW + timedelta(hours=1)).astimezone(timezone(timedelta(hours=-8)))),
        (*KEYS, "token-0", None),
    ],
)
def test_accepts_credentials_and_tuples(issuer: TokenIssuer, result: Any) -> None:
    with issuer.client(lambda: result) as client:
        assert client.list_uploads(VAULT) == []


def test_expiration_triggers_a_refresh(issuer: TokenIssuer) -> None:
    provided: list[datetime] = []

    def provide() -> Credentials:
        # Valid for ten minutes by the service's clock, which is one hour ahead.
        provided.append(datetime.now(timezone.utc) + timedelta(hours=1, minutes=10))
        return Credentials(*KEYS, "token-0", provided[-1])

    issuer.glacier.set_clock(3600)
    with issuer.client(provide) as client:
        client.list_uploads(VAULT)
        assert len(provided) == 1
        # The keys now expire within five minutes.
        issuer.glacier.set_clock(3600 + 330)
        client.list_uploads(VAULT)
        client.list_uploads(VAULT)
    assert len(provided) == 2
    assert {request["status"] for request in issuer.glacier.requests()} == {200, 403}


@pytest.mark.parametrize(
    ("result", "kind", "word"),
    [
        (None, TypeError, "NoneType"),
        (list(KEYS), TypeError, "list"),
        (KEYS[:1], TypeError, "aws_secret_access_key"),
        ((*KEYS, "token", None, "more"), TypeError, "arguments"),
        ((KEYS[0], b"secret"), TypeError, "aws_secret_access_key"),
        ((KEYS[0], "secret\0"), ValueError, "aws_secret_access_key"),
        ((*KEYS, "token", datetime(2030, 1, 1)), ValueError, "time zone"),
        ((*KEYS, "token", 0), ValueError, "expiration"),
        ((*KEYS, "token", float("inf")), ValueError, "expiration"),
        ((KEYS[0], "two words"), UsageError, "secret access key"),
        ((*KEYS, "to\nken"), UsageError, "session token"),
    ],
)
def test_rejects_invalid_credentials(issuer: TokenIssuer, result: Any, kind: type[Exception], word: str) -> None:
    with issuer.client(lambda: result) as client, Upload(client, VAULT, b"data") as upload:
        for call in (upload.run, lambda: client.list_uploads(VAULT)):
            with pytest.raises(kind, match=word) as caught:
                call()
            assert "two words" not in str(caught.value)
    assert issuer.glacier.requests() == []


class CallbackError(Exception):
    pass


@pytest.mark.parametrize("kind", [CallbackError, KeyboardInterrupt, SystemExit, GeneratorExit, StopIteration])
def test_provider_exception_is_raised_from_the_call(issuer: TokenIssuer, kind: type[BaseException]) -> None:
    thrown: list[BaseException] = []

    def provide() -> Any:
        if issuer.token == "token-0x" and not thrown:
            thrown.append(kind("no keys today"))
            raise thrown[0]
        return issuer()

    data = content(2 * MIB)
    with issuer.client(provide) as client, Upload(client, VAULT, data, part_size=MIB) as upload:
        upload.initiate()
        issuer.expire()
        with pytest.raises(kind) as caught:
            upload.run()
        assert caught.value is thrown[0]
        archive = upload.run()
    assert issuer.glacier.archive(archive.archive_id) == data


def test_provider_runs_on_the_calling_thread_and_cannot_make_calls(issuer: TokenIssuer) -> None:
    threads = set()
    refused: list[str] = []

    def provide() -> Any:
        threads.add(threading.current_thread())
        calls: list[Callable[[], object]] = [
            upload.run,
            upload.list_parts,
            lambda: client.list_uploads(VAULT),
        ]
        for call in calls:
            with pytest.raises(UsageError) as caught:
                call()
            refused.append(caught.value.name)
        assert (upload.state, upload.progress().parts_done) == (State.NEW, 0)
        return issuer()

    with issuer.client(provide) as client, Upload(client, VAULT, b"data") as upload:
        upload.run()
    assert threads == {threading.current_thread()}
    assert refused == ["GLACIER_E_BUSY"] * 3


@pytest.mark.parametrize("close", [False, True])
def test_provider_can_cancel_and_close_its_upload(issuer: TokenIssuer, close: bool) -> None:
    def provide() -> Any:
        if close:
            upload.close()
        else:
            upload.cancel()
        return issuer()

    with issuer.client(provide) as client:
        upload = Upload(client, VAULT, b"data")
        with pytest.raises(StoppedError):
            upload.run()
    assert issuer.glacier.requests() == []


def test_token_that_stays_expired_fails_the_call(issuer: TokenIssuer) -> None:
    with issuer.client() as client, Upload(client, VAULT, b"data") as upload:
        upload.initiate()
        issuer.glacier.replace_token("nobody-knows")
        with pytest.raises(ServiceError) as caught:
            upload.run()
        assert (caught.value.name, caught.value.resumable) == ("GLACIER_E_CREDENTIALS", True)
        assert issuer.calls == 4


def test_expired_fixed_token_is_credentials_error(issuer: TokenIssuer) -> None:
    client = issuer.glacier.client(aws_session_token="token-0")
    upload = Upload(client, VAULT, b"data")
    upload.initiate()
    issuer.expire()
    with pytest.raises(ServiceError, match="provider") as caught:
        upload.run()
    assert (caught.value.name, caught.value.resumable) == ("GLACIER_E_CREDENTIALS", True)
    with issuer.client() as fresh, Upload(fresh, VAULT, b"data", upload_id=caught.value.upload_id) as resumed:
        resumed.run()


class FrozenKeys:
    """Keys as botocore returns them, with a token that changes."""

    access_key, secret_key = KEYS

    def __init__(self, token: str) -> None:
        self.token = token


class BotocoreSession:
    """A session and its credentials, as far as credentials_from uses them."""

    def __init__(self, issuer: Optional[TokenIssuer], expiry: Any = None) -> None:
        self.issuer = issuer
        self._expiry_time = expiry

    def get_credentials(self) -> Optional[BotocoreSession]:
        return self if self.issuer else None

    def get_frozen_credentials(self) -> FrozenKeys:
        assert self.issuer is not None
        self.issuer.calls += 1
        return FrozenKeys(self.issuer.token)


def test_takes_keys_from_a_boto3_session(issuer: TokenIssuer) -> None:
    soon = datetime.now(timezone.utc) + timedelta(hours=2)
    for expiry, calls in ((None, 2), (soon, 2), ("not a date", 2)):
        issuer.calls = 0
        with issuer.client(credentials_from(BotocoreSession(issuer, expiry))) as client:
            client.list_uploads(VAULT)
            client.list_uploads(VAULT)
            issuer.expire()
            client.list_uploads(VAULT)
        assert issuer.calls == calls, expiry
    expired = credentials_from(BotocoreSession(issuer, soon))()
    assert expired == Credentials(*KEYS, issuer.token, soon)


def test_boto3_session_without_credentials_is_an_error(issuer: TokenIssuer) -> None:
    client = issuer.client(credentials_from(BotocoreSession(None)))
    with pytest.raises(ValueError, match="no credentials"):
        client.list_uploads(VAULT)
    client.close()
    with pytest.raises(TypeError, match="not str"):
        credentials_from("session")


def test_provider_is_released_with_its_client_and_uploads(issuer: TokenIssuer, without_collector: None) -> None:
    class Provide:
        def __call__(self) -> Any:
            return issuer()

    provide = Provide()
    gone = weakref.ref(provide)
    client = issuer.client(provide)
    upload = Upload(client, VAULT, b"data")
    upload.run()
    del provide, client
    assert gone() is not None
    del upload
    assert gone() is None


def test_repr_shows_no_secrets() -> None:
    provided = Credentials("AKIDEXAMPLE", "theSecretKey", "theToken", NOW)
    assert "AKIDEXAMPLE" in repr(provided)
    config = Config(region_name="us-east-1", credentials=lambda: provided)
    for shown in (repr(provided), str(provided), repr(config), repr(Client(config))):
        assert "theSecretKey" not in shown
        assert "theToken" not in shown


def test_rejects_keys_together_with_a_provider() -> None:
    with pytest.raises(TypeError, match="exclude each other"):
        Config(**SETTINGS, credentials=lambda: KEYS)
