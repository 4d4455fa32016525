"""Memory that C and Python share: the buffers of Python objects for C, and the buffers of C for Python."""

from __future__ import annotations

import ctypes
import importlib
import mmap
import sys
import weakref
from typing import Any

from ._arguments import kind_of


class _CPythonMemory:
    """The exported buffer of a bytes-like object.

    The buffer is released with this object. Until then a bytearray cannot be resized, and an mmap cannot be closed.
    """

    def __init__(self, data: Any) -> None:
        view = _Buffer()
        try:
            ctypes.pythonapi.PyObject_GetBuffer(ctypes.py_object(data), ctypes.byref(view), _SIMPLE)
        except TypeError:
            raise _not_bytes_like(data) from None
        weakref.finalize(self, ctypes.pythonapi.PyBuffer_Release, ctypes.byref(view)).atexit = False
        self.address = view.buf
        self.length = view.len


class _Buffer(ctypes.Structure):
    """Py_buffer. A memoryview is no substitute: it does not give the address of read-only memory."""

    _fields_ = [
        ("buf", ctypes.c_void_p),
        ("obj", ctypes.c_void_p),
        ("len", ctypes.c_ssize_t),
        ("itemsize", ctypes.c_ssize_t),
        ("readonly", ctypes.c_int),
        ("ndim", ctypes.c_int),
        ("format", ctypes.c_char_p),
        ("shape", ctypes.c_void_p),
        ("strides", ctypes.c_void_p),
        ("suboffsets", ctypes.c_void_p),
        ("internal", ctypes.c_void_p),
    ]


_SIMPLE = 0
_WRITABLE = 0x200


def view_of(data: Any) -> memoryview:
    """Returns a memoryview of a bytes-like object whose memory is contiguous."""
    try:
        view = memoryview(data)
    except TypeError:
        raise _not_bytes_like(data) from None
    if not view.c_contiguous:
        raise BufferError("the data must be C-contiguous")
    return view


def _not_bytes_like(data: Any) -> TypeError:
    return TypeError(f"a bytes-like object is required, not {kind_of(data)}")


class _PyPyMemory:
    """The memory of a bytes-like object. PyPy has no C API, but contains cffi.

    PyPy does not prevent that a bytearray is resized while its memory is in use, so such objects are copied.
    """

    def __init__(self, data: Any) -> None:
        view = view_of(data)
        is_fixed = view.readonly or isinstance(data, mmap.mmap)
        self._buffer = _cffi.from_buffer(data if is_fixed else view.tobytes())
        self.address = int(_cffi.cast("uintptr_t", self._buffer))
        self.length = len(self._buffer)


def _pypy_memory_at(address: int, size: int) -> memoryview:
    return memoryview(_cffi.buffer(_cffi.cast("char *", address), size))


def _cpython_memory_at(address: int, size: int) -> memoryview:
    view: memoryview = _from_memory(address, size, _WRITABLE)
    return view


Memory: Any
if sys.implementation.name == "pypy":
    _cffi: Any = importlib.import_module("cffi").FFI()
    Memory, memory_at = _PyPyMemory, _pypy_memory_at
else:
    _from_memory = ctypes.pythonapi.PyMemoryView_FromMemory
    _from_memory.argtypes = (ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_int)
    _from_memory.restype = ctypes.py_object
    Memory, memory_at = _CPythonMemory, _cpython_memory_at
