"""Conversion of arguments: errors name the parameter, and none of them contains a secret."""

from __future__ import annotations

import array
import decimal
import fractions
import io
import logging
import os
import traceback
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone, tzinfo
from pathlib import Path
from typing import Any, Callable, Optional

import pytest

from glacier_mp import Client, Config, LocalError, TreeHash, Upload, _arguments, _ffi, credentials_from, plan
from glacier_mp._os_errors import os_errors_for
from glacier_mp.testing import LocalGlacier
from local import VAULT, Glacier, settings

SECRET = "wJalrXUtnFEMI"
SURROGATE = f"{SECRET}\udcff/K7MDENG"
HUGE = 10**5000


@pytest.fixture
def client() -> Client:
    return Client(Config(**settings("http://127.0.0.1:1")))


@pytest.fixture
def upload(client: Client) -> Iterator[Upload]:
    with Upload(client, VAULT, part_size=1 << 20) as upload:
        yield upload


def provided(*credentials: Any) -> None:
    """Makes a call with these credentials of a callable. The call fails before it sends a request."""
    kept = {name: value for name, value in settings("http://127.0.0.1:1").items() if not name.startswith("aws_")}
    Client(Config(**kept, credentials=lambda: credentials)).list_uploads(VAULT)


CONFIG_NUMBERS = ["concurrency", "max_attempts", "memory_limit", "bandwidth_limit"]
CONFIG_TIMES = ["connect_timeout", "stall_timeout", "give_up_after"]

# By parameter: a call with a number.
NUMBERS: dict[str, Callable[[Upload, Any], object]] = {
    **{
        name: lambda upload, value, name=name: Config(**{name: value})  # type: ignore[misc]
        for name in CONFIG_NUMBERS
    },
    "log_level": lambda upload, value: Config(log=lambda level, line: None, log_level=value),
    "part_size": lambda upload, value: plan(1 << 30, value),
    "size": lambda upload, value: plan(value),
    "workers": lambda upload, value: plan(1 << 30).memory(value),
    "threads": lambda upload, value: TreeHash.file("absent", threads=value),
    "index": lambda upload, value: upload.put_part(value, b"data"),
    "bytes_per_second": lambda upload, value: upload.set_bandwidth_limit(value),
    "archive_size": lambda upload, value: upload_with(archive_size=value),
    "expected_size": lambda upload, value: upload_with(expected_size=value),
    "part_range": lambda upload, value: upload_with(part_range=(value, 1)),
    "part_range, count": lambda upload, value: upload_with(part_range=(0, value)),
}
TIMES: dict[str, Callable[[Upload, Any], object]] = {
    **{
        name: lambda upload, value, name=name: Config(**{name: value})  # type: ignore[misc]
        for name in CONFIG_TIMES
    },
    "expiration": lambda upload, value: provided("AKIDEXAMPLE", SECRET, None, value),
}


def upload_with(**arguments: Any) -> Upload:
    return Upload(Client(Config(**settings("http://127.0.0.1:1"))), VAULT, b"data", **arguments)


@pytest.mark.parametrize("name", [*NUMBERS, *TIMES])
@pytest.mark.parametrize("value", [True, False, "5", b"5", 1j, [5]])
def test_rejects_what_is_no_number(upload: Upload, name: str, value: Any) -> None:
    with pytest.raises(TypeError, match=rf"^{name.partition(',')[0]} must be .*, not {type(value).__name__}$"):
        {**NUMBERS, **TIMES}[name](upload, value)


@pytest.mark.parametrize("name", [name for name in NUMBERS if name != "log_level"])
def test_message_of_an_integer_without_limit_is_short(upload: Upload, name: str) -> None:
    for value in (HUGE, -HUGE):
        with pytest.raises(
            ValueError, match=rf"^{name.partition(',')[0]} must be from 0 to \d+, not an integer of 16610 bits$"
        ):
            NUMBERS[name](upload, value)


@pytest.mark.parametrize("name", TIMES)
@pytest.mark.parametrize(
    "value",
    [HUGE, -HUGE, 10**400, 1e306, -1.0, float("inf"), float("nan"), decimal.Decimal("1e400"), decimal.Decimal("sNaN")],
    ids=["5000 digits", "negative", "400 digits", "1e306", "-1.0", "inf", "nan", "Decimal", "sNaN"],
)
def test_rejects_time_out_of_range(upload: Upload, name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"^{name} must be a ") as caught:
        TIMES[name](upload, value)
    assert type(caught.value) is ValueError
    assert len(str(caught.value)) < 200


