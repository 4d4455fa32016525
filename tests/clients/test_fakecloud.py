"""The library against a Glacier that is not ours: FakeCloud's, with its own signatures, hashes and pages."""

import pytest

import glacier_mp
from local import KEY, MIB, VAULT, Upload, content, tree_hash


@pytest.fixture
def client(fakecloud):
    with glacier_mp.Client(glacier_mp.Config(**settings(fakecloud))) as client:
        yield client


def settings(server):
    return {"region_name": "us-east-1", "endpoint_url": server.endpoint, "max_attempts": 1, **KEY}


def archive(server, archive_id):
    """The bytes of an archive, by way of a retrieval job, which is done at once there."""
    client = server.boto3()
    wanted = {"Type": "archive-retrieval", "ArchiveId": archive_id}
    job = client.initiate_job(vaultName=VAULT, jobParameters=wanted)
    return client.get_job_output(vaultName=VAULT, jobId=job["jobId"])["body"].read()


def test_all_at_once(fakecloud, client):
    whole = content(5 * MIB + 17)
    done = client.upload(VAULT, whole, archive_description="from 1950  to now", part_size=MIB)
    assert done.checksum == tree_hash(whole)
    assert archive(fakecloud, done.archive_id) == whole


def test_each_operation_by_hand(fakecloud, client):
    whole = content(3 * MIB + 5)
    with glacier_mp.Upload(client, VAULT, archive_description="by hand", part_size=MIB) as upload:
        upload.initiate()
        listed = client.list_uploads(VAULT)
        assert [(u.upload_id, u.archive_description, u.part_size) for u in listed] == [
            (upload.upload_id, "by hand", MIB)
        ]
        for index in (3, 0, 2, 1):
            upload.put_part(index, whole[index * MIB : (index + 1) * MIB])
        upload.put_part(1, whole[MIB : 2 * MIB])
        parts = upload.list_parts()
        assert [part.offset for part in parts] == [0, MIB, 2 * MIB, 3 * MIB]
        assert parts[3].checksum == tree_hash(whole[3 * MIB :])
        done = upload.complete()
    assert archive(fakecloud, done.archive_id) == whole
    assert client.list_uploads(VAULT) == []


def test_abort(client):
    with glacier_mp.Upload(client, VAULT, part_size=MIB) as upload:
        upload.initiate()
        upload.put_part(0, b"abc")
        upload.abort()
    assert client.list_uploads(VAULT) == []
    with pytest.raises(glacier_mp.ServiceError) as raised:
        client.upload(VAULT, b"abc", upload_id=upload.upload_id)
    assert (raised.value.http_status, raised.value.resumable) == (404, False)


def test_carrying_on_what_boto3_began(fakecloud, programs, tmp_path):
    whole = content(4 * MIB + 1)
    upload = Upload(fakecloud.boto3(), whole)
    upload.put(2)
    upload.put(1, body=b"\1" * MIB)
    (tmp_path / "archive").write_bytes(whole)
    code, said, errors = programs.upload(fakecloud, tmp_path / "archive", f"--upload-id={upload.id}")
    assert code == 0, errors
    assert (said["tree-hash"], archive(fakecloud, said["archive-id"])) == (tree_hash(whole), whole)


def test_lists_past_their_pages(fakecloud, client):
    part = bytes(MIB)
    with glacier_mp.Upload(client, VAULT, part_size=MIB) as upload:
        upload.initiate()
        for index in range(53):
            upload.put_part(index, part)
        assert [part.offset for part in upload.list_parts()] == [index * MIB for index in range(53)]
    other = fakecloud.boto3()
    for _ in range(101):
        other.initiate_multipart_upload(vaultName=VAULT, partSize=str(MIB))
    assert len({upload.upload_id for upload in client.list_uploads(VAULT)}) == 102


def test_a_wrong_secret(fakecloud):
    wrong = {**settings(fakecloud), "aws_secret_access_key": "another-secret"}
    with glacier_mp.Client(glacier_mp.Config(**wrong)) as client, pytest.raises(glacier_mp.ServiceError) as raised:
        client.list_uploads(VAULT)
    assert raised.value.http_status == 403
    assert "another-secret" not in str(raised.value)
