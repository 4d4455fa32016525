"""Multipart uploads by boto3, from Initiate to Complete or Abort."""

import hashlib

import pytest

from local import MIB, VAULT, Upload, content, error_of, tree_hash

INVALID = "InvalidParameterValueException"


def test_boto3_uploads_an_archive(glacier):
    whole = content(3 * MIB + 17)
    upload = Upload(glacier.boto3(), whole, archiveDescription="from 1950  to now")
    assert upload.location == f"/111122223333/vaults/{VAULT}/multipart-uploads/{upload.id}"
    for index in (3, 0, 2, 1):
        part = whole[index * MIB : (index + 1) * MIB]
        assert upload.put(index)["checksum"] == tree_hash(part)
    done = upload.complete()
    assert done["checksum"] == tree_hash(whole)
    assert done["location"] == f"/111122223333/vaults/{VAULT}/archives/{done['archiveId']}"
    assert glacier.archive(done["archiveId"]) == whole
    assert glacier.archives()[0]["description"] == "from 1950  to now"


def test_boto3_uploads_an_archive_in_one_request(glacier):
    whole = content(2 * MIB + 1)
    done = glacier.boto3().upload_archive(vaultName=VAULT, body=whole, archiveDescription="one")
    assert (done["checksum"], glacier.archive(done["archiveId"])) == (tree_hash(whole), whole)


def test_accepts_only_the_account_of_the_keys(plain_glacier):
    client = plain_glacier.boto3()
    assert client.list_multipart_uploads(accountId="111122223333", vaultName=VAULT)["UploadsList"] == []
    other = error_of(client.list_multipart_uploads, accountId="999999999999", vaultName=VAULT)
    assert other == ("AccessDeniedException", 403, "Access denied for account ID: 999999999999")


def test_creates_vaults_and_rejects_unknown_ones(plain_glacier):
    client = plain_glacier.boto3()
    assert client.create_vault(vaultName="my.vault_-1")["location"] == "/111122223333/vaults/my.vault_-1"
    assert client.list_multipart_uploads(vaultName="my.vault_-1")["UploadsList"] == []
    code, status, message = error_of(client.initiate_multipart_upload, vaultName="no-vault", partSize=str(MIB))
    assert (code, status) == ("ResourceNotFoundException", 404)
    assert message == "Vault not found for ARN: arn:aws:glacier:us-east-1:111122223333:vaults/no-vault"


def test_resent_part_replaces_the_earlier_one(plain_glacier):
    upload = Upload(plain_glacier.boto3(), content(MIB + 5))
    upload.put(1)
    upload.put(0, body=b"\1" * MIB)
    upload.put(0)
    assert len(upload.list_parts()["Parts"]) == 2
    assert plain_glacier.archive(upload.complete()["archiveId"]) == upload.whole


def test_boto3_sends_a_part_from_a_file(plain_glacier, tmp_path):
    file = tmp_path / "part"
    file.write_bytes(content(MIB))
    upload = Upload(plain_glacier.boto3(), content(MIB))
    with file.open("rb") as body:
        upload.client.upload_multipart_part(
            vaultName=VAULT, uploadId=upload.id, range=f"bytes 0-{MIB - 1}/*", body=body
        )
    assert plain_glacier.archive(upload.complete()["archiveId"]) == upload.whole


@pytest.mark.parametrize("size", [2**n * MIB for n in range(13)])
def test_accepts_every_valid_part_size(start, size):
    upload = Upload(start("--storage", "hashes").boto3(), b"x", part_size=size)
    upload.put(0)
    assert upload.list_parts()["PartSizeInBytes"] == size
    upload.complete()


@pytest.mark.parametrize("size", ["0", "1", "1048577", "3145728", "10485760", "8589934592", "x"])
def test_rejects_part_size_not_power_of_two(plain_glacier, size):
    code, status, message = error_of(plain_glacier.boto3().initiate_multipart_upload, vaultName=VAULT, partSize=size)
    assert (code, status) == (INVALID, 400)
    assert message.startswith(f"Invalid part size: {size}. Part size must not be null, must be a power of two")


def test_rejects_wrong_hashes_of_a_part(plain_glacier):
    upload = Upload(plain_glacier.boto3(), content(MIB))
    other = tree_hash(b"other")
    message = f"Checksum mismatch: expected {other}, computed {tree_hash(upload.whole)}"
    assert error_of(upload.put, 0, checksum=other) == (INVALID, 400, message)
    # botocore does not replace a linear hash that is already set.
    linear = hashlib.sha256(b"other").hexdigest()
    place = "before-call.glacier.UploadMultipartPart"

    def plant(params, **_):
        params["headers"]["x-amz-content-sha256"] = linear

    upload.client.meta.events.register_first(place, plant)
    code, status, message = error_of(upload.put, 0)
    assert (code, status) == ("InvalidSignatureException", 403)
    assert message.startswith("The value passed in as x-amz-content-sha256 does not match the computed payload hash.")
    upload.client.meta.events.unregister(place, plant)
    assert upload.list_parts()["Parts"] == []
    upload.put(0)