def test_every_log_level_is_accepted() -> None:
    for level in (HUGE, -1, 0, logging.DEBUG, 25):
        Config(log=lambda level, line: None, log_level=level)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0, 0), (1, 1000), (0.0001, 1), (1.5, 1500), (decimal.Decimal("0.25"), 250), (fractions.Fraction(1, 3), 334)],
)
def test_converts_seconds_to_milliseconds(seconds: Any, expected: int) -> None:
    assert _arguments.milliseconds("name", seconds) == expected


@pytest.mark.parametrize(("part_range", "kind"), [(5, TypeError), ((0,), ValueError), ((0, 1, 2), ValueError)])
def test_error_of_part_range_names_it(part_range: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind, match=r"^part_range must "):
        upload_with(part_range=part_range)


class NoOffset(tzinfo):
    """A time zone without an offset: a datetime with it is as ambiguous as one without a time zone."""

    def utcoffset(self, _: Optional[datetime], /) -> Optional[timedelta]:
        return None

    dst = utcoffset

    def tzname(self, _: Optional[datetime], /) -> Optional[str]:
        return None


def test_expiration_needs_an_offset() -> None:
    with pytest.raises(ValueError, match=r"^expiration must have a time zone"):
        provided("AKIDEXAMPLE", SECRET, None, datetime(2030, 1, 1, tzinfo=NoOffset()))
    assert _arguments.unix_time("expiration", datetime(2030, 1, 1, tzinfo=timezone.utc)) == 1893456000


def config_with(**arguments: Any) -> Config:
    return Config(**{**settings("http://127.0.0.1:1"), **arguments})


# By parameter: a call with a text.
TEXTS: dict[str, Callable[[str], object]] = {
    "profile_name": lambda text: Config(profile_name=text),
    "region_name": lambda text: Config(region_name=text),
    "endpoint_url": lambda text: Config(endpoint_url=f"https://user:{text}@host"),
    "account_id": lambda text: Config(account_id=text),
    "user_agent": lambda text: Config(user_agent=text),
    "proxy": lambda text: Config(proxy=f"http://user:{text}@host"),
    "aws_access_key_id": lambda text: config_with(aws_access_key_id=text),
    "aws_secret_access_key": lambda text: config_with(aws_secret_access_key=text),
    "aws_session_token": lambda text: config_with(aws_session_token=text),
    "vault_name": lambda text: Client(config_with()).list_uploads(text),
    "archive_description": lambda text: upload_with(archive_description=text),
    "upload_id": lambda text: upload_with(upload_id=text),
}
PROVIDED: dict[str, Callable[[str], object]] = {
    "aws_access_key_id": lambda text: provided(text, SECRET),
    "aws_secret_access_key": lambda text: provided("AKIDEXAMPLE", text),
    "aws_session_token": lambda text: provided("AKIDEXAMPLE", "secret", text),
}
PATHS: dict[str, Callable[[Any], object]] = {
    "ca_file": lambda path: Config(ca_file=path),
    "journal": lambda path: upload_with(journal=path),
    "path": lambda path: TreeHash.file(path),
}


@pytest.mark.parametrize(
    ("name", "call"),
    [*TEXTS.items(), *PROVIDED.items(), *PATHS.items(), ("source", lambda path: upload_source(path))],
)
def test_text_with_a_surrogate_is_not_in_the_error(name: str, call: Callable[[str], object]) -> None:
    # The file system encoding represents bytes by low surrogates.
    text = SURROGATE if name in TEXTS else SURROGATE.replace("\udcff", "\ud800")
    with pytest.raises(
        ValueError, match=f"^{name} has a character at offset [0-9]+ without [a-z0-9-]+ encoding"
    ) as caught:
        call(text)
    assert type(caught.value) is ValueError
    error: Optional[BaseException] = caught.value
    while error is not None:
        assert SECRET not in repr(error)
        error = error.__cause__ or error.__context__
    assert SECRET not in "".join(traceback.format_exception_only(type(caught.value), caught.value))


def upload_source(path: Any) -> Upload:
    return Upload(Client(config_with()), VAULT, path)


