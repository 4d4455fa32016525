"""ctypes declarations of the C ABI: one table with every function of include/glacier_mp.h.

Python code passes only the inputs of a function:
- A parameter `glacier_x_t **out` becomes the return value. The handle is freed with the last reference to it.
- A parameter `glacier_error_t **err` becomes an exception.
"""

from __future__ import annotations

import ctypes
import gc
import sys
import weakref
from ctypes import POINTER, c_char_p, c_int32, c_int64, c_size_t, c_uint32, c_uint64, c_void_p
from types import SimpleNamespace
from typing import Any, NoReturn, Optional

from . import _library
from .errors import GlacierError, class_of

ABI_VERSION = 0

E_INVALID = 2
E_STATE = 3
E_BUSY = 4
E_IO = 100
E_MEMORY = 101
E_SOURCE_SHORT = 102
E_SOURCE_CHANGED = 103
E_OUTCOME_UNKNOWN = 307
E_TREE_HASH = 400
E_INCOMPLETE = 401

STOP = 0
CONTINUE = 1

UNKNOWN_LENGTH = (1 << 64) - 1
ALL_PARTS = (1 << 32) - 1

# In bytes: 10,000 parts of 4 GiB.
LARGEST_ARCHIVE = 10_000 << 32


class NotCopyable:
    """A handle, or an object that owns one.

    A copy would share the handle: close() and other calls on one would affect the other. ctypes would copy the address
    of a handle. It is invalid in another process, and a copy would be freed twice.
    """

    def __reduce__(self) -> NoReturn:
        raise TypeError("glacier_mp objects cannot be pickled or copied")


class Handle(NotCopyable, c_void_p):
    """A handle of the library. Each C type has its own class, so ctypes rejects a handle of the wrong type."""

    # Objects that the library uses through this handle. They are released after the handle is freed.
    kept_alive: list[Any]


class ConfigHandle(Handle):
    pass


class ClientHandle(Handle):
    pass


class UploadHandle(Handle):
    pass


class ErrorHandle(Handle):
    pass


class UploadsHandle(Handle):
    pass


class PartsHandle(Handle):
    pass


class TreeHashHandle(Handle):
    pass


class PlanHandle(Handle):
    pass


class RawCredentials(ctypes.Structure):
    """glacier_credentials_t, an opaque type."""


class RawProgress(ctypes.Structure):
    """glacier_progress_t."""

    _fields_ = [
        ("struct_size", c_uint64),
        ("bytes_total", c_uint64),
        ("bytes_done", c_uint64),
        ("bytes_resumed", c_uint64),
        ("bytes_hashed", c_uint64),
        ("bytes_sent", c_uint64),
        ("parts_total", c_uint64),
        ("parts_done", c_uint64),
        ("parts_in_flight", c_uint64),
        ("retries", c_uint64),
        ("workers", c_uint64),
        ("elapsed_ms", c_uint64),
    ]


ProgressFn = ctypes.CFUNCTYPE(c_int32, c_void_p, POINTER(RawProgress))
ReadFn = ctypes.CFUNCTYPE(c_int32, c_void_p, POINTER(ctypes.c_uint8), c_size_t, POINTER(c_size_t))
LogFn = ctypes.CFUNCTYPE(None, c_void_p, c_int32, c_char_p)
CredentialsFn = ctypes.CFUNCTYPE(c_int32, c_void_p, POINTER(RawCredentials))
DoneFn = ctypes.CFUNCTYPE(None, c_void_p, c_int32, ErrorHandle)
DestroyFn = ctypes.CFUNCTYPE(None, c_void_p)

# The callbacks of this package exist as long as the module, so there is nothing to destroy.
NO_DESTROY = DestroyFn()

# The return type glacier_result_t: the function raises on failure. A glacier_result_t parameter is a plain number.
RESULT = "result"

ERR = POINTER(ErrorHandle)
BYTES = c_void_p
DIGEST = POINTER(ctypes.c_uint8)

