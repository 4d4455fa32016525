"""boto3, from Initiate to Complete or Abort."""

import hashlib

import pytest

from local import MIB, VAULT, Upload, content, refusal, tree_hash

INVALID = "InvalidParameterValueException"


def test_the_whole_way(glacier):
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


def test_an_archive_in_one_request(glacier):
    whole = content(2 * MIB + 1)
    done = glacier.boto3().upload_archive(vaultName=VAULT, body=whole, archiveDescription="one")
    assert (done["checksum"], glacier.archive(done["archiveId"])) == (tree_hash(whole), whole)


def test_the_account_by_its_digits(plain_glacier):
    client = plain_glacier.boto3()
    assert client.list_multipart_uploads(accountId="111122223333", vaultName=VAULT)["UploadsList"] == []
    other = refusal(client.list_multipart_uploads, accountId="999999999999", vaultName=VAULT)
    assert other == ("AccessDeniedException", 403, "Access denied for account ID: 999999999999")


def test_a_vault_of_ones_own(plain_glacier):
    client = plain_glacier.boto3()
    assert client.create_vault(vaultName="my.vault_-1")["location"] == "/111122223333/vaults/my.vault_-1"
    assert client.list_multipart_uploads(vaultName="my.vault_-1")["UploadsList"] == []
    code, status, message = refusal(client.initiate_multipart_upload, vaultName="no-vault", partSize=str(MIB))
    assert (code, status) == ("ResourceNotFoundException", 404)
    assert message == "Vault not found for ARN: arn:aws:glacier:us-east-1:111122223333:vaults/no-vault"


def test_a_part_sent_again_replaces_the_earlier_one(plain_glacier):
    upload = Upload(plain_glacier.boto3(), content(MIB + 5))
    upload.put(1)
    upload.put(0, body=b"\1" * MIB)
    upload.put(0)
    assert len(upload.list_parts()["Parts"]) == 2
    assert plain_glacier.archive(upload.complete()["archiveId"]) == upload.whole


def test_a_body_from_a_file(plain_glacier, tmp_path):
    file = tmp_path / "part"
    file.write_bytes(content(MIB))
    upload = Upload(plain_glacier.boto3(), content(MIB))
    with file.open("rb") as body:
        upload.client.upload_multipart_part(
            vaultName=VAULT, uploadId=upload.id, range=f"bytes 0-{MIB - 1}/*", body=body
        )
    assert plain_glacier.archive(upload.complete()["archiveId"]) == upload.whole


@pytest.mark.parametrize("size", [2**n * MIB for n in range(13)])
def test_every_part_size(start, size):
    upload = Upload(start("--storage", "hashes").boto3(), b"x", part_size=size)
    upload.put(0)
    assert upload.list_parts()["PartSizeInBytes"] == size
    upload.complete()


@pytest.mark.parametrize("size", ["0", "1", "1048577", "3145728", "10485760", "8589934592", "x"])
def test_no_other_part_size(plain_glacier, size):
    code, status, message = refusal(plain_glacier.boto3().initiate_multipart_upload, vaultName=VAULT, partSize=size)
    assert (code, status) == (INVALID, 400)
    assert message.startswith(f"Invalid part size: {size}. Part size must not be null, must be a power of two")


def test_wrong_hashes_of_a_part(plain_glacier):
    upload = Upload(plain_glacier.boto3(), content(MIB))
    other = tree_hash(b"other")
    message = f"Checksum mismatch: expected {other}, computed {tree_hash(upload.whole)}"
    assert refusal(upload.put, 0, checksum=other) == (INVALID, 400, message)
    # botocore sends the linear hash that it finds in place.
    linear = hashlib.sha256(b"other").hexdigest()
    place = "before-call.glacier.UploadMultipartPart"

    def plant(params, **_):
        params["headers"]["x-amz-content-sha256"] = linear

    upload.client.meta.events.register_first(place, plant)
    code, status, message = refusal(upload.put, 0)
    assert (code, status) == ("InvalidSignatureException", 403)
    assert message.startswith("The value passed in as x-amz-content-sha256 does not match the computed payload hash.")
    upload.client.meta.events.unregister(place, plant)
    assert upload.list_parts()["Parts"] == []
    upload.put(0)


