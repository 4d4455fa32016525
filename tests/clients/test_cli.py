"""The AWS CLI (`aws glacier`) against the local Glacier."""

from local import MIB, VAULT, content, tree_hash


def initiate(glacier, *options):
    return glacier.aws("initiate-multipart-upload", f"--part-size={MIB}", *options)["uploadId"]


def initiate_with_hyphen(glacier):
    """Initiates uploads until an ID starts with a hyphen, like an option."""
    client = glacier.boto3()
    ids = (client.initiate_multipart_upload(vaultName=VAULT, partSize=str(MIB))["uploadId"] for _ in range(30))
    return next(upload_id for upload_id in ids if upload_id.startswith("-"))


def put(glacier, file, upload_id, first, body, *options, **named):
    file.write_bytes(body)
    part_range = f"--range=bytes {first}-{first + len(body) - 1}/*"
    upload = (f"--upload-id={upload_id}", f"--body={file}")
    return glacier.aws("upload-multipart-part", *upload, part_range, *options, **named)


def test_cli_uploads_an_archive(glacier, tmp_path):
    whole = content(2 * MIB + 17)
    upload_id = initiate(glacier, "--archive-description=by the command line")
    upload = f"--upload-id={upload_id}"
    for index in (2, 0, 1):
        part = whole[index * MIB : (index + 1) * MIB]
        assert put(glacier, tmp_path / "part", upload_id, index * MIB, part)["checksum"] == tree_hash(part)
    # By default the CLI paginates and drops all fields except the parts.
    parts = glacier.aws("list-parts", upload, "--no-paginate")
    assert [part["RangeInBytes"] for part in parts["Parts"]] == ["0-1048575", "1048576-2097151", "2097152-2097168"]
    assert (parts["ArchiveDescription"], parts["PartSizeInBytes"]) == ("by the command line", MIB)
    listed = glacier.aws("list-multipart-uploads")["UploadsList"]
    assert [upload["MultipartUploadId"] for upload in listed] == [upload_id]
    size, checksum = f"--archive-size={len(whole)}", f"--checksum={tree_hash(whole)}"
    done = glacier.aws("complete-multipart-upload", upload, size, checksum)
    assert done["checksum"] == tree_hash(whole)
    assert glacier.archive(done["archiveId"]) == whole
    assert glacier.aws("list-multipart-uploads")["UploadsList"] == []


def test_accepts_upload_ids_that_start_with_a_hyphen(plain_glacier, tmp_path):
    upload_id = initiate_with_hyphen(plain_glacier)
    put(plain_glacier, tmp_path / "part", upload_id, 0, b"abc")
    assert len(plain_glacier.aws("list-parts", f"--upload-id={upload_id}")["Parts"]) == 1
    # Without the equals sign the CLI takes the ID for an option.
    assert plain_glacier.aws("list-parts", "--upload-id", upload_id, check=False).returncode != 0
    plain_glacier.aws("abort-multipart-upload", f"--upload-id={upload_id}")
    gone = plain_glacier.aws("list-parts", f"--upload-id={upload_id}", check=False)
    assert gone.returncode != 0 and "ResourceNotFoundException" in gone.stderr


def test_cli_lists_several_pages(start):
    glacier = start("--page-max", "20")
    client = glacier.boto3()
    started = [client.initiate_multipart_upload(vaultName=VAULT, partSize=str(MIB)) for _ in range(51)]
    listed = glacier.aws("list-multipart-uploads")["UploadsList"]
    assert sorted(u["MultipartUploadId"] for u in listed) == sorted(u["uploadId"] for u in started)
    few = glacier.aws("list-multipart-uploads", "--max-items=30")
    rest = glacier.aws("list-multipart-uploads", f"--starting-token={few['NextToken']}")
    assert len(few["UploadsList"]) + len(rest["UploadsList"]) == 51


def test_cli_reports_service_errors(plain_glacier, tmp_path):
    def refused(done, code):
        assert done.returncode not in (0, 252), done
        assert code in done.stderr, done.stderr

    bad_size = plain_glacier.aws("initiate-multipart-upload", "--part-size=10485760", check=False)
    refused(bad_size, "InvalidParameterValueException")
    upload_id = initiate(plain_glacier)
    part = (plain_glacier, tmp_path / "part", upload_id)
    refused(put(*part, 1, b"abc", check=False), "InvalidParameterValueException")
    refused(put(*part, 0, b"abc", f"--checksum={tree_hash(b'abd')}", check=False), "Checksum mismatch")
    put(*part, 0, b"abc")
    complete = ("complete-multipart-upload", f"--upload-id={upload_id}")
    right = ("--archive-size=3", f"--checksum={tree_hash(b'abc')}")
    refused(plain_glacier.aws(*complete, "--archive-size=4", right[1], check=False), "InvalidParameterValueException")
    refused(plain_glacier.aws(*complete, right[0], check=False), "MissingParameterValueException")
    assert plain_glacier.aws(*complete, *right) == plain_glacier.aws(*complete, *right)
    refused(
        plain_glacier.aws("abort-multipart-upload", f"--upload-id={upload_id}", check=False),
        "ResourceNotFoundException",
    )