# Name: (return type, parameter types). A pointer to a handle is an output.
FUNCTIONS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "glacier_version": (c_char_p, ()),
    "glacier_version_number": (c_uint32, ()),
    "glacier_abi_version": (c_uint32, ()),
    "glacier_result_name": (c_char_p, (c_int32,)),
    "glacier_result_message": (c_char_p, (c_int32,)),
    "glacier_config_new": (ConfigHandle, ()),
    "glacier_config_set_credentials": (RESULT, (ConfigHandle, c_char_p, c_char_p, c_char_p, ERR)),
    "glacier_config_set_credentials_provider": (RESULT, (ConfigHandle, CredentialsFn, c_void_p, DestroyFn, ERR)),
    "glacier_credentials_set": (RESULT, (POINTER(RawCredentials), c_char_p, c_char_p, c_char_p, c_int64, ERR)),
    "glacier_config_set_profile": (RESULT, (ConfigHandle, c_char_p, ERR)),
    "glacier_config_set_region": (RESULT, (ConfigHandle, c_char_p, ERR)),
    "glacier_config_set_endpoint": (RESULT, (ConfigHandle, c_char_p, ERR)),
    "glacier_config_set_account_id": (RESULT, (ConfigHandle, c_char_p, ERR)),
    "glacier_config_set_ca_file": (RESULT, (ConfigHandle, c_char_p, ERR)),
    "glacier_config_set_proxy": (RESULT, (ConfigHandle, c_char_p, ERR)),
    "glacier_config_set_user_agent": (RESULT, (ConfigHandle, c_char_p, ERR)),
    "glacier_config_set_concurrency": (RESULT, (ConfigHandle, c_uint32, ERR)),
    "glacier_config_set_max_attempts": (RESULT, (ConfigHandle, c_uint32, ERR)),
    "glacier_config_set_memory_limit": (RESULT, (ConfigHandle, c_uint64, ERR)),
    "glacier_config_set_bandwidth_limit": (RESULT, (ConfigHandle, c_uint64, ERR)),
    "glacier_config_set_connect_timeout_ms": (RESULT, (ConfigHandle, c_uint64, ERR)),
    "glacier_config_set_stall_timeout_ms": (RESULT, (ConfigHandle, c_uint64, ERR)),
    "glacier_config_set_give_up_after_ms": (RESULT, (ConfigHandle, c_uint64, ERR)),
    "glacier_config_set_log": (RESULT, (ConfigHandle, c_int32, LogFn, c_void_p, DestroyFn, ERR)),
    "glacier_config_free": (None, (ConfigHandle,)),
    "glacier_client_new": (RESULT, (ConfigHandle, POINTER(ClientHandle), ERR)),
    "glacier_client_list_uploads": (RESULT, (ClientHandle, c_char_p, POINTER(UploadsHandle), ERR)),
    "glacier_client_cancel": (None, (ClientHandle,)),
    "glacier_client_free": (None, (ClientHandle,)),
    "glacier_upload_new": (RESULT, (ClientHandle, c_char_p, POINTER(UploadHandle), ERR)),
    "glacier_upload_set_description": (RESULT, (UploadHandle, c_char_p, ERR)),
    "glacier_upload_set_part_size": (RESULT, (UploadHandle, c_uint64, ERR)),
    "glacier_upload_set_upload_id": (RESULT, (UploadHandle, c_char_p, ERR)),
    "glacier_upload_set_journal": (RESULT, (UploadHandle, c_char_p, ERR)),
    "glacier_upload_set_part_range": (RESULT, (UploadHandle, c_uint32, c_uint32, ERR)),
    "glacier_upload_set_archive_size": (RESULT, (UploadHandle, c_uint64, ERR)),
    "glacier_upload_set_expected_size": (RESULT, (UploadHandle, c_uint64, ERR)),
    "glacier_upload_set_source_file": (RESULT, (UploadHandle, c_char_p, ERR)),
    "glacier_upload_set_source_memory": (RESULT, (UploadHandle, BYTES, c_size_t, ERR)),
    "glacier_upload_set_source_callback": (RESULT, (UploadHandle, ReadFn, c_uint64, c_void_p, DestroyFn, ERR)),
    "glacier_upload_set_progress": (RESULT, (UploadHandle, ProgressFn, c_void_p, DestroyFn, ERR)),
    "glacier_upload_run": (RESULT, (UploadHandle, ERR)),
    "glacier_upload_transfer": (RESULT, (UploadHandle, ERR)),
    "glacier_upload_start": (RESULT, (UploadHandle, DoneFn, c_void_p, DestroyFn, ERR)),
    "glacier_upload_wait": (RESULT, (UploadHandle, c_uint64, ERR)),
    "glacier_upload_write": (RESULT, (UploadHandle, BYTES, c_size_t, ERR)),
    "glacier_upload_finish": (RESULT, (UploadHandle, ERR)),
    "glacier_upload_initiate": (RESULT, (UploadHandle, ERR)),
    "glacier_upload_put_part": (RESULT, (UploadHandle, c_uint32, BYTES, c_size_t, ERR)),
    "glacier_upload_put_part_checked": (RESULT, (UploadHandle, c_uint32, BYTES, c_size_t, DIGEST, ERR)),
    "glacier_upload_list_parts": (RESULT, (UploadHandle, POINTER(PartsHandle), ERR)),
    "glacier_upload_complete": (RESULT, (UploadHandle, ERR)),
    "glacier_upload_abort": (RESULT, (UploadHandle, ERR)),
    "glacier_upload_cancel": (None, (UploadHandle,)),
    "glacier_upload_state": (c_int32, (UploadHandle,)),
    "glacier_upload_progress": (RESULT, (UploadHandle, POINTER(RawProgress), c_size_t, ERR)),
    "glacier_upload_set_bandwidth_limit": (RESULT, (UploadHandle, c_uint64, ERR)),
    "glacier_upload_id": (c_char_p, (UploadHandle,)),
    "glacier_upload_location": (c_char_p, (UploadHandle,)),
    "glacier_upload_archive_id": (c_char_p, (UploadHandle,)),
    "glacier_upload_archive_location": (c_char_p, (UploadHandle,)),
    "glacier_upload_tree_hash": (c_char_p, (UploadHandle,)),
    "glacier_upload_vault": (c_char_p, (UploadHandle,)),
    "glacier_upload_part_size": (c_uint64, (UploadHandle,)),
    "glacier_upload_free": (None, (UploadHandle,)),
    "glacier_error_code": (c_int32, (ErrorHandle,)),
    "glacier_error_message": (c_char_p, (ErrorHandle,)),
    "glacier_error_operation": (c_char_p, (ErrorHandle,)),
    "glacier_error_http_status": (c_int32, (ErrorHandle,)),
    "glacier_error_service_code": (c_char_p, (ErrorHandle,)),
    "glacier_error_request_id": (c_char_p, (ErrorHandle,)),
    "glacier_error_is_retryable": (c_int32, (ErrorHandle,)),
    "glacier_error_is_resumable": (c_int32, (ErrorHandle,)),
    "glacier_error_free": (None, (ErrorHandle,)),
    "glacier_parts_count": (c_size_t, (PartsHandle,)),
    "glacier_parts_offset": (c_uint64, (PartsHandle, c_size_t)),
    "glacier_parts_length": (c_uint64, (PartsHandle, c_size_t)),
    "glacier_parts_tree_hash": (c_char_p, (PartsHandle, c_size_t)),
    "glacier_parts_free": (None, (PartsHandle,)),
    "glacier_uploads_count": (c_size_t, (UploadsHandle,)),
    "glacier_uploads_id": (c_char_p, (UploadsHandle, c_size_t)),
    "glacier_uploads_description": (c_char_p, (UploadsHandle, c_size_t)),
    "glacier_uploads_created": (c_char_p, (UploadsHandle, c_size_t)),
    "glacier_uploads_created_unix": (c_int64, (UploadsHandle, c_size_t)),
    "glacier_uploads_part_size": (c_uint64, (UploadsHandle, c_size_t)),
    "glacier_uploads_free": (None, (UploadsHandle,)),
    "glacier_treehash_new": (TreeHashHandle, ()),
    "glacier_treehash_update": (RESULT, (TreeHashHandle, BYTES, c_size_t, ERR)),
    "glacier_treehash_finish": (RESULT, (TreeHashHandle, DIGEST, ERR)),
    "glacier_treehash_combine": (RESULT, (DIGEST, c_size_t, DIGEST, ERR)),
    "glacier_treehash_file": (RESULT, (c_char_p, c_uint32, ProgressFn, c_void_p, DIGEST, ERR)),
    "glacier_treehash_free": (None, (TreeHashHandle,)),
    "glacier_plan_new": (RESULT, (c_uint64, c_uint64, POINTER(PlanHandle), ERR)),
    "glacier_plan_part_size": (c_uint64, (PlanHandle,)),
    "glacier_plan_part_count": (c_uint32, (PlanHandle,)),
    "glacier_plan_request_count": (c_uint32, (PlanHandle,)),
    "glacier_plan_memory": (c_uint64, (PlanHandle, c_uint32)),
    "glacier_plan_free": (None, (PlanHandle,)),
}


