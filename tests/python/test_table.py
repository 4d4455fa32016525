"""The ctypes declarations match the header."""

from __future__ import annotations

import ctypes
import re
from ctypes import POINTER, c_char_p, c_int32, c_int64, c_size_t, c_uint8, c_uint32, c_uint64, c_void_p
from typing import Any

import pytest

from glacier_mp import _ffi
from local import ROOT

HEADER = re.sub(r"/\*.*?\*/", "", (ROOT / "include" / "glacier_mp.h").read_text(), flags=re.DOTALL)

HANDLES = {
    "glacier_config_t": _ffi.ConfigHandle,
    "glacier_client_t": _ffi.ClientHandle,
    "glacier_upload_t": _ffi.UploadHandle,
    "glacier_error_t": _ffi.ErrorHandle,
    "glacier_uploads_t": _ffi.UploadsHandle,
    "glacier_parts_t": _ffi.PartsHandle,
    "glacier_treehash_t": _ffi.TreeHashHandle,
    "glacier_plan_t": _ffi.PlanHandle,
}

KINDS: dict[str, Any] = {
    "char *": c_char_p,
    "void *": c_void_p,
    "uint8_t *": POINTER(c_uint8),
    "size_t": c_size_t,
    "size_t *": POINTER(c_size_t),
    "int32_t": c_int32,
    "int64_t": c_int64,
    "uint32_t": c_uint32,
    "uint64_t": c_uint64,
    "glacier_result_t": c_int32,
    "glacier_state_t": c_int32,
    "glacier_log_level_t": c_int32,
    "glacier_progress_t *": POINTER(_ffi.RawProgress),
    "glacier_credentials_t *": POINTER(_ffi.RawCredentials),
    "glacier_progress_fn": _ffi.ProgressFn,
    "glacier_read_fn": _ffi.ReadFn,
    "glacier_done_fn": _ffi.DoneFn,
    "glacier_log_fn": _ffi.LogFn,
    "glacier_credentials_fn": _ffi.CredentialsFn,
    "glacier_destroy_fn": _ffi.DestroyFn,
    **{f"{name} *": kind for name, kind in HANDLES.items()},
    **{f"{name} **": POINTER(kind) for name, kind in HANDLES.items()},
}


def functions() -> dict[str, tuple[str, list[str]]]:
    """Returns the functions of the header: name to return type and parameters."""
    declared = {}
    for returned, name, parameters in re.findall(r"^(\w[\w \t]*[ *])(glacier_\w+)\(([^)]*)\);", HEADER, re.MULTILINE):
        if not returned.startswith("typedef"):
            declared[name] = (returned.strip(), [] if parameters == "void" else re.split(r"\s*,\s*", parameters))
    return declared


def kind_of(parameter: str) -> Any:
    """Returns the ctypes type of a parameter."""
    parameter = re.sub(r"\bconst\b|\s+", " ", parameter).strip()
    parameter = re.sub(r"(\w+) (\w+)\[32\]", r"\1 *\2", parameter)
    kind = re.sub(r"\w+$", "", parameter).strip()
    return KINDS[re.sub(r" ?(\*+)", r" \1", kind)]


def test_parses_the_header() -> None:
    assert len(functions()) > 80
    assert kind_of("const uint8_t tree_hash[32]") == POINTER(c_uint8)
    assert kind_of("glacier_upload_t **out") == POINTER(_ffi.UploadHandle)


def test_table_has_exactly_the_functions_of_the_header() -> None:
    assert set(_ffi.FUNCTIONS) == set(functions())


@pytest.mark.parametrize("name", sorted(functions()))
def test_signature_matches_the_header(name: str) -> None:
    returned, parameters = functions()[name]
    have, kinds = _ffi.FUNCTIONS[name]
    assert list(kinds) == [kind_of(parameter) for parameter in parameters]
    if parameters and parameters[-1].endswith("**err"):
        assert have is _ffi.RESULT
    elif returned == "void":
        assert have is None
    else:
        assert have == kind_of(f"{returned} x")
    # Pointers to handles are outputs.
    assert [kind in _ffi.OUTPUTS for kind in kinds] == ["**" in parameter for parameter in parameters]


def test_every_handle_has_a_free_function() -> None:
    for name, kind in HANDLES.items():
        assert _ffi.FUNCTIONS[f"{name[:-2]}_free"] == (None, (kind,))


def test_progress_fields_match_the_header() -> None:
    body = re.search(r"typedef struct \{([^}]*)\} glacier_progress_t;", HEADER)
    assert body is not None
    fields = re.findall(r"uint64_t (\w+);", body.group(1))
    assert list(_ffi.RawProgress._fields_) == [(name, c_uint64) for name in fields]
    assert ctypes.sizeof(_ffi.RawProgress) == 8 * len(fields)


def test_callback_types_match_the_header() -> None:
    for name, kind in (
        ("glacier_progress_fn", _ffi.ProgressFn),
        ("glacier_read_fn", _ffi.ReadFn),
        ("glacier_done_fn", _ffi.DoneFn),
        ("glacier_log_fn", _ffi.LogFn),
        ("glacier_credentials_fn", _ffi.CredentialsFn),
        ("glacier_destroy_fn", _ffi.DestroyFn),
    ):
        declared = re.search(rf"typedef (\w+) \(\*{name}\)\(([^)]*)\);", HEADER)
        assert declared is not None
        returned, parameters = declared.groups()
        assert kind._restype_ == (None if returned == "void" else kind_of(f"{returned} x"))
        assert list(kind._argtypes_) == [kind_of(parameter) for parameter in parameters.split(", ")]


def test_constants_match_the_header() -> None:
    numbers = {name: int(number) for name, number in re.findall(r"\b(GLACIER_\w+) = (\d+)", HEADER)}
    for name in ("STOP", "CONTINUE", "E_STATE", "E_BUSY", "E_MEMORY", "E_OUTCOME_UNKNOWN"):
        assert getattr(_ffi, name) == numbers[f"GLACIER_{name}"]
    assert "#define GLACIER_UNKNOWN_LENGTH UINT64_MAX\n" in HEADER
    assert c_uint64(-1).value == _ffi.UNKNOWN_LENGTH
    assert c_uint32(-1).value == _ffi.ALL_PARTS
    assert f"#define GLACIER_MP_ABI_VERSION {_ffi.ABI_VERSION}\n" in HEADER
