"""Settings for clients."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any, Callable, Optional, Union

from . import _arguments
from ._calls import ON_CREDENTIALS, ON_LOG, GetCredentials, WriteLog
from ._ffi import NO_DESTROY, ConfigHandle, NotCopyable, lib
from .credentials import Provider, credentials_source

if TYPE_CHECKING:
    _LoggerAdapter = logging.LoggerAdapter[Any]
else:
    _LoggerAdapter = logging.LoggerAdapter

Log = Union[logging.Logger, _LoggerAdapter, Callable[[int, str], object]]


class Config(NotCopyable):
    """Settings for clients. A setting that is not given comes from the environment or a profile, or has its default.

    The constructor captures all environment variables. An empty variable counts as not set. Client reads the AWS config
    and credentials files, AWS_CONFIG_FILE or ~/.aws/config and AWS_SHARED_CREDENTIALS_FILE or ~/.aws/credentials, and
    reports what is invalid in them and in the environment.

    Args:
        profile_name (str): the profile of these files. Default: AWS_PROFILE, AWS_DEFAULT_PROFILE, "default". Keys in
            the environment are used only if it is not given.
        region_name (str): the AWS region of the vaults, such as "eu-central-1". Default: AWS_REGION,
            AWS_DEFAULT_REGION, the region of the profile.
        endpoint_url (str): the endpoint: scheme, host and an optional port, such as "http://127.0.0.1:8080". Default:
            AWS_ENDPOINT_URL_GLACIER, AWS_ENDPOINT_URL, the endpoint of the profile, the endpoint of the region.
        account_id (str): the account that owns the vaults, 12 digits without hyphens. Default: "-", the account of the
            credentials (API reference, "accountId").
        aws_access_key_id (str): the ID of the key that signs requests. Set it together with aws_secret_access_key.
        aws_secret_access_key (str): the secret of that key.
        aws_session_token (str): the session token of temporary keys.
        credentials (callable): returns keys that expire, as Credentials or an equivalent tuple. It replaces the three
            parameters above. It is called once for all requests of a client:

            - before the first request
            - when the keys expire within 5 minutes or, for lifetimes under 10 minutes, when half the lifetime has
              passed
            - when the service reports an expired token

            It runs on the thread of a working call, like progress, and all requests wait for it. It may use the client
            and its uploads only as a callback may (see Upload), and must not wait for another thread that uses them.
            An exception in it stops the call and is raised from it, as with progress. With boto3::

                def credentials():
                    keys = sts.assume_role(RoleArn=ROLE, RoleSessionName="upload")["Credentials"]
                    return keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"], keys["Expiration"]

        ca_file (path): a PEM file with the only certificates to trust: of certificate authorities, or of the service
            itself. Default: the file of AWS_CA_BUNDLE; the file of ``ca_bundle`` in the profile; the certificates of
            SSL_CERT_FILE and SSL_CERT_DIR; those of the system.
        proxy (str): the proxy for all connections, http://[user:password@]host[:port] or https://...; "": no proxy.
            Default: the proxy of the environment variables https_proxy, HTTPS_PROXY, all_proxy or ALL_PROXY for an
            https endpoint, and of http_proxy, all_proxy or ALL_PROXY for an http endpoint. The hosts in no_proxy or
            NO_PROXY are always reached directly.
        user_agent (str): the name of the program in the User-Agent header, 1 to 256 printable ASCII characters.
        concurrency (int): the maximum number of parts that one upload sends in parallel, 1 to 32. Default: 8.
            Throttling and slow connections reduce the number temporarily.
        max_attempts (int): the maximum number of attempts per request for transient failures; 0: no maximum, only
            give_up_after applies. Default: 10, where attempts that do not reach the service during an outage do not
            count.
        memory_limit (int): the total part-buffer memory of all uploads of a client, in bytes, at least 1,048,576
            (1 MiB). Default: 268,435,456 (256 MiB). A part larger than memory_limit divided by concurrency is not held
            in memory: it is read twice.
        bandwidth_limit (int): the total bandwidth of all uploads of a client, in bytes of parts per second, including
            repeated attempts; 0: no limit. Default: 0. Upload.set_bandwidth_limit limits a single upload. Each part
            should take at most 4 minutes, because a request's signature expires after 5 minutes: the part size should
            be at most 240 times the limit.
        connect_timeout (float): the maximum time to open a connection, in seconds, for all addresses of the host
            together. Default: 10.
        stall_timeout (float): the time in seconds within which at least 1 KB of a request must be acknowledged, a
            response must begin, and each header section and body must end. Default: 60. The response to Complete may
            take longer.
        give_up_after (float): the time in seconds without any acknowledged part after which a failed request is not
            retried. Default: 1800 (30 minutes). The last attempt is made at that time, unless a Retry-After of the
            service ends later. Then the call fails at that time, or at once if no other part can be acknowledged
            meanwhile. The upload stays in the vault.
        log (logging.Logger, logging.LoggerAdapter or callable): receives log lines, on the thread of a working call. A
            callable gets the level as a number of the logging module, and one line of text. No line contains a secret
            key or a token. Default: no log.
        log_level (int): the lowest level that is logged, such as logging.WARNING. Default: the logger's effective
            level, or logging.INFO for a callable. logging.DEBUG logs each request.

    Raises:
        UsageError: a value is not allowed; the message states the value and the rule.
        TypeError, ValueError: a value has the wrong type or range, only one of the two keys is given, or keys are
            given together with ``credentials``.
    """

    def __init__(
        self,
        *,
        profile_name: Optional[str] = None,
        region_name: Optional[str] = None,
        endpoint_url: Optional[str] = None,
        account_id: Optional[str] = None,
        aws_access_key_id: Optional[str] = None,
        aws_secret_access_key: Optional[str] = None,
        aws_session_token: Optional[str] = None,
        credentials: Optional[Provider] = None,
        ca_file: Optional[_arguments.StrPath] = None,
        proxy: Optional[str] = None,
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
        self._repr_items: list[str] = []
        self._set(lib.glacier_config_set_profile, "profile_name", profile_name, _arguments.text)
        self._set(lib.glacier_config_set_region, "region_name", region_name, _arguments.text)
        self._set(lib.glacier_config_set_endpoint, "endpoint_url", endpoint_url, _arguments.text)
        self._set(lib.glacier_config_set_account_id, "account_id", account_id, _arguments.text)
        self._set_credentials(aws_access_key_id, aws_secret_access_key, aws_session_token)
        self._get_credentials = self._set_provider(credentials, aws_access_key_id)
        self._files = [
            *_files_of_environment(),
            *([] if ca_file is None else [_arguments.path("ca_file", ca_file)]),
        ]
        self._set(lib.glacier_config_set_ca_file, "ca_file", ca_file, _arguments.path)
        self._set_proxy(proxy)
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
        return f"Config({', '.join(self._repr_items)})"

    def _set(self, setter: Any, name: str, value: Any, convert: Callable[[str, Any], Any]) -> None:
        if value is not None:
            setter(self._handle, convert(name, value))
            self._repr_items.append(f"{name}={value!r}")

    def _set_proxy(self, proxy: Optional[str]) -> None:
        if proxy is not None:
            lib.glacier_config_set_proxy(self._handle, _arguments.text("proxy", proxy))
            # The URL may contain a password.
            self._repr_items.append("proxy=...")

    def _set_credentials(self, key_id: Optional[str], secret: Optional[str], token: Optional[str]) -> None:
        if key_id is None and secret is None and token is None:
            return
        if key_id is None or secret is None:
            raise TypeError("aws_access_key_id and aws_secret_access_key must be given together")
        lib.glacier_config_set_credentials(
            self._handle,
            _arguments.text("aws_access_key_id", key_id),
            _arguments.text("aws_secret_access_key", secret),
            None if token is None else _arguments.text("aws_session_token", token),
        )
        self._repr_items.append("aws_access_key_id=..., aws_secret_access_key=...")

    def _set_provider(self, provider: Optional[Provider], key_id: Optional[str]) -> Optional[GetCredentials]:
        """Sets the credentials callback. Returns the function that it calls."""
        if provider is None:
            return None
        if key_id is not None:
            raise TypeError("credentials and aws_access_key_id exclude each other: give only one")
        _arguments.callback("credentials", provider)
        lib.glacier_config_set_credentials_provider(self._handle, ON_CREDENTIALS, None, NO_DESTROY)
        self._repr_items.append("credentials=...")
        return credentials_source(provider)

    def _set_log(self, log: Optional[Log], level: Optional[int]) -> Optional[WriteLog]:
        """Sets the log callback. Returns the function that it calls, which converts levels to those of logging."""
        if log is None:
            return None
        write: WriteLog
        if isinstance(log, (logging.Logger, logging.LoggerAdapter)):
            write, default = log.log, log.getEffectiveLevel()
        else:
            write = _arguments.callback("log", log, "a logging.Logger, a logging.LoggerAdapter or callable")
            default = logging.INFO
        minimum = default if level is None else _arguments.integer("log_level", level)
        library_level = sum(minimum <= number for number in _LEVELS.values())
        lib.glacier_config_set_log(self._handle, library_level, ON_LOG, None, NO_DESTROY)
        return lambda level, line: write(_LEVELS.get(level, logging.DEBUG), line)


# The library's levels. Each includes those before it.
_LEVELS = {1: logging.ERROR, 2: logging.WARNING, 3: logging.INFO, 4: logging.DEBUG}


def _files_of_environment() -> list[bytes]:
    """Returns the paths of the AWS files and the CA file that Client reads. Its errors may name them."""
    files = {
        b"AWS_CONFIG_FILE": b"~/.aws/config",
        b"AWS_SHARED_CREDENTIALS_FILE": b"~/.aws/credentials",
        b"AWS_CA_BUNDLE": b"",
    }
    paths = [os.environb.get(name, default) for name, default in files.items()]
    return [os.path.expanduser(path) for path in paths if path]