def error_of(code: int, message: str) -> GlacierError:
    """Returns the exception for a failure that this package detects itself."""
    return class_of(code)(message, code=code, name=decoded(lib.glacier_result_name(code)) or "")


def decoded(text: Optional[bytes]) -> Optional[str]:
    """Returns a C string as str; None for NULL."""
    return None if text is None else text.decode("utf-8", "replace")


def _bind(library: ctypes.CDLL) -> SimpleNamespace:
    """Returns the functions of the table, bound to a library with the same ABI version."""
    _check_abi(library)
    functions = SimpleNamespace()
    for name, (returned, parameters) in FUNCTIONS.items():
        prototype = ctypes.CFUNCTYPE(c_int32 if returned is RESULT else returned, *parameters)
        directions = tuple((_OUT if parameter in OUTPUTS else _IN,) for parameter in parameters)
        try:
            function: Any = prototype((name, library), directions)
        except AttributeError:
            file = _library.shown(library._name)
            raise ImportError(f"{file} has no function {name}: it is older than this package") from None
        if returned is RESULT:
            function.errcheck = _check_and_own if parameters[-2] in OUTPUTS else _check
        elif returned in _FREE:
            function.errcheck = _check_not_null
        setattr(functions, name, function)
    return functions


def _check_abi(library: ctypes.CDLL) -> None:
    file = _library.shown(library._name)
    try:
        version = library.glacier_abi_version()
    except AttributeError:
        raise ImportError(f"{file} is not libglacier_mp: it has no function glacier_abi_version") from None
    if version != ABI_VERSION:
        raise ImportError(
            f"{file} has ABI version {version}, but this package needs {ABI_VERSION}: "
            "install the library and the package from the same release"
        )


