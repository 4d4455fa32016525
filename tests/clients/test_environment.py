"""boto3 with the variables of a local Glacier, where the user has variables that lead elsewhere."""

import os
import subprocess
import sys

import pytest

from glacier_mp.testing import LocalGlacier
from local_glacier import EMULATOR, HOSTILE_ENVIRONMENT

UPLOAD = """
import boto3
print(boto3.client("glacier").upload_archive(vaultName="examplevault", body=b"content")["archiveId"])
"""


@pytest.mark.parametrize("options", [(), ("--tls",), ("--session-token", "token")])
def test_environment_of_a_local_glacier(monkeypatch, options):
    for name, value in HOSTILE_ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    with LocalGlacier("examplevault", *options, program=EMULATOR) as glacier:
        environment = {**os.environ, **glacier.environment}
        done = subprocess.run([sys.executable, "-c", UPLOAD], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert glacier.archive(done.stdout.strip()) == b"content"


def test_exports_of_a_local_glacier():
    script = """
        eval "$("$emulator" --background --storage hashes)"
        trap 'kill "$GLACIER_EMULATOR_PID"' EXIT
        "$python" -c "$program"
    """
    variables = {"emulator": str(EMULATOR), "python": sys.executable, "program": UPLOAD}
    environment = {**os.environ, **HOSTILE_ENVIRONMENT, **variables}
    done = subprocess.run(["sh", "-euc", script], env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.strip(), done.stderr
