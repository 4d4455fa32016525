"""A local Glacier for one test, the clients that talk to it, and our own programs."""

from __future__ import annotations

import io
import json
import os
import ssl
import subprocess
import sys
import urllib.request
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.utils import calculate_tree_hash

ROOT = Path(__file__).resolve().parents[2]
FAKECLOUD = Path(os.environ.get("FAKECLOUD_MOUNT") or ROOT / "target/fakecloud/debug/fakecloud-mount")
EMULATOR = Path(os.environ.get("GLACIER_EMULATOR") or ROOT / "target/debug/glacier-emulator")
VAULT = "examplevault"
MIB = 1 << 20
KEY = {
    "aws_access_key_id": "AKIAIOSFODNN7EXAMPLE",
    "aws_secret_access_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
}


class Server:
    """A program that says where it listens, and runs until its standard input ends."""

    def __init__(self, *command):
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.endpoint = self._process.stdout.readline().strip()
        self.ca_file = None
        assert self.endpoint, f"{command[0]} did not start"

    def close(self):
        self._process.communicate("")

    def boto3(self, region="us-east-1", attempts=1, **key):
        """A client that tries this often."""
        return boto3.session.Session().client(
            "glacier",
            region_name=region,
            endpoint_url=self.endpoint,
            config=Config(retries={"total_max_attempts": attempts, "mode": "legacy"}),
            **(KEY | key),
        )


class Glacier(Server):
    """The local Glacier."""

    def __init__(self, *arguments, ca_file=None):
        if ca_file:
            arguments = ("--tls", "--ca-out", str(ca_file), *arguments)
        super().__init__(str(EMULATOR), "--until-stdin-closes", *arguments)
        self.ca_file = ca_file

    def aws(self, *arguments, check=True):
        """Runs `aws glacier` to its end. What it prints is JSON, if anything."""
        environment = {
            **os.environ,
            "AWS_ACCESS_KEY_ID": KEY["aws_access_key_id"],
            "AWS_SECRET_ACCESS_KEY": KEY["aws_secret_access_key"],
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL_GLACIER": self.endpoint,
            "AWS_MAX_ATTEMPTS": "1",
        }
        operation, *options = arguments
        command = [sys.executable, "-m", "awscli", "glacier", operation, "--account-id=-", "--vault-name=" + VAULT]
        done = subprocess.run([*command, *options], env=environment, capture_output=True, text=True)
        if not check:
            return done
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else None

    def fault(self, operation, action, **conditions):
        """Lets something go wrong with the next request of an operation."""
        self.admin("POST", "faults", {"operation": operation, "action": action, **conditions})

    def heal(self):
        self.admin("DELETE", "faults")

    def requests(self, operation):
        return [r for r in json.loads(self.admin("GET", "requests")) if r["operation"] == operation]

    def archives(self):
        return json.loads(self.admin("GET", "archives"))

    def archive(self, archive_id):
        return self.admin("GET", f"archives/{archive_id}/data")

    def admin(self, method, path, document=None):
        body = None if document is None else json.dumps(document).encode()
        request = urllib.request.Request(f"{self.endpoint}/.admin/{path}", body, method=method)
        context = ssl.create_default_context(cafile=self.ca_file) if self.ca_file else None
        with urllib.request.urlopen(request, context=context) as answer:
            return answer.read()


class Upload:
    """A multipart upload through boto3, and the bytes it is to have."""

    def __init__(self, client, whole, part_size=MIB, **arguments):
        self.client, self.whole, self.part_size = client, whole, part_size
        started = client.initiate_multipart_upload(vaultName=VAULT, partSize=str(part_size), **arguments)
        self.id = started["uploadId"]
        self.location = started["location"]

    def put(self, index, body=None, **arguments):
        """Sends a part; with a body, that instead of the archive's own bytes."""
        first = index * self.part_size
        if body is None:
            body = self.whole[first : first + self.part_size]
        arguments = {"range": f"bytes {first}-{first + len(body) - 1}/*", "body": body, **arguments}
        return self.client.upload_multipart_part(vaultName=VAULT, uploadId=self.id, **arguments)

    def put_all(self):
        for index in range(-(-len(self.whole) // self.part_size)):
            self.put(index)
        return self

    def complete(self, **arguments):
        arguments = {"archiveSize": str(len(self.whole)), "checksum": tree_hash(self.whole), **arguments}
        return self.client.complete_multipart_upload(vaultName=VAULT, uploadId=self.id, **arguments)

    def abort(self):
        return self.client.abort_multipart_upload(vaultName=VAULT, uploadId=self.id)

    def list_parts(self, **arguments):
        return self.client.list_parts(vaultName=VAULT, uploadId=self.id, **arguments)


def content(size):
    """Bytes of which no two parts are alike."""
    return b"".join(number.to_bytes(8, "big") for number in range(-(-size // 8)))[:size]


def tree_hash(data):
    """By botocore's own reckoning."""
    return calculate_tree_hash(io.BytesIO(data))


def refusal(call, *arguments, **named):
    """The code, status and message that a call is refused with."""
    try:
        answer = call(*arguments, **named)
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        return error.response["Error"]["Code"], status, error.response["Error"]["Message"]
    raise AssertionError(f"not refused: {answer}")
