"""DescribeVault and ListVaults by boto3 and the AWS CLI. Many tools call them first."""

import boto3
import pytest
from botocore.config import Config

from local import KEY, REGION, VAULT, content, error_of

ARN = "arn:aws:glacier:us-east-1:111122223333:vaults/"
FACTS = {"CreationDate", "LastInventoryDate", "NumberOfArchives", "SizeInBytes", "VaultARN", "VaultName"}


def without_metadata(response):
    return {name: value for name, value in response.items() if name != "ResponseMetadata"}


def test_boto3_describes_a_vault(glacier):
    client = glacier.boto3()
    empty = without_metadata(client.describe_vault(vaultName=VAULT))
    assert set(empty) | {"LastInventoryDate"} == FACTS
    assert (empty["VaultARN"], empty["VaultName"]) == (ARN + VAULT, VAULT)
    assert (empty["NumberOfArchives"], empty["SizeInBytes"]) == (0, 0)
    client.upload_archive(vaultName=VAULT, body=content(1000))
    full = without_metadata(client.describe_vault(vaultName=VAULT))
    assert set(full) == FACTS
    assert (full["NumberOfArchives"], full["SizeInBytes"]) == (1, 1000)
    assert error_of(client.describe_vault, vaultName="other")[:2] == ("ResourceNotFoundException", 404)


def test_boto3_lists_several_pages_of_vaults(start):
    client = start("--storage", "hashes").boto3()
    names = {f"v{number}" for number in range(25)}
    for name in names:
        client.create_vault(vaultName=name)
    pages = list(client.get_paginator("list_vaults").paginate())
    assert [len(page["VaultList"]) for page in pages] == [10, 10, 6]
    listed = [vault["VaultName"] for page in pages for vault in page["VaultList"]]
    assert listed == sorted(names | {VAULT})


@pytest.mark.parametrize("limit", ["0", "51", "+5"])
def test_boto3_rejects_limit_out_of_range(plain_glacier, limit):
    assert error_of(plain_glacier.boto3().list_vaults, limit=limit)[:2] == ("InvalidParameterValueException", 400)


def test_boto3_resources_find_their_vault(plain_glacier):
    resource = boto3.session.Session().resource(
        "glacier", region_name=REGION, endpoint_url=plain_glacier.endpoint, config=Config(), **KEY
    )
    assert [vault.name for vault in resource.vaults.all()] == [VAULT]
    assert resource.Vault("-", VAULT).vault_arn == ARN + VAULT


def test_cli_describes_and_lists_vaults(plain_glacier):
    plain_glacier.aws("create-vault", vault="another")
    described = plain_glacier.aws("describe-vault")
    assert (described["VaultARN"], described["NumberOfArchives"]) == (ARN + VAULT, 0)
    listed = plain_glacier.aws("list-vaults", vault=None)["VaultList"]
    assert [vault["VaultName"] for vault in listed] == ["another", VAULT]
    missing = plain_glacier.aws("describe-vault", vault="other", check=False)
    assert missing.returncode != 0 and "ResourceNotFoundException" in missing.stderr