# Parameter directions of ctypes.
_IN, _OUT = 1, 2

OUTPUTS = {POINTER(kind) for kind in (ClientHandle, UploadHandle, UploadsHandle, PartsHandle, PlanHandle, ErrorHandle)}


def _check(result: int, _function: Any, arguments: tuple[Any, ...]) -> None:
    if result != 0:
        raise _exception(result, arguments[-1])


def _check_and_own(result: int, _function: Any, arguments: tuple[Any, ...]) -> Handle:
    *_, out, err = arguments
    if result != 0:
        raise _exception(result, err)
    return _owned(out)


def _check_not_null(handle: Handle, _function: Any, _arguments: tuple[Any, ...]) -> Handle:
    if not handle:
        raise error_of(E_MEMORY, "out of memory")
    return _owned(handle)


def _owned(handle: Handle) -> Handle:
    """Frees a new handle once, when the last reference to it is gone. Returns the handle.

    Interpreter shutdown does not free it, because a call on another thread may still use it. A forked child does free
    it, because there the library only releases memory.
    """
    handle.kept_alive = []
    free = getattr(lib, _FREE[type(handle)])
    weakref.finalize(handle, _free, free, type(handle)(handle.value), handle.kept_alive).atexit = False
    return handle


def free_unreachable_handles() -> None:
    """Frees the handles to which the program has no reference. CPython has freed them already, PyPy may not have."""
    if sys.implementation.name == "pypy":
        gc.collect()


def _free(free: Any, handle: Handle, _kept_alive: list[Any]) -> None:
    free(handle)


_FREE = {parameters[0]: name for name, (_, parameters) in FUNCTIONS.items() if name.endswith("_free")}


def _exception(result: int, err: ErrorHandle) -> GlacierError:
    try:
        return class_of(result)(
            decoded(lib.glacier_error_message(err)) or "",
            code=result,
            name=decoded(lib.glacier_result_name(result)) or "",
            operation=decoded(lib.glacier_error_operation(err)),
            http_status=lib.glacier_error_http_status(err) or None,
            service_code=decoded(lib.glacier_error_service_code(err)),
            request_id=decoded(lib.glacier_error_request_id(err)),
            retryable=bool(lib.glacier_error_is_retryable(err)),
            resumable=bool(lib.glacier_error_is_resumable(err)),
        )
    finally:
        lib.glacier_error_free(err)


_loaded = _library.load()
path = _loaded._name
lib = _bind(_loaded)
