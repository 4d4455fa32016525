"""The local Glacier with boto3 and the AWS CLI as clients."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.utils import calculate_tree_hash

from local_glacier import KEY, MIB, REGION, ROOT, VAULT, LocalGlacier, content

__all__ = ["KEY", "MIB", "REGION", "ROOT", "VAULT", "Glacier", "Upload", "content", "error_of", "tree_hash"]


class Glacier(LocalGlacier):
    """A local Glacier with boto3 and the AWS CLI as clients."""

    def boto3(self, region=REGION, attempts=1, **key):
        """Returns a boto3 client with a maximum number of attempts."""
        return boto3.session.Session().client(
            "glacier",
            region_name=region,
            endpoint_url=self.endpoint,
            config=Config(retries={"total_max_attempts": attempts, "mode": "legacy"}),
            **(KEY | key),
        )

    def aws(self, *arguments, vault=VAULT, check=True):
        """Runs `aws glacier` and returns its JSON output, if any."""
        environment = {
            **os.environ,
            "AWS_ACCESS_KEY_ID": KEY["aws_access_key_id"],
            "AWS_SECRET_ACCESS_KEY": KEY["aws_secret_access_key"],
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL_GLACIER": self.endpoint,
            "AWS_MAX_ATTEMPTS": "1",
        }
        operation, *options = arguments
        command = [sys.executable, "-m", "awscli", "glacier", operation, "--account-id=-"]
        command += [f"--vault-name={vault}"] if vault else []
        done = subprocess.run([*command, *options], env=environment, capture_output=True, text=True)
        if not check:
            return done
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else None


class Upload:
    """A multipart upload by boto3, and the bytes of its archive."""

    def __init__(self, client, whole, part_size=MIB, **arguments):
        self.client, self.whole, self.part_size = client, whole, part_size
        started = client.initiate_multipart_upload(vaultName=VAULT, partSize=str(part_size), **arguments)
        self.id = started["uploadId"]
        self.location = started["location"]

    def put(self, index, body=None, **arguments):
        """Sends a part of the archive, or another body in its place."""
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


def tree_hash(data):
    """Returns the tree hash as computed by botocore."""
    return calculate_tree_hash(io.BytesIO(data))


def error_of(call, *arguments, **named):
    """Returns the code, status and message of the error of a call."""
    try:
        response = call(*arguments, **named)
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        return error.response["Error"]["Code"], status, error.response["Error"]["Message"]
    raise AssertionError(f"no error: {response}")
