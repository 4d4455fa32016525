"""The local Glacier for tests of programs that use the package."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from glacier_mp import testing
from glacier_mp.testing import LocalGlacier
from local import child_environment


def test_fixture_serves_a_test_of_a_program(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["glacier_mp.testing"]\n')
    assert testing.__doc__ is not None
    example = testing.__doc__.partition("# test_backup.py\n")[2].partition("\n\n")[0]
    check = 'assert len(local_glacier.requests("UploadMultipartPart")) == 2'
    (tmp_path / "test_backup.py").write_text(textwrap.dedent(f"{example}\n        {check}\n"))
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=tmp_path, env=child_environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_environment_serves_other_programs(tmp_path: Path) -> None:
    program = "import glacier_mp; print(glacier_mp.Client().upload('v', b'content').archive_id)"
    with LocalGlacier("v", region_name="eu-west-1") as glacier:
        environment = {**child_environment(), **glacier.environment}
        done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert glacier.archive(done.stdout.strip()) == b"content"
        assert [archive["archive_id"] for archive in glacier.archives()] == [done.stdout.strip()]


def test_clear_faults_removes_faults() -> None:
    with LocalGlacier() as glacier, glacier.client(max_attempts=1) as client:
        glacier.fault({"kind": "status", "status": 503}, times=None)
        glacier.clear_faults()
        client.upload("examplevault", b"content")
        assert not [request for request in glacier.requests() if request["status"] == 503]


def test_reports_a_program_that_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        LocalGlacier(program=tmp_path / "missing")
    with pytest.raises(RuntimeError, match="did not start"):
        LocalGlacier(program="/bin/false")


def test_close_may_be_repeated() -> None:
    glacier = LocalGlacier()
    glacier.close()
    glacier.close()
