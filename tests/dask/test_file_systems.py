"""File systems whose metadata do not show each change of a file."""

import errno
import os

import pytest

from glacier_mp.distributed import _source


@pytest.fixture
def old_file(tmp_path, monkeypatch):
    """A file whose times are trusted."""
    path = tmp_path / "old"
    path.write_bytes(b"x")
    monkeypatch.setattr(_source, "_TRUSTED_AGE_NS", -(10**18))
    return path


def is_trusted(path):
    return _source.file_version(path)[1].is_trusted


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("ext4", True), ("vfat", False), ("fuse.sshfs", False), ("fuseblk", False), ("9p", False), ("nfs4", True)],
)
def test_file_is_trusted_unless_its_file_system_may_have_no_ctime(old_file, monkeypatch, tmp_path, kind, expected):
    device = os.stat(old_file).st_dev
    mounts = tmp_path / "mountinfo"
    number = f"{os.major(device)}:{os.minor(device)}"
    mounts.write_text(f"1 0 9999:1 / /a rw - tmpfs none rw\n2 1 {number} / /b rw,noatime shared:1 - {kind} none rw\n")
    own_open = open

    def open_mounts(path, *arguments, **options):
        return own_open(mounts if path == "/proc/self/mountinfo" else path, *arguments, **options)

    monkeypatch.setattr(_source, "open", open_mounts, raising=False)
    assert is_trusted(old_file) is expected


@pytest.mark.parametrize(
    ("code", "flags", "expected"),
    [(errno.EINVAL, os.ST_RDONLY, True), (errno.EINVAL, 0, False), (errno.EIO, os.ST_RDONLY, False)],
)
def test_failed_fsync_is_accepted_only_on_a_read_only_file_system(old_file, monkeypatch, code, flags, expected):
    monkeypatch.setattr(_source, "_keeps_ctime", lambda _: True)
    assert is_trusted(old_file)

    def fail(_):
        raise OSError(code, "failed")

    class Statvfs:
        f_flag = flags

    monkeypatch.setattr(os, "fsync", fail)
    monkeypatch.setattr(os, "fstatvfs", lambda _: Statvfs)
    assert is_trusted(old_file) is expected
