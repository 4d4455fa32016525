"""Parts that need no service: tree hashes, plans, repr(), and documentation."""

from __future__ import annotations

import ast
import csv
import dataclasses
import hashlib
import inspect
import pydoc
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Union, get_origin

import pytest

import glacier_mp
from glacier_mp import Client, Config, TreeHash, Upload, UsageError, plan
from local import MIB, ROOT, VAULT, Glacier, content, settings

KNOWN = ROOT / "tests" / "data"
SMALLEST, GIB = 16 * MIB, 1 << 30
LARGEST = 10_000 * 4 * GIB


def generated(spec: str, size: int) -> bytes:
    """Returns the bytes for a generator of tests/data."""
    kind, _, argument = spec.partition(":")
    if kind == "zeros":
        return bytes(size)
    if kind == "byte":
        return bytes.fromhex(argument) * size
    if kind == "mod251":
        return (bytes(range(251)) * (size // 251 + 1))[:size]
    assert kind == "sha256ctr"
    blocks = (struct.pack("<QQ", int(argument), number) for number in range(-(-size // 32)))
    return b"".join(hashlib.sha256(block).digest() for block in blocks)[:size]


def known_tree_hashes() -> Iterator[tuple[bytes, str]]:
    with (KNOWN / "treehash.csv").open(newline="") as rows:
        for row in csv.DictReader(rows):
            size = int(row["size"])
            if size < 10 * MIB:
                yield generated(row["generator"], size), row["tree_sha256"]


def test_tree_hashes_equal_the_known_answers(tmp_path: Path) -> None:
    known = list(known_tree_hashes())
    assert len(known) > 10
    for number, (data, expected) in enumerate(known):
        whole, pieces = TreeHash(data), TreeHash()
        for start in range(0, len(data), 700_001):
            pieces.update(memoryview(data)[start : start + 700_001])
        path = tmp_path / str(number)
        path.write_bytes(data)
        digests = {whole.finish(), pieces.finish(), TreeHash.file(path), TreeHash.file(str(path), threads=1)}
        assert {digest.hex() for digest in digests} == {expected}


def test_finish_resets_the_tree_hash() -> None:
    tree_hash = TreeHash(b"first")
    assert tree_hash.finish() == hashlib.sha256(b"first").digest()
    tree_hash.update(b"second")
    assert tree_hash.finish() == hashlib.sha256(b"second").digest()


def test_hashes_large_buffers_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    data = content(2 * MIB + 3)
    expected = TreeHash(data).finish()
    monkeypatch.setattr("glacier_mp.treehash._PIECE_SIZE", 1_000_003)
    assert TreeHash(data).finish() == expected


@pytest.mark.parametrize(
    "wrong", [32, True, None, 1.5, [0] * 32, range(32), "zz" * 32, "00" * 31, bytes(31), bytes(33)]
)
def test_rejects_what_is_no_tree_hash(glacier: Glacier, wrong: Any) -> None:
    with pytest.raises(ValueError, match="64 hexadecimal digits or 32 bytes"):
        TreeHash.combine([wrong])
    with glacier.client() as client, Upload(client, VAULT, part_size=MIB) as upload:
        upload.initiate()
        if wrong is not None:
            with pytest.raises(ValueError, match="64 hexadecimal digits or 32 bytes"):
                upload.put_part(0, b"data", wrong)
        assert upload.list_parts() == []


def test_combines_tree_hashes_of_parts() -> None:
    data = content(5 * MIB + 7)
    parts = [TreeHash(data[start : start + 2 * MIB]).finish() for start in range(0, len(data), 2 * MIB)]
    assert TreeHash.combine(iter(parts)) == TreeHash(data).finish()
    kinds: Any = (bytearray, memoryview)
    for kind in kinds:
        assert TreeHash.combine(map(kind, parts)) == TreeHash(data).finish()
    with pytest.raises(UsageError):
        TreeHash.combine([])


@pytest.mark.parametrize(
    ("size", "part_size", "expected"),
    [
        (1, None, (SMALLEST, 1)),
        (SMALLEST * 10_000, None, (SMALLEST, 10_000)),
        (SMALLEST * 10_000 + 1, None, (2 * SMALLEST, 5_001)),
        (LARGEST, None, (4 * GIB, 10_000)),
        (10 * MIB + 1, MIB, (MIB, 11)),
    ],
)
def test_plans_have_part_size_and_count(size: int, part_size: int, expected: tuple[int, int]) -> None:
    made = plan(size, part_size)
    assert (made.part_size, made.part_count) == expected
    assert (made.size, made.request_count) == (size, made.part_count + 2)
    assert made.memory(1) <= made.memory(8) <= size
    assert str(made.part_size) in repr(made)


@pytest.mark.parametrize(("size", "part_size"), [(0, None), (LARGEST + 1, None), (MIB, MIB + 1), (10_001 * MIB, MIB)])
def test_rejects_invalid_plans(size: int, part_size: int) -> None:
    with pytest.raises(UsageError) as caught:
        plan(size, part_size)
    assert caught.value.name == "GLACIER_E_INVALID"


def test_repr_shows_no_secrets() -> None:
    config = Config(
        **settings("http://127.0.0.1:1", aws_secret_access_key="theSecretKey", aws_session_token="theToken"),
        concurrency=3,
    )
    client = Client(config)
    for shown in (config, client, Upload(client, VAULT)):
        assert "theSecretKey" not in repr(shown)
        assert "theToken" not in repr(shown)
    assert "concurrency=3" in repr(config)
    with pytest.raises(UsageError) as caught:
        Config(aws_access_key_id="AKIDEXAMPLE", aws_secret_access_key="aKey\n", aws_session_token="theToken")
    assert "aKey" not in str(caught.value)


def public_members() -> Iterator[tuple[str, object]]:
    for name in glacier_mp.__all__:
        member = getattr(glacier_mp, name)
        yield name, member
        if inspect.isclass(member):
            for own, value in vars(member).items():
                if not own.startswith("_") and (inspect.isroutine(value) or isinstance(value, property)):
                    yield f"{name}.{own}", value


def test_every_public_member_has_a_docstring() -> None:
    text = pydoc.plain(pydoc.render_doc(glacier_mp))
    for name, member in public_members():
        assert name.rpartition(".")[2] in text
        # A Union has no docstring. The docstring of the package describes it.
        assert inspect.getdoc(member) or get_origin(member) is Union, f"{name} has no docstring"
    # The introduction lists the public names, and its examples compile.
    introduction = inspect.getdoc(glacier_mp) or ""
    for name in (
        "Config",
        "Credentials",
        "Client",
        "Upload",
        "UploadStream",
        "TreeHash",
        "Plan",
        "plan()",
        "Progress",
        "GlacierError",
    ):
        assert name in introduction
    first, second = (block for block in introduction.split("\n\n") if block.startswith("    ") and "=" in block)
    for example in (first, second):
        compile(inspect.cleandoc("\n" + example), "example", "exec")


def test_readme_examples_compile() -> None:
    examples = re.findall(r"```python\n(.*?)```", (ROOT / "bindings/python/README.md").read_text(), re.DOTALL)
    assert len(examples) > 4
    for example in examples:
        code = compile(example, "README.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        for name in re.findall(r"\bupload\.(\w+)\(", example):
            assert callable(getattr(Upload, name))
        assert code.co_names


def test_docstrings_describe_every_parameter_and_field() -> None:
    for kind in (Config, Client, Upload, glacier_mp.Plan, TreeHash):
        for parameter in inspect.signature(kind).parameters:
            assert f" {parameter} (" in (inspect.getdoc(kind) or ""), f"{kind.__name__}: {parameter}"
    for record in (glacier_mp.Progress, glacier_mp.Archive, glacier_mp.Part, glacier_mp.UploadInfo):
        for field in dataclasses.fields(record):
            assert f" {field.name} (" in (inspect.getdoc(record) or ""), f"{record.__name__}: {field.name}"
    for name in glacier_mp.Credentials._fields:
        assert f" {name} (" in (inspect.getdoc(glacier_mp.Credentials) or ""), name
    for attribute in vars(glacier_mp.GlacierError("")):
        assert f" {attribute} (" in (inspect.getdoc(glacier_mp.GlacierError) or ""), attribute


def test_version_is_that_of_the_crate() -> None:
    manifest = (ROOT / "Cargo.toml").read_text()
    assert f'\nversion = "{glacier_mp.__version__}"\n' in manifest
