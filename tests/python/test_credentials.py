"""Keys that expire: what a program's callable gives, where it runs, and what becomes of its exceptions."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any, Callable, Optional

import pytest

from glacier_mp import Client, Config, Credentials, ServiceError, State, StoppedError, Upload, UsageError
from local import MIB, VAULT, Glacier, content, settings

SETTINGS = settings("http://127.0.0.1:1")
KEYS = (SETTINGS["aws_access_key_id"], SETTINGS["aws_secret_access_key"])


class Desk:
    """Where tokens are given out; a new one each time the old one expires."""

    def __init__(self, glacier: Glacier) -> None:
        self.glacier = glacier
        self.token = "token-0"
        self.asked = 0

    def __call__(self) -> Any:
        self.asked += 1
        return (*KEYS, self.token)

    def expire(self) -> None:
        self.token += "x"
        self.glacier.replace_token(self.token)

    def client(self, credentials: Optional[Callable[[], Any]] = None, **more: Any) -> Client:
        kept = {name: value for name, value in self.glacier.settings(**more).items() if not name.startswith("aws_")}
        return Client(Config(**kept, credentials=credentials or self))


@pytest.fixture
def desk() -> Iterator[Desk]:
    glacier = Glacier("--session-token", "token-0")
    yield Desk(glacier)
    glacier.close()


def test_an_upload_outlives_its_token(desk: Desk) -> None:
    data = content(3 * MIB)
    with desk.client() as client, Upload(client, VAULT, part_size=MIB) as upload:
        upload.initiate()
        for index in range(3):
            desk.expire()
            upload.put_part(index, data[index * MIB : (index + 1) * MIB])
        desk.expire()
        archive = upload.complete()
        desk.expire()
        assert client.list_uploads(VAULT) == []
    assert desk.glacier.archive(archive.archive_id) == data
    assert desk.asked == 6
    assert len(desk.glacier.requests("UploadMultipartPart")) == 6


NOW = datetime.now(timezone.utc)


@pytest.mark.parametrize(
    "answer",
    [
        Credentials(*KEYS, "token-0"),
        Credentials(*KEYS, "token-0", NOW + timedelta(hours=1)),
        Credentials(*KEYS, aws_session_token="token-0", expiration=NOW.timestamp() + 0.5),
        (*KEYS, "token-0", (NOW + timedelta(hours=1)).astimezone(timezone(timedelta(hours=-8)))),
        (*KEYS, "token-0", None),
    ],
)
def test_what_may_be_given(desk: Desk, answer: Any) -> None:
    with desk.client(lambda: answer) as client:
        assert client.list_uploads(VAULT) == []


def test_the_expiration_is_passed_on(desk: Desk) -> None:
    given: list[datetime] = []

    def give() -> Credentials:
        # Ten minutes by the clock of the service, which is an hour ahead of this one.
        given.append(datetime.now(timezone.utc) + timedelta(hours=1, minutes=10))
        return Credentials(*KEYS, "token-0", given[-1])

    desk.glacier.set_clock(3600)
    with desk.client(give) as client:
        client.list_uploads(VAULT)
        assert len(given) == 1
        # Of its life less than five minutes are left.
        desk.glacier.set_clock(3600 + 330)
        client.list_uploads(VAULT)
        client.list_uploads(VAULT)
    assert len(given) == 2
    assert {request["status"] for request in desk.glacier.requests()} == {200, 403}


@pytest.mark.parametrize(
    ("answer", "kind", "word"),
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
def test_what_may_not_be_given(desk: Desk, answer: Any, kind: type[Exception], word: str) -> None:
    with desk.client(lambda: answer) as client, Upload(client, VAULT, b"data") as upload:
        for call in (upload.run, lambda: client.list_uploads(VAULT)):
            with pytest.raises(kind, match=word) as caught:
                call()
            assert "two words" not in str(caught.value)
    assert desk.glacier.requests() == []


class OfTheProgram(Exception):
    pass


@pytest.mark.parametrize("kind", [OfTheProgram, KeyboardInterrupt, SystemExit, GeneratorExit, StopIteration])
def test_an_exception_stops_the_call_and_is_raised_from_it(desk: Desk, kind: type[BaseException]) -> None:
    thrown: list[BaseException] = []

    def give() -> Any:
        if desk.token == "token-0x" and not thrown:
            thrown.append(kind("no keys today"))
            raise thrown[0]
        return desk()

    data = content(2 * MIB)
    with desk.client(give) as client, Upload(client, VAULT, data, part_size=MIB) as upload:
        upload.initiate()
        desk.expire()
        with pytest.raises(kind) as caught:
            upload.run()
        assert caught.value is thrown[0]
        archive = upload.run()
    assert desk.glacier.archive(archive.archive_id) == data


def test_it_runs_on_the_thread_of_the_call_and_may_not_call_back(desk: Desk) -> None:
    threads = set()
    refused: list[str] = []

    def give() -> Any:
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
        return desk()

    with desk.client(give) as client, Upload(client, VAULT, b"data") as upload:
        upload.run()
    assert threads == {threading.current_thread()}
    assert refused == ["GLACIER_E_BUSY"] * 3


@pytest.mark.parametrize("close", [False, True])
def test_it_may_cancel_and_close_its_upload(desk: Desk, close: bool) -> None:
    def give() -> Any:
        if close:
            upload.close()
        else:
            upload.cancel()
        return desk()

    with desk.client(give) as client:
        upload = Upload(client, VAULT, b"data")
        with pytest.raises(StoppedError):
            upload.run()
    assert desk.glacier.requests() == []


def test_tokens_that_stay_expired_end_the_call(desk: Desk) -> None:
    with desk.client() as client, Upload(client, VAULT, b"data") as upload:
        upload.initiate()
        desk.glacier.replace_token("nobody knows")
        with pytest.raises(ServiceError) as caught:
            upload.run()
        assert (caught.value.name, caught.value.resumable) == ("GLACIER_E_CREDENTIALS", True)
        assert desk.asked == 4


def test_fixed_keys_say_what_is_to_be_done(desk: Desk) -> None:
    client = desk.glacier.client(aws_session_token="token-0")
    upload = Upload(client, VAULT, b"data")
    upload.initiate()
    desk.expire()
    with pytest.raises(ServiceError, match="no credentials provider") as caught:
        upload.run()
    assert (caught.value.name, caught.value.resumable) == ("GLACIER_E_CREDENTIALS", True)
    with desk.client() as fresh, Upload(fresh, VAULT, b"data", upload_id=caught.value.upload_id) as carried_on:
        carried_on.run()


def test_a_callable_goes_with_its_client(desk: Desk) -> None:
    class Give:
        def __call__(self) -> Any:
            return desk()

    give = Give()
    gone = weakref.ref(give)
    client = desk.client(give)
    upload = Upload(client, VAULT, b"data")
    gc.collect()
    gc.disable()
    try:
        upload.run()
        del give, client
        assert gone() is not None
        del upload
        assert gone() is None
    finally:
        gc.enable()


def test_no_secret_is_shown() -> None:
    given = Credentials("AKIDEXAMPLE", "theSecretKey", "theToken", NOW)
    assert "AKIDEXAMPLE" in repr(given)
    config = Config(region_name="us-east-1", credentials=lambda: given)
    for shown in (repr(given), str(given), repr(config), repr(Client(config))):
        assert "theSecretKey" not in shown
        assert "theToken" not in shown


def test_keys_and_a_callable_exclude_each_other() -> None:
    with pytest.raises(TypeError, match="exclude each other"):
        Config(**SETTINGS, credentials=lambda: KEYS)