@pytest.mark.parametrize("name", PATHS)
def test_error_of_what_is_no_path_names_the_parameter(name: str) -> None:
    with pytest.raises(TypeError, match=f"^{name} must be a path: .*, not int$"):
        PATHS[name](5)


def test_paths_may_have_bytes_that_are_no_text() -> None:
    name = os.fsdecode(b"absent-\xff")
    with pytest.raises(FileNotFoundError) as caught:
        TreeHash.file(Path(name))
    assert caught.value.filename == name


ODD = type("Odd\x1b[2J\u202e\u3164", (), {})()
SHOWN = r"Odd\\x1b\[2J\\u202e\\u3164"


class ReadsOdd(io.RawIOBase):
    def read(self, _: int = -1, /) -> Any:
        return ODD

    def readinto(self, _: Any, /) -> Any:
        return ODD


@pytest.mark.parametrize(
    "call",
    [
        lambda upload: upload_source(ODD),
        lambda upload: upload_source(ReadsOdd()).run(),
        lambda upload: upload_source([ODD]).run(),
        lambda upload: upload.put_part(0, ODD),
        lambda upload: upload.put_part(ODD, b"data"),
        lambda upload: upload.write(ODD),
        lambda upload: TreeHash(ODD),
        lambda upload: TreeHash.file(ODD),
        lambda upload: Config(region_name=ODD),
        lambda upload: Config(concurrency=ODD),
        lambda upload: Config(stall_timeout=ODD),
        lambda upload: upload_with(part_range=ODD),
        lambda upload: credentials_from(ODD),
        lambda upload: provided("AKIDEXAMPLE", ODD),
    ],
)
def test_escapes_the_name_of_a_class(upload: Upload, call: Callable[[Upload], object]) -> None:
    with pytest.raises(TypeError, match=SHOWN):
        call(upload)


class ReadsInto:
    def __init__(self, number: Any) -> None:
        self._number = number

    def readinto(self, _: Any) -> Any:
        return self._number


@pytest.mark.parametrize(
    ("number", "kind"), [(HUGE, ValueError), (b"content" * 1000, TypeError)], ids=["integer", "bytes"]
)
def test_message_of_a_wrong_number_of_bytes_is_short(glacier: Glacier, number: Any, kind: type[Exception]) -> None:
    source: Any = ReadsInto(number)
    with glacier.client() as client, pytest.raises(kind, match=r"^readinto\(\) of the source returned ") as caught:
        client.upload(VAULT, source)
    assert len(str(caught.value)) < 200


def test_message_with_a_large_error_number_has_no_errno() -> None:
    with pytest.raises(LocalError) as caught, os_errors_for():
        raise _ffi.error_of(_ffi.E_IO, "cannot read x (os error 99999999999999999999)")
    assert isinstance(caught.value, OSError)
    assert caught.value.errno is None


def test_local_glacier_names_the_invalid_argument() -> None:
    calls: tuple[tuple[Callable[[], object], str], ...] = (
        (lambda: LocalGlacier("vault\udcff"), "vault_name"),
        (lambda: LocalGlacier("vault\0"), "vault_name"),
        (lambda: LocalGlacier(region_name="\udcff"), "region_name"),
        (lambda: LocalGlacier(VAULT, "\udcff"), "arguments"),
        (lambda: LocalGlacier(program="\ud800"), "program"),
    )
    for call, name in calls:
        with pytest.raises(ValueError, match=f"^{name} "):
            call()
    with LocalGlacier() as local:
        reset = {"kind": "reset"}
        for wrong in (True, "1"):
            for name in ("part", "times", "skip"):
                arguments: Any = {name: wrong}
                with pytest.raises(TypeError, match=f"^{name} must be an integer"):
                    local.fault(reset, **arguments)
        with pytest.raises(ValueError, match=r"^times must be from 0"):
            local.fault(reset, times=HUGE)
        with pytest.raises(ValueError, match=r"^archive_id "):
            local.archive("\udcff")


def test_array_is_content(glacier: Glacier) -> None:
    """Type checkers accept it too, like every bytes-like object."""
    words = array.array("H", range(500))
    with glacier.client() as client:
        for archive in (client.upload(VAULT, words), client.upload(VAULT, [words[:100], words[100:]])):
            assert glacier.archive(archive.archive_id) == words.tobytes()
            assert archive.checksum == TreeHash(words).finish().hex()
