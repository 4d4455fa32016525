"""LocalErrors with GLACIER_E_IO are OSErrors of the subclass for their errno, with a filename."""

from __future__ import annotations

import copy
import errno
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Callable, Optional

import pytest

import glacier_mp
from glacier_mp import Config, GlacierError, LocalError, TreeHash, Upload, _os_errors
from glacier_mp.errors import os_error
from local import MIB, VAULT, Glacier, child_environment, content, settings

# root has every permission, so the child process drops its privileges.
AS_NOBODY = """
import os, sys
import glacier_mp
path, call = sys.argv[1:]
if os.geteuid() == 0:
    os.setgroups([])
    os.setuid(65534)
keys = {"region_name": "us-east-1", "aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "secret"}
client = glacier_mp.Client(glacier_mp.Config(**keys))
try:
    exec(call)
except PermissionError as error:
    assert isinstance(error, glacier_mp.LocalError)
    print(error.errno, error.filename, error.strerror)
"""


def of_source(client: glacier_mp.Client, path: Path) -> None:
    client.upload(VAULT, path)


def of_source_in_background(client: glacier_mp.Client, path: Path) -> None:
    with Upload(client, VAULT, path) as upload:
        upload.start().result()


def of_source_and_journal(client: glacier_mp.Client, path: Path) -> None:
    directory = next(parent for parent in path.parents if parent.is_dir())
    client.upload(VAULT, path, journal=directory / "archive.journal")


def of_journal(client: glacier_mp.Client, path: Path) -> None:
    client.upload(VAULT, b"data", journal=path)


def of_journal_beside_its_source(client: glacier_mp.Client, path: Path) -> None:
    source = path.parent / "data"
    source.write_bytes(b"data")
    client.upload(VAULT, source, journal=path)


def of_tree_hash(client: glacier_mp.Client, path: Path) -> None:
    TreeHash.file(path)


def of_ca_file(client: glacier_mp.Client, path: Path) -> None:
    glacier_mp.Client(Config(**settings("https://127.0.0.1:1", ca_file=path)))


READING = [of_source, of_source_in_background, of_source_and_journal, of_tree_hash, of_ca_file]
ALL = [*READING, of_journal, of_journal_beside_its_source]

Call = Callable[[glacier_mp.Client, Path], None]


def raised(glacier: Glacier, call: Call, kind: type[OSError], path: Path) -> OSError:
    with glacier.client() as client, pytest.raises(kind) as caught:
        call(client, path)
    error = caught.value
    assert isinstance(error, LocalError)
    assert error.name == "GLACIER_E_IO"
    assert isinstance(error, OSError)
    assert str(error) == error.message
    assert error.filename == str(path)
    assert error.errno is not None
    assert error.strerror == os.strerror(error.errno)
    assert glacier.requests() == []
    return error


@pytest.mark.parametrize("call", READING)
def test_missing_file_is_file_not_found_error(glacier: Glacier, tmp_path: Path, call: Call) -> None:
    assert raised(glacier, call, FileNotFoundError, tmp_path / "archive").errno == errno.ENOENT


@pytest.mark.parametrize("call", ALL)
def test_missing_directory_is_file_not_found_error(glacier: Glacier, tmp_path: Path, call: Call) -> None:
    (tmp_path / "archive").mkdir()
    path = tmp_path / "archive" / "missing" / "archive"
    if call is of_journal_beside_its_source:
        path = tmp_path / "missing"
        path.symlink_to(tmp_path / "archive" / "missing" / "archive")
        (tmp_path / "archive").rmdir()
    assert raised(glacier, call, FileNotFoundError, path).errno == errno.ENOENT


@pytest.mark.parametrize(
    "name", ["d (os error 13)", "x: Permission denied (os error 13)", "2", "os error 2", "(os error 2)"]
)
@pytest.mark.parametrize("call", ALL)
def test_path_with_text_of_an_os_error_does_not_set_the_errno(
    glacier: Glacier, tmp_path: Path, call: Call, name: str
) -> None:
    (tmp_path / "archive").mkdir()
    path = tmp_path / "archive" / name / "missing"
    if call is of_journal_beside_its_source:
        path = tmp_path / name
        path.symlink_to(tmp_path / "missing" / name)
    assert raised(glacier, call, FileNotFoundError, path).errno == errno.ENOENT


@pytest.mark.parametrize("call", ALL)
def test_directory_is_is_a_directory_error(glacier: Glacier, tmp_path: Path, call: Call) -> None:
    path = tmp_path / "directory"
    path.mkdir()
    assert raised(glacier, call, IsADirectoryError, path).errno == errno.EISDIR


@pytest.mark.parametrize("call", ALL)
def test_path_through_a_file_is_not_a_directory_error(glacier: Glacier, tmp_path: Path, call: Call) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "archive"
    if call in (of_journal_beside_its_source, of_source_and_journal):
        path = tmp_path / "link"
        path.symlink_to(tmp_path / "file" / "archive")
    assert raised(glacier, call, NotADirectoryError, path).errno == errno.ENOTDIR


@pytest.mark.parametrize("call", ALL)
def test_other_errno_is_plain_os_error(glacier: Glacier, tmp_path: Path, call: Call) -> None:
    path = tmp_path / "loop"
    path.symlink_to(path)
    assert raised(glacier, call, OSError, path).errno == errno.ELOOP


