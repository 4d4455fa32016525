"""Keys, tokens, regions, clocks and certificates with boto3."""

from datetime import datetime, timezone

import boto3
import pytest
from botocore import UNSIGNED
from botocore.credentials import RefreshableCredentials
from botocore.exceptions import NoCredentialsError, SSLError

import glacier_mp
from local import KEY, REGION, VAULT, Upload, content, error_of

SIGNATURE = "InvalidSignatureException"
UNKNOWN = "UnrecognizedClientException"


def list_uploads(client):
    return client.list_multipart_uploads(vaultName=VAULT)


def test_rejects_unknown_key(plain_glacier):
    client = plain_glacier.boto3(aws_access_key_id="AKIDOTHER")
    assert error_of(list_uploads, client)[:2] == (UNKNOWN, 400)


def test_rejects_wrong_secret(plain_glacier):
    code, status, message = error_of(list_uploads, plain_glacier.boto3(aws_secret_access_key="other-secret"))
    assert (code, status) == (SIGNATURE, 403)
    assert "other-secret" not in message


def test_rejects_wrong_region(plain_glacier, start):
    assert error_of(list_uploads, plain_glacier.boto3(region="eu-west-1"))[:2] == (SIGNATURE, 403)
    elsewhere = start("--region", "eu-west-1")
    assert list_uploads(elsewhere.boto3(region="eu-west-1"))["UploadsList"] == []


def test_boto3_needs_credentials(plain_glacier):
    with pytest.raises(NoCredentialsError):
        list_uploads(plain_glacier.boto3(aws_access_key_id=None, aws_secret_access_key=None))


def test_rejects_unsigned_requests(plain_glacier):
    client = plain_glacier.boto3()
    client.meta.events.register_first("choose-signer.glacier.*", lambda **_: UNSIGNED)
    assert error_of(list_uploads, client)[:2] == ("MissingAuthenticationTokenException", 400)


def test_checks_session_tokens(start):
    glacier = start("--session-token", "first/token==")
    whole = content(5)
    first = glacier.boto3(aws_session_token="first/token==")
    upload = Upload(first, whole)
    upload.put(0)
    assert error_of(list_uploads, glacier.boto3())[:2] == (UNKNOWN, 400)
    assert error_of(list_uploads, glacier.boto3(aws_session_token="another"))[:2] == (UNKNOWN, 400)
    glacier.replace_token("second")
    assert error_of(upload.complete)[:2] == ("ExpiredTokenException", 403)
    upload.client = glacier.boto3(aws_session_token="second")
    assert glacier.archive(upload.complete()["archiveId"]) == whole


@pytest.mark.parametrize("offset, text", [(600, "Signature expired: "), (-600, "Signature not yet current: ")])
def test_rejects_skewed_clock(plain_glacier, offset, text):
    client = plain_glacier.boto3()
    for within in (240, -240):
        plain_glacier.set_clock(within)
        list_uploads(client)
    plain_glacier.set_clock(offset)
    code, status, message = error_of(list_uploads, client)
    assert (code, status) == (SIGNATURE, 403)
    assert message.startswith(text) and "5 min.)" in message


def test_boto3_rejects_untrusted_certificate(start, tmp_path):
    glacier = start(ca_file=tmp_path / "ca.pem")
    with pytest.raises(SSLError):
        list_uploads(glacier.boto3())


def test_boto3_reads_keys_from_the_environment(plain_glacier, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY["aws_access_key_id"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEY["aws_secret_access_key"])
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_GLACIER", plain_glacier.endpoint)
    assert list_uploads(boto3.session.Session().client("glacier"))["UploadsList"] == []


def test_library_takes_keys_of_a_boto3_session(plain_glacier):
    session = boto3.Session(**KEY)
    for source in (session, session.get_credentials(), session._session):
        credentials = glacier_mp.credentials_from(source)
        config = glacier_mp.Config(region_name=REGION, endpoint_url=plain_glacier.endpoint, credentials=credentials)
        with glacier_mp.Client(config) as client:
            assert client.list_uploads(VAULT) == []


def test_library_learns_the_expiry_of_botocore_keys():
    metadata = {"access_key": "AKID", "secret_key": "secret", "token": "token", "expiry_time": "2035-01-01T00:00:00Z"}
    refreshed = RefreshableCredentials.create_from_metadata(metadata, lambda: metadata, "test")
    keys = glacier_mp.credentials_from(refreshed)()
    assert keys == ("AKID", "secret", "token", datetime(2035, 1, 1, tzinfo=timezone.utc))
