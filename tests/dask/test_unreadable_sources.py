"""Paths that no worker can read: each is an error at once, with the errno of the operating system."""

import builtins
import errno
import os
import pickle
import socket
import threading
from contextlib import suppress

import pytest

import glacier_mp
from common import SIZE, running_cluster, upload
from glacier_mp import errors
from glacier_mp.distributed import WorkerSourceError, _coordinator, _source
from glacier_mp.distributed._errors import source_errors


@pytest.fixture(scope="module")
def dask_client():
    with running_cluster(1) as client:
        yield client


def absent(path):
    pass


def bound_socket(path):
    # The name of a socket has at most 107 bytes.
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(f"/proc/self/fd/{directory}/{path.name}")
    finally:
        os.close(directory)


def file_as_directory(path):
    path.parent.joinpath("file").touch()
    path.symlink_to("file/x")


KINDS = [
    (os.mkfifo, OSError, None, "not a regular file"),
    (lambda path: path.symlink_to("/dev/zero"), OSError, None, "not a regular file"),
    (bound_socket, OSError, errno.ENXIO, "No such device"),
    (lambda path: path.mkdir(), IsADirectoryError, errno.EISDIR, "Is a directory"),
    (absent, FileNotFoundError, errno.ENOENT, "No such file"),
    (file_as_directory, NotADirectoryError, errno.ENOTDIR, "Not a directory"),
]
NAMES = ["fifo", "device", "socket", "directory", "absent", "file as directory"]


@pytest.mark.parametrize(("create", "kind", "number", "message"), KINDS, ids=NAMES)
def test_path_without_a_regular_file_is_an_os_error(dask_client, glacier, tmp_path, create, kind, number, message):
    path = tmp_path / "source"
    create(path)
    with pytest.raises(kind, match=message) as caught:
        upload(dask_client, glacier, path)
    error = caught.value
    assert isinstance(error, WorkerSourceError) and isinstance(error, glacier_mp.LocalError)
    assert (error.name, error.code, error.errno) == ("GLACIER_E_IO", 100, number)
    assert error.worker in dask_client.nthreads() and error.worker in str(error)
    assert number is None or error.filename == str(path)
    assert glacier.requests() == []
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert (str(copy), copy.errno, copy.worker) == (str(error), error.errno, error.worker)


@pytest.mark.parametrize(
    "read",
    [_source.file_version, lambda path: _source.SourceReader(path, SIZE).read(0, 1)],
    ids=["file_version", "read"],
)
def test_fifo_does_not_block(tmp_path, read):
    path = tmp_path / "fifo"
    os.mkfifo(path)
    messages = []

    def call():
        try:
            read(path)
        except OSError as error:
            messages.append(str(error))

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(60)
    assert messages == [f"{str(path)!r} is not a regular file"]


def test_descriptor_is_closed_if_fstat_fails(tmp_path, monkeypatch):
    path = tmp_path / "source"
    path.touch()
    fstat = os.fstat
    opened = []

    def is_of_the_source(descriptor):
        return os.path.samestat(fstat(descriptor), path.stat())

    def fail(descriptor):
        if not is_of_the_source(descriptor):
            # A thread of Dask.
            return fstat(descriptor)
        opened.append(descriptor)
        raise OSError(errno.ESTALE, "Stale file handle")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fstat", fail)
        with pytest.raises(OSError, match="Stale file handle"):
            _source.file_version(path)
    (descriptor,) = opened
    with suppress(OSError):
        # A thread of Dask may have opened another file with this number.
        assert not is_of_the_source(descriptor)


class OfAnotherPackage(ConnectionResetError):
    """The exception of a package that reads sources."""


class WithErrno(OSError):
    """An exception whose constructor does not select the subclass for its errno."""


OS_KINDS = {kind for kind in vars(builtins).values() if isinstance(kind, type) and issubclass(kind, OSError)}
OS_ERRORS = [
    *((kind("bucket/key"), kind) for kind in sorted(OS_KINDS, key=lambda kind: kind.__name__)),
    (TimeoutError(errno.ETIMEDOUT, "Connection timed out"), TimeoutError),
    (BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), BlockingIOError),
    (FileExistsError(errno.EEXIST, "File exists", "/vault"), FileExistsError),
    (OfAnotherPackage(errno.ECONNRESET, "Connection reset by peer"), ConnectionResetError),
    (OfAnotherPackage("bucket/key"), ConnectionResetError),
    (WithErrno(errno.ENOENT, "No such file"), FileNotFoundError),
]


@pytest.mark.parametrize(("error", "kind"), OS_ERRORS, ids=[f"{error!r}" for error, _ in OS_ERRORS])
def test_os_error_keeps_its_class(error, kind):
    with pytest.raises(kind) as caught, source_errors("worker 1", "tcp://10.0.0.7:41234"):
        raise error
    found = caught.value
    assert isinstance(found, WorkerSourceError) and isinstance(found, OSError)
    assert isinstance(found, errors.OS_CLASSES.get(kind, errors.LocalOSError))
    assert (found.name, found.worker) == ("GLACIER_E_IO", "tcp://10.0.0.7:41234")
    assert (found.errno, found.strerror, found.filename) == (error.errno, error.strerror, error.filename)
    copy = pickle.loads(pickle.dumps(found))
    assert type(copy) is type(found) and (str(copy), copy.errno) == (str(found), found.errno)


def test_error_of_a_function_without_errno_keeps_its_class(dask_client, glacier):
    def fail(offset, length):
        raise FileNotFoundError("bucket/key")

    with pytest.raises(FileNotFoundError, match="bucket/key") as caught:
        upload(dask_client, glacier, fail, size=SIZE)
    assert isinstance(caught.value, WorkerSourceError)
    assert (caught.value.name, caught.value.errno) == ("GLACIER_E_IO", None)


def test_os_error_of_a_function_keeps_its_errno(dask_client, glacier):
    def refuse(offset, length):
        raise PermissionError(13, "Permission denied", "/vault")

    with pytest.raises(PermissionError) as caught:
        upload(dask_client, glacier, refuse, size=SIZE)
    assert isinstance(caught.value, WorkerSourceError)
    assert (caught.value.name, caught.value.filename) == ("GLACIER_E_IO", "/vault")


def test_file_that_vanishes_for_the_calling_process_is_an_os_error(dask_client, glacier, source, monkeypatch):
    view_of = _coordinator.view_of

    def view_without_the_file(*arguments):
        source.unlink()
        return view_of(*arguments)

    monkeypatch.setattr(_coordinator, "view_of", view_without_the_file)
    with pytest.raises(FileNotFoundError, match="the process that calls upload") as caught:
        upload(dask_client, glacier, source)
    assert isinstance(caught.value, WorkerSourceError)
    assert (caught.value.name, caught.value.worker) == ("GLACIER_E_IO", "")