@pytest.mark.parametrize("range", ["bytes 1-1048576/*", "bytes 524288-1572863/*", "bytes 0-1048575", "bytes 5-4/*"])
def test_wrong_ranges(plain_glacier, range):
    code, status, _ = refusal(Upload(plain_glacier.boto3(), content(MIB)).put, 0, range=range)
    assert (code, status) == (INVALID, 400)


def test_a_range_of_another_length(plain_glacier):
    message = "Content-Range: bytes 0-1048576/* is incompatible with Content-Length: 1048576"
    upload = Upload(plain_glacier.boto3(), content(MIB))
    assert refusal(upload.put, 0, range="bytes 0-1048576/*") == (INVALID, 400, message)


def test_a_part_too_long_and_one_too_many(start):
    upload = Upload(start("--storage", "hashes").boto3(), content(MIB + 1))
    assert refusal(upload.put, 0, body=upload.whole)[:2] == (INVALID, 400)
    upload.put(9_999, body=b"x")
    message = "This is part number 10001 for the current multipart upload. It exceeds the limit of 10000 parts."
    assert refusal(upload.put, 10_000, body=b"x") == (INVALID, 400, message)


def test_a_short_part_in_the_middle(plain_glacier):
    upload = Upload(plain_glacier.boto3(), content(2 * MIB))
    upload.put(0, body=b"short")
    upload.put(1)
    assert refusal(upload.complete)[:2] == (INVALID, 400)
    upload.put(0)
    assert plain_glacier.archive(upload.complete()["archiveId"]) == upload.whole


def test_a_complete_refused_leaves_the_upload_open(plain_glacier):
    upload = Upload(plain_glacier.boto3(), content(2 * MIB + 1))
    upload.put(0)
    upload.put(2)
    assert refusal(upload.complete)[:2] == (INVALID, 400)
    upload.put(1)
    assert refusal(upload.complete, archiveSize=str(2 * MIB))[:2] == (INVALID, 400)
    code, status, message = refusal(upload.complete, checksum=tree_hash(b""))
    assert (code, status) == (INVALID, 400)
    assert message.startswith("Invalid x-amz-sha256-tree-hash: ")
    without = dict(vaultName=VAULT, uploadId=upload.id, archiveSize=str(len(upload.whole)))
    message = "Required parameter missing: x-amz-sha256-tree-hash"
    missing = refusal(upload.client.complete_multipart_upload, **without)
    assert missing == ("MissingParameterValueException", 400, message)
    assert plain_glacier.archive(upload.complete()["archiveId"]) == upload.whole


def test_complete_again_gives_the_same_archive(plain_glacier):
    upload = Upload(plain_glacier.boto3(), content(5)).put_all()
    assert upload.complete()["archiveId"] == upload.complete()["archiveId"]
    assert len(plain_glacier.archives()) == 1
    for call in (upload.list_parts, upload.abort):
        assert refusal(call)[:2] == ("ResourceNotFoundException", 404)
    assert upload.client.list_multipart_uploads(vaultName=VAULT)["UploadsList"] == []


def test_abort_again_is_no_error(plain_glacier):
    upload = Upload(plain_glacier.boto3(), content(5)).put_all()
    for _ in range(2):
        assert upload.abort()["ResponseMetadata"]["HTTPStatusCode"] == 204
    for call in (upload.list_parts, upload.complete):
        assert refusal(call)[:2] == ("ResourceNotFoundException", 404)
    assert plain_glacier.archives() == []


def test_the_modelled_exceptions_are_raised(plain_glacier):
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
def test_what_botocore_tries_again(plain_glacier, status, code):
    upload = Upload(plain_glacier.boto3(attempts=2), content(5))
    plain_glacier.refuse(status, code, "UploadMultipartPart")
    upload.put(0)
    assert [r["status"] for r in plain_glacier.requests("UploadMultipartPart")] == [status, 204]
    plain_glacier.fault("lost_answer", "UploadMultipartPart", then="close")
    upload.put(0)
    assert len(upload.list_parts()["Parts"]) == 1