@pytest.mark.parametrize("range", ["bytes 1-1048576/*", "bytes 524288-1572863/*", "bytes 0-1048575", "bytes 5-4/*"])
def test_rejects_invalid_ranges(plain_glacier, range):
    code, status, _ = error_of(Upload(plain_glacier.boto3(), content(MIB)).put, 0, range=range)
    assert (code, status) == (INVALID, 400)


def test_rejects_range_of_another_length(plain_glacier):
    message = "Content-Range: bytes 0-1048576/* is incompatible with Content-Length: 1048576"
    upload = Upload(plain_glacier.boto3(), content(MIB))
    assert error_of(upload.put, 0, range="bytes 0-1048576/*") == (INVALID, 400, message)


def test_rejects_long_parts_and_part_10001(start):
    upload = Upload(start("--storage", "hashes").boto3(), content(MIB + 1))
    assert error_of(upload.put, 0, body=upload.whole)[:2] == (INVALID, 400)
    upload.put(9_999, body=b"x")
    message = "This is part number 10001 for the current multipart upload. It exceeds the limit of 10000 parts."
    assert error_of(upload.put, 10_000, body=b"x") == (INVALID, 400, message)


def test_rejects_complete_with_a_short_part_in_the_middle(plain_glacier):
    upload = Upload(plain_glacier.boto3(), content(2 * MIB))
    upload.put(0, body=b"short")
    upload.put(1)
    assert error_of(upload.complete)[:2] == (INVALID, 400)
    upload.put(0)
    assert plain_glacier.archive(upload.complete()["archiveId"]) == upload.whole


def test_rejected_complete_keeps_the_upload(plain_glacier):
    upload = Upload(plain_glacier.boto3(), content(2 * MIB + 1))
    upload.put(0)
    upload.put(2)
    assert error_of(upload.complete)[:2] == (INVALID, 400)
    upload.put(1)
    assert error_of(upload.complete, archiveSize=str(2 * MIB))[:2] == (INVALID, 400)
    code, status, message = error_of(upload.complete, checksum=tree_hash(b""))
    assert (code, status) == (INVALID, 400)
    assert message.startswith("Invalid x-amz-sha256-tree-hash: ")
    without = dict(vaultName=VAULT, uploadId=upload.id, archiveSize=str(len(upload.whole)))
    message = "Required parameter missing: x-amz-sha256-tree-hash"
    missing = error_of(upload.client.complete_multipart_upload, **without)
    assert missing == ("MissingParameterValueException", 400, message)
    assert plain_glacier.archive(upload.complete()["archiveId"]) == upload.whole


def test_repeated_complete_returns_the_same_archive(plain_glacier):
    upload = Upload(plain_glacier.boto3(), content(5)).put_all()
    assert upload.complete()["archiveId"] == upload.complete()["archiveId"]
    assert len(plain_glacier.archives()) == 1
    for call in (upload.list_parts, upload.abort):
        assert error_of(call)[:2] == ("ResourceNotFoundException", 404)
    assert upload.client.list_multipart_uploads(vaultName=VAULT)["UploadsList"] == []


def test_repeated_abort_succeeds(plain_glacier):
    upload = Upload(plain_glacier.boto3(), content(5)).put_all()
    for _ in range(2):
        assert upload.abort()["ResponseMetadata"]["HTTPStatusCode"] == 204
    for call in (upload.list_parts, upload.complete):
        assert error_of(call)[:2] == ("ResourceNotFoundException", 404)
    assert plain_glacier.archives() == []


def test_boto3_raises_modeled_exceptions(plain_glacier):
    client = plain_glacier.boto3()
    with pytest.raises(client.exceptions.ResourceNotFoundException) as raised:
        client.list_multipart_uploads(vaultName="no-vault")
    assert raised.value.response["ResponseMetadata"]["RequestId"]
    with pytest.raises(client.exceptions.InvalidParameterValueException):
        client.initiate_multipart_upload(vaultName=VAULT, partSize="5")


@pytest.mark.parametrize(
    "status, code",
    [(408, "RequestTimeoutException"), (500, "ServiceUnavailableException"), (400, "ThrottlingException")],
)
def test_botocore_retries_transient_failures(plain_glacier, status, code):
    upload = Upload(plain_glacier.boto3(attempts=2), content(5))
    plain_glacier.respond_with_error(status, code, "UploadMultipartPart")
    upload.put(0)
    assert [r["status"] for r in plain_glacier.requests("UploadMultipartPart")] == [status, 204]
    plain_glacier.fault("lost_answer", "UploadMultipartPart", then="close")
    upload.put(0)
    assert len(upload.list_parts()["Parts"]) == 1
