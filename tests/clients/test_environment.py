"""boto3 with the variables of a local Glacier, where the user has variables that lead elsewhere."""

import os
import subprocess
import sys

import pytest

from glacier_mp.testing import LocalGlacier
from local_glacier import EMULATOR

HOSTILE = {
    "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
    "AWS_USE_FIPS_ENDPOINT": "true",
    "AWS_USE_DUALSTACK_ENDPOINT": "true",
    "AWS_SESSION_TOKEN": "stale",
    "AWS_SECURITY_TOKEN": "stale",
    "AWS_CREDENTIAL_EXPIRATION": "2012-01-01T00:00:00Z",
    "AWS_PROFILE": "missing",
    "AWS_DEFAULT_PROFILE": "missing",
    "AWS_CONFIG_FILE": __file__,
    "AWS_SHARED_CREDENTIALS_FILE": __file__,
    "AWS_CA_BUNDLE": "/nonexistent.pem",
    "http_proxy": "http://127.0.0.1:1",
    "HTTPS_PROXY": "http://127.0.0.1:1",
}
UPLOAD = """
import boto3
print(boto3.client("glacier").upload_archive(vaultName="examplevault", body=b"content")["archiveId"])
"""


@pytest.mark.parametrize("options", [(), ("--tls",), ("--session-token", "token")])
def test_environment_of_a_local_glacier(monkeypatch, options):
    for name, value in HOSTILE.items():
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
    environment = {**os.environ, **HOSTILE, **variables}
    done = subprocess.run(["sh", "-euc", script], env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.strip(), done.stderr
