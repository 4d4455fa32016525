"""Credentials that expire."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Callable, NamedTuple, Optional, Union

from . import _arguments
from ._calls import GetCredentials


class Credentials(NamedTuple):
    """Keys that sign requests, as Config's ``credentials`` callable returns them. A plain tuple is accepted too.

    Attributes:
        aws_access_key_id (str): the ID of the key.
        aws_secret_access_key (str): the secret of that key.
        aws_session_token (str or None): the session token of temporary keys.
        expiration (datetime, int, float or None): the expiration time, as a datetime with a time zone or in seconds
            since 1970-01-01 UTC. None: the keys do not expire.
    """

    aws_access_key_id: str
    aws_secret_access_key: str
    aws_session_token: Optional[str] = None
    expiration: Union[datetime, int, float, None] = None

    def __repr__(self) -> str:
        return f"Credentials({self.aws_access_key_id!r}, ..., expiration={self.expiration!r})"


Provider = Callable[[], Union[Credentials, tuple[object, ...]]]


def credentials_from(source: Any) -> Provider:
    """Returns a callable for Config's `credentials` that takes keys from boto3 or botocore, which refreshes them. ::

        session = boto3.Session(profile_name="backup")
        config = Config(region_name=session.region_name, credentials=credentials_from(session))

    Use it for sources that only boto3 has, such as MFA, or where a program already has a session. Otherwise the library
    finds the same keys without boto3.

    Args:
        source (boto3.session.Session, botocore.session.Session or botocore.credentials.Credentials): the source.

    Raises:
        TypeError: the source is none of these.

    The callable raises ValueError if a session has no credentials, and the errors of botocore.
    """
    is_session = callable(getattr(source, "get_credentials", None))
    if not is_session and not callable(getattr(source, "get_frozen_credentials", None)):
        kind = _arguments.kind_of(source)
        raise TypeError(f"credentials_from needs a session or credentials of boto3 or botocore, not {kind}")

    def provide() -> Credentials:
        credentials = source.get_credentials() if is_session else source
        if credentials is None:
            raise ValueError("the boto3 session has no credentials: configure them, or pass other credentials")
        keys = credentials.get_frozen_credentials()
        # Only keys that botocore refreshes have it. It is not public: without it, the service reports the expiry.
        expiration = getattr(credentials, "_expiry_time", None)
        expiration = expiration if isinstance(expiration, datetime) else None
        return Credentials(keys.access_key, keys.secret_key, keys.token or None, expiration)

    return provide


def credentials_source(provider: Provider) -> GetCredentials:
    """Returns a function that calls the provider and converts its result for glacier_credentials_set."""

    def get_credentials() -> tuple[bytes, bytes, Optional[bytes], int]:
        credentials = provider()
        if not isinstance(credentials, tuple):
            kind = _arguments.kind_of(credentials)
            raise TypeError(f"a credentials provider must return Credentials or a tuple, not {kind}")
        return _converted(Credentials(*credentials))  # type: ignore[arg-type]

    return get_credentials


def _converted(credentials: Credentials) -> tuple[bytes, bytes, Optional[bytes], int]:
    token = credentials.aws_session_token
    return (
        _arguments.text("aws_access_key_id", credentials.aws_access_key_id),
        _arguments.text("aws_secret_access_key", credentials.aws_secret_access_key),
        None if token is None else _arguments.text("aws_session_token", token),
        0 if credentials.expiration is None else _arguments.unix_time("expiration", credentials.expiration),
    )
