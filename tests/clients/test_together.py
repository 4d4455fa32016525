"""Uploads shared by boto3 and the library."""

import pytest

from local import MIB, VAULT, Upload, content, error_of, tree_hash


def test_library_completes_an_upload_of_boto3(glacier, programs, tmp_path):
    whole = content(4 * MIB + 17)
    upload = Upload(glacier.boto3(), whole, archiveDescription="begun elsewhere")
    upload.put(3)
    upload.put(1)
    upload.put(2, body=b"\1" * MIB)
    already = len(glacier.requests("UploadMultipartPart"))
    code, output, errors = programs.upload(glacier, file(tmp_path, whole), f"--upload-id={upload.id}")
    assert code == 0, errors
    assert output["tree-hash"] == tree_hash(whole)
    assert glacier.archive(output["archive-id"]) == whole
    assert glacier.archives()[0]["description"] == "begun elsewhere"
    sent = glacier.requests("UploadMultipartPart")[already:]
    assert sorted(request["range"][0] // MIB for request in sent) == [0, 2, 4], (
        "only parts that differ or are missing are sent"
    )
    # boto3 repeats Complete and gets the same archive.
    assert upload.complete()["archiveId"] == output["archive-id"]


def test_boto3_completes_an_upload_of_the_library(glacier, programs, tmp_path):
    whole = content(3 * MIB + 17)
    glacier.respond_with_error(403, "AccessDeniedException", "UploadMultipartPart", part=2, always=True)
    options = ("--part-size=1M", "--description=begun by the library")
    code, output, errors = programs.upload(glacier, file(tmp_path, whole), *options)
    assert code == 3, errors
    upload_id = output["upload-id"]
    glacier.clear_faults()

    client = glacier.boto3()
    listed = client.list_multipart_uploads(vaultName=VAULT)["UploadsList"]
    assert [(u["MultipartUploadId"], u["ArchiveDescription"]) for u in listed] == [(upload_id, options[1][14:])]
    parts = client.list_parts(vaultName=VAULT, uploadId=upload_id)
    assert parts["PartSizeInBytes"] == MIB
    held = {part["RangeInBytes"]: part["SHA256TreeHash"] for part in parts["Parts"]}
    for index in range(4):
        first, part = index * MIB, whole[index * MIB : (index + 1) * MIB]
        span = f"{first}-{first + len(part) - 1}"
        assert held.get(span) in (None, tree_hash(part))
        if span not in held:
            client.upload_multipart_part(vaultName=VAULT, uploadId=upload_id, range=f"bytes {span}/*", body=part)
    done = client.complete_multipart_upload(
        vaultName=VAULT, uploadId=upload_id, archiveSize=str(len(whole)), checksum=tree_hash(whole)
    )
    assert glacier.archive(done["archiveId"]) == whole


def test_boto3_aborts_an_upload_of_the_library(plain_glacier, programs, tmp_path):
    path = file(tmp_path, content(2 * MIB))
    plain_glacier.respond_with_error(403, "AccessDeniedException", "UploadMultipartPart", part=1, always=True)
    code, output, _ = programs.upload(plain_glacier, path, "--part-size=1M")
    assert code == 3
    plain_glacier.clear_faults()
    client = plain_glacier.boto3()
    client.abort_multipart_upload(vaultName=VAULT, uploadId=output["upload-id"])
    code, _, errors = programs.upload(plain_glacier, path, f"--upload-id={output['upload-id']}")
    assert code == 1 and output["upload-id"] in errors
    assert error_of(client.list_parts, vaultName=VAULT, uploadId=output["upload-id"])[1] == 404


@pytest.mark.parametrize("size", [1, MIB - 1, MIB, MIB + 1, 2 * MIB, 3 * MIB, 7 * MIB + 5])
def test_tree_hash_equals_that_of_botocore(programs, tmp_path, size):
    whole = content(size)
    assert programs.tree_hash(file(tmp_path, whole)) == tree_hash(whole)


def file(tmp_path, whole):
    path = tmp_path / "archive"
    path.write_bytes(whole)
    return path
