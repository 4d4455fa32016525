"""The paginators of botocore."""

import pytest

from local import MIB, VAULT, Upload, content, error_of


@pytest.fixture
def client(start):
    return start("--storage", "hashes").boto3()


def test_paginates_parts(client):
    upload = Upload(client, content(5))
    for index in reversed(range(101)):
        upload.put(index, body=b"abc")
    pages = list(client.get_paginator("list_parts").paginate(vaultName=VAULT, uploadId=upload.id))
    assert [len(page["Parts"]) for page in pages] == [50, 50, 1]
    ranges = [part["RangeInBytes"] for page in pages for part in page["Parts"]]
    assert ranges == [f"{index * MIB}-{index * MIB + 2}" for index in range(101)]
    assert {page["MultipartUploadId"] for page in pages} == {upload.id}
    assert pages[0]["VaultARN"] == f"arn:aws:glacier:us-east-1:111122223333:vaults/{VAULT}"
    # CreationDate is a string in the API model.
    assert pages[0]["CreationDate"].endswith("Z")


def test_paginates_uploads(client):
    ids = sorted(Upload(client, b"x", archiveDescription=f"n{n}").id for n in range(103))
    whole = client.get_paginator("list_multipart_uploads").paginate(vaultName=VAULT).build_full_result()
    assert sorted(upload["MultipartUploadId"] for upload in whole["UploadsList"]) == ids
    assert {upload["ArchiveDescription"] for upload in whole["UploadsList"]} == {f"n{n}" for n in range(103)}


@pytest.mark.parametrize("size, pages", [(50, [50, 1]), (25, [25, 25, 1]), (17, [17, 17, 17])])
def test_paginates_with_page_size(client, size, pages):
    for _ in range(51):
        Upload(client, b"x")
    config = {"PageSize": size}
    listed = client.get_paginator("list_multipart_uploads").paginate(vaultName=VAULT, PaginationConfig=config)
    assert [len(page["UploadsList"]) for page in listed] == pages


def test_continues_from_a_starting_token(client):
    ids = {Upload(client, b"x").id for _ in range(7)}
    paginator = client.get_paginator("list_multipart_uploads")
    config = {"MaxItems": 4, "PageSize": 2}
    first = paginator.paginate(vaultName=VAULT, PaginationConfig=config).build_full_result()
    config = {"StartingToken": first["NextToken"]}
    rest = paginator.paginate(vaultName=VAULT, PaginationConfig=config).build_full_result()
    listed = [upload["MultipartUploadId"] for page in (first, rest) for upload in page["UploadsList"]]
    assert len(listed) == 7 and set(listed) == ids


def test_empty_lists(client):
    assert client.list_multipart_uploads(vaultName=VAULT)["UploadsList"] == []
    upload = Upload(client, b"x")
    document = upload.list_parts()
    assert (document["Parts"], document.get("Marker"), document.get("ArchiveDescription")) == ([], None, None)


def test_rejects_limit_zero(client):
    assert error_of(client.list_multipart_uploads, vaultName=VAULT, limit="0")[:2] == (
        "InvalidParameterValueException",
        400,
    )
