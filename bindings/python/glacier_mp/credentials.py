"""Keys that expire."""

from __future__ import annotations

from datetime import datetime
from typing import Callable, NamedTuple, Optional, Union

from . import _arguments
from ._calls import GiveKeys


class Credentials(NamedTuple):
    """Keys that requests are signed with, as a credentials provider gives them; a plain tuple does as well.

    Attributes:
        aws_access_key_id (str), aws_secret_access_key (str): the keys.
        aws_session_token (str or None): the token that belongs to temporary keys.
        expiration (datetime, int, float or None): when they expire: a datetime with a time zone, or seconds since
            1970-01-01 UTC. None: they do not.
    """

    aws_access_key_id: str
    aws_secret_access_key: str
    aws_session_token: Optional[str] = None
    expiration: Union[datetime, int, float, None] = None

    def __repr__(self) -> str:
        return f"Credentials({self.aws_access_key_id!r}, ..., expiration={self.expiration!r})"


Provider = Callable[[], Union[Credentials, tuple[object, ...]]]


def keys_of(provider: Provider) -> GiveKeys:
    """A provider's answers, as the library takes them."""

    def give() -> tuple[bytes, bytes, Optional[bytes], int]:
        answer = provider()
        if not isinstance(answer, tuple):
            raise TypeError(f"a credentials provider must return Credentials or a tuple, not {type(answer).__name__}")
        return _checked(Credentials(*answer))  # type: ignore[arg-type]

    return give


def _checked(given: Credentials) -> tuple[bytes, bytes, Optional[bytes], int]:
    token = given.aws_session_token
    return (
        _arguments.text("aws_access_key_id", given.aws_access_key_id),
        _arguments.text("aws_secret_access_key", given.aws_secret_access_key),
        None if token is None else _arguments.text("aws_session_token", token),
        0 if given.expiration is None else _arguments.unix_time("expiration", given.expiration),
    )