@pytest.mark.parametrize(
    "call",
    [
        "glacier_mp.TreeHash.file(path)",
        "glacier_mp.Client(glacier_mp.Config(ca_file=path, **keys))",
        "client.upload('vault', path)",
        "client.upload('vault', b'data', journal=path)",
    ],
)
def test_file_without_permission_is_permission_error(tmp_path: Path, call: str) -> None:
    path = tmp_path / "archive"
    path.write_bytes(b"data")
    path.chmod(0)
    # The path is relative, because that user may lack permission for the parent directories.
    tmp_path.chmod(0o755)
    ended = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, path.name, call],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=child_environment(),
        check=False,
    )
    assert (ended.stdout, ended.stderr) == (f"{errno.EACCES} archive {os.strerror(errno.EACCES)}\n", "")


def test_fifo_as_source_has_no_errno(glacier: Glacier, tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    with glacier.client() as client, pytest.raises(OSError) as caught:
        client.upload(VAULT, path)
    assert isinstance(caught.value, LocalError)
    assert (caught.value.errno, caught.value.strerror, caught.value.filename) == (None, None, str(path))


def test_error_during_the_upload_has_the_upload_id(glacier: Glacier, tmp_path: Path) -> None:
    path = tmp_path / "archive"
    path.write_bytes(content(MIB))
    glacier.respond_with_error(403, "AccessDeniedException", "UploadMultipartPart")
    with glacier.client() as client, Upload(client, VAULT, path) as upload:
        with pytest.raises(glacier_mp.ServiceError):
            upload.run()
        path.unlink()
        with pytest.raises(FileNotFoundError) as caught:
            upload.run()
    assert isinstance(caught.value, LocalError)
    assert caught.value.upload_id == upload.upload_id is not None
    assert caught.value.resumable


def test_other_local_errors_are_not_os_errors(glacier: Glacier, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    journal.write_bytes(b"no journal")
    with glacier.client() as client, pytest.raises(LocalError) as caught:
        client.upload(VAULT, b"data", journal=journal)
    assert not isinstance(caught.value, OSError)


def test_os_error_of_another_upload_is_not_changed(tmp_path: Path) -> None:
    path = tmp_path / "archive"
    path.write_bytes(content(MIB))
    other = os_error(GlacierError("of another file", code=100), errno.ENOENT, "no such file", "other")

    def fail(progress: glacier_mp.Progress) -> None:
        raise other

    with pytest.raises(FileNotFoundError) as caught:
        TreeHash.file(path, progress=fail)
    assert str(caught.value) == str(other)
    assert caught.value.filename == "other"


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOENT, FileNotFoundError),
        (errno.EEXIST, FileExistsError),
        (errno.EACCES, PermissionError),
        (errno.EPERM, PermissionError),
        (errno.EISDIR, IsADirectoryError),
        (errno.ENOTDIR, NotADirectoryError),
        (errno.EAGAIN, BlockingIOError),
        (errno.ETIMEDOUT, TimeoutError),
        (errno.ENOSPC, OSError),
        (errno.EIO, OSError),
        (errno.ECONNRESET, OSError),
        (None, OSError),
    ],
)
def test_errors_can_be_pickled_and_copied(number: Optional[int], kind: type[OSError]) -> None:
    facts = GlacierError("the text", code=100, name="GLACIER_E_IO", resumable=True, upload_id="id")
    error = os_error(facts, number, "the reason", "a file")
    assert isinstance(error, kind)
    assert isinstance(error, LocalError)
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(other) is type(error)
        assert (str(other), other.args) == ("the text", ("the text",))
        assert (other.errno, other.strerror, other.filename) == (number, "the reason", "a file")
        assert vars(other) == vars(facts)


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (["a (os error 13)"], "cannot open a (os error 13): no such file (os error 2)"),
        (["a (os error 13)"], "cannot open another (os error 13): no such file (os error 2)"),
        (["a", "b (os error 13)"], "cannot open a: no such file (os error 2); its journal is b (os error 13)"),
        (["a\n(os error 13)"], "cannot open a\\n(os error 13): no such file (os error 2)"),
        (["2", "(os error 2)"], "cannot open 2: no such file (os error 2)"),
    ],
)
def test_errno_is_not_taken_from_a_path(paths: list[str], message: str) -> None:
    with pytest.raises(FileNotFoundError), _os_errors.os_errors_for(*map(os.fsencode, paths)):
        raise LocalError(message, code=100)


@pytest.mark.parametrize(
    ("paths", "message", "expected"),
    [
        (["a (os error 13)", "a"], "cannot open a (os error 13): no such file (os error 2)", "a (os error 13)"),
        (["a", "a.journal"], "cannot open the journal a.journal: no such file (os error 2)", "a.journal"),
        (["a", "a.journal"], "cannot open a: no such file (os error 2); its journal is a.journal", "a"),
        (["a b", "b"], "cannot open a b: no such file (os error 2)", "a b"),
        (["a\nb", "a"], "cannot open a\\nb: no such file (os error 2)", "a\nb"),
        (["\x1b", "a", "b\u202e"], "cannot open b\\u{202e}: no such file (os error 2)", "b\u202e"),
        (["\ue000", "a"], "cannot open \ue000: no such file (os error 2)", "\ue000"),
        (["a", "file"], "cannot open a: no such file (os error 2)", "a"),
        (["a", "b"], "cannot open c: no such file (os error 2)", None),
        (["a\n"], "cannot open a\\n: no such file (os error 2)", "a\n"),
        ([], "cannot open it", None),
    ],
)
def test_filename_is_the_path_in_the_message(paths: list[str], message: str, expected: Optional[str]) -> None:
    with pytest.raises(LocalError) as caught, _os_errors.os_errors_for(*map(os.fsencode, paths)):
        raise LocalError(message, code=100)
    assert isinstance(caught.value, OSError)
    assert caught.value.filename == expected
