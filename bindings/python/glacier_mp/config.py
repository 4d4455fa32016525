"""Settings for clients."""

from __future__ import annotations

import logging
import os
from typing import Any, Callable, Optional, Union

from . import _arguments
from ._calls import ON_CREDENTIALS, ON_LOG, GiveKeys, WriteLog
from ._ffi import NO_DESTROY, ConfigHandle, lib
from .credentials import Provider, keys_of

Log = Union[logging.Logger, Callable[[int, str], object]]


class Config:
    """Settings for clients: what is not given comes from the environment, or has a default.

    The environment is read when the object is made: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN;
    AWS_REGION, else AWS_DEFAULT_REGION; AWS_ENDPOINT_URL_GLACIER, else AWS_ENDPOINT_URL. What is wrong there shows
    when a Client is made. A variable that is empty counts as not set.

    Args:
        region_name (str): the AWS region of the vaults, such as "eu-central-1".
        endpoint_url (str): where requests go instead of the region's own endpoint: scheme, host, and a port if it is
            not the scheme's own, such as "http://127.0.0.1:8080".
        account_id (str): the account that owns the vaults, 12 digits without hyphens; default "-", that of the
            credentials.
        aws_access_key_id (str), aws_secret_access_key (str): the keys that requests are signed with: both or neither.
        aws_session_token (str): the token that belongs to temporary keys.
        credentials (callable): in place of the three: asked for keys that expire, and returns Credentials or such a
            tuple. It is asked before the first request; when less than 5 minutes of the life of the keys are left, or
            half of a life that is shorter than 10 minutes; and when the service calls their token expired: each time
            once for all requests of a client. It runs on the thread of a call that works, like progress, and
            everything that needs keys waits for it. It may use nothing of the client and its uploads but what
            callbacks may, nor wait for another thread that does. An exception in it stops the call and is raised
            from it; the upload stays in the vault. With boto3:

                def credentials():
                    keys = sts.assume_role(RoleArn=ROLE, RoleSessionName="upload")["Credentials"]
                    return keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"], keys["Expiration"]

        ca_file (path): certificates in PEM that the service's certificate is checked against instead of the built-in
            list of public certificate authorities: those of authorities, or the service's own.
        user_agent (str): names the program in the User-Agent header, 1 to 256 printable ASCII characters.
        concurrency (int): how many parts Upload.run sends at once, at most, 1 to 32; default 8. It sends fewer while
            the service pushes back, and over a slow line.
        max_attempts (int): the maximum number of attempts per request for transient failures. If it is not set, it is
            10, and attempts that do not reach the service during an outage do not count. With 0 only time counts:
            give_up_after.
        memory_limit (int): the bytes of memory that the parts in work of all uploads of a client take together;
            default 268,435,456 (256 MiB), at least 1,048,576 (1 MiB). A part larger than this divided by concurrency
            is not held in memory but read twice.
        bandwidth_limit (int): the bytes of parts that all uploads of a client may send together, in bytes a second,
            those sent again included; default 0, no limit. Upload.set_bandwidth_limit sets one for a single upload.
            One part should not take longer than 4 minutes: a limit below the part size divided by 240 wants smaller
            parts.
        connect_timeout (float): seconds that opening one connection may take, on all addresses of the host together;
            default 10.
        stall_timeout (float): seconds in which at least 1 KB of a request must be acknowledged, a response must begin,
            and each header section and body must end; the response to Complete may take longer; default 60.
        give_up_after (float): seconds without any part acknowledged after which a request that fails is not attempted
            again; default 1800 (30 minutes). The upload stays in the vault.
        log (logging.Logger, or callable): told what happens, while a call works, on the thread of that call; a
            callable gets the level as a number of the logging module, and one line of text. No line has a secret
            key or a token in it. Default: no log.
        log_level (int): the least level that is told, such as logging.WARNING. Default: the logger's own level, and
            logging.INFO for a callable. logging.DEBUG tells each request.

    Raises:
        UsageError: a value is not allowed; the message names it and the rule.
        TypeError, ValueError: it is not of its type at all, or only one of the two keys is given, or keys and a
            callable that gives keys.
    """

    def __init__(
        self,
        *,
        region_name: Optional[str] = None,
        endpoint_url: Optional[str] = None,
        account_id: Optional[str] = None,
        aws_access_key_id: Optional[str] = None,
        aws_secret_access_key: Optional[str] = None,
        aws_session_token: Optional[str] = None,
        credentials: Optional[Provider] = None,
        ca_file: Optional[_arguments.StrPath] = None,
        user_agent: Optional[str] = None,
        concurrency: Optional[int] = None,
        max_attempts: Optional[int] = None,
        memory_limit: Optional[int] = None,
        bandwidth_limit: Optional[int] = None,
        connect_timeout: Optional[float] = None,
        stall_timeout: Optional[float] = None,
        give_up_after: Optional[float] = None,
        log: Optional[Log] = None,
        log_level: Optional[int] = None,
    ) -> None:
        self._handle: ConfigHandle = lib.glacier_config_new()
        self._shown: list[str] = []
        self._set(lib.glacier_config_set_region, "region_name", region_name, _arguments.text)
        self._set(lib.glacier_config_set_endpoint, "endpoint_url", endpoint_url, _arguments.text)
        self._set(lib.glacier_config_set_account_id, "account_id", account_id, _arguments.text)
        self._set_credentials(aws_access_key_id, aws_secret_access_key, aws_session_token)
        self._keys = self._set_provider(credentials, aws_access_key_id)
        self._ca_file = None if ca_file is None else os.fsencode(ca_file)
        self._set(lib.glacier_config_set_ca_file, "ca_file", ca_file, _arguments.path)
        self._set(lib.glacier_config_set_user_agent, "user_agent", user_agent, _arguments.text)
        self._set(lib.glacier_config_set_concurrency, "concurrency", concurrency, _arguments.u32)
        self._set(lib.glacier_config_set_max_attempts, "max_attempts", max_attempts, _arguments.u32)
        self._set(lib.glacier_config_set_memory_limit, "memory_limit", memory_limit, _arguments.u64)
        self._set(lib.glacier_config_set_bandwidth_limit, "bandwidth_limit", bandwidth_limit, _arguments.u64)
        ms = _arguments.milliseconds
        self._set(lib.glacier_config_set_connect_timeout_ms, "connect_timeout", connect_timeout, ms)
        self._set(lib.glacier_config_set_stall_timeout_ms, "stall_timeout", stall_timeout, ms)
        self._set(lib.glacier_config_set_give_up_after_ms, "give_up_after", give_up_after, ms)
        self._log = self._set_log(log, log_level)

    def __repr__(self) -> str:
        return f"Config({', '.join(self._shown)})"

    def _set(self, setter: Any, name: str, value: Any, convert: Callable[[str, Any], Any]) -> None:
        if value is not None:
            setter(self._handle, convert(name, value))
            self._shown.append(f"{name}={value!r}")

    def _set_credentials(self, key_id: Optional[str], secret: Optional[str], token: Optional[str]) -> None:
        if key_id is None and secret is None and token is None:
            return
        if key_id is None or secret is None:
            raise TypeError("aws_access_key_id and aws_secret_access_key go together")
        lib.glacier_config_set_credentials(
            self._handle,
            _arguments.text("aws_access_key_id", key_id),
            _arguments.text("aws_secret_access_key", secret),
            None if token is None else _arguments.text("aws_session_token", token),
        )
        self._shown.append("aws_access_key_id=..., aws_secret_access_key=...")

    def _set_provider(self, provider: Optional[Provider], key_id: Optional[str]) -> Optional[GiveKeys]:
        """Who gives keys to the calls of clients."""
        if provider is None:
            return None
        if key_id is not None:
            raise TypeError("credentials and aws_access_key_id exclude each other")
        lib.glacier_config_set_credentials_provider(self._handle, ON_CREDENTIALS, None, NO_DESTROY)
        self._shown.append("credentials=...")
        return keys_of(provider)

    def _set_log(self, log: Optional[Log], level: Optional[int]) -> Optional[WriteLog]:
        """What the library's lines go to, in the numbers of the logging module."""
        if log is None:
            return None
        least = level
        if least is None:
            least = log.getEffectiveLevel() if isinstance(log, logging.Logger) else logging.INFO
        wanted = sum(least <= number for number in _LEVELS.values())
        lib.glacier_config_set_log(self._handle, wanted, ON_LOG, None, NO_DESTROY)
        write = log.log if isinstance(log, logging.Logger) else log
        return lambda level, line: write(_LEVELS.get(level, logging.DEBUG), line)


# The library's levels, each including those before it.
_LEVELS = {1: logging.ERROR, 2: logging.WARNING, 3: logging.INFO, 4: logging.DEBUG}
