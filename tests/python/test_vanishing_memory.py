"""Memory of a mapped file that is truncated while it is sent."""

from __future__ import annotations

import mmap
import os
from pathlib import Path

import pytest

from glacier_mp import GlacierError, Progress, Upload
from local import MIB, VAULT, Glacier, content

PART = "UploadMultipartPart"


def test_memory_that_vanishes_while_it_is_sent_is_final(glacier: Glacier, tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(content(8 * MIB))
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:

        def report(progress: Progress) -> None:
            # The part is hashed before it is sent. With the first limit, sending it takes 2 minutes.
            if progress.bytes_sent > 0 and path.stat().st_size > 4096:
                os.truncate(path, 4096)
                upload.set_bandwidth_limit(0)

        with (
            glacier.client(max_attempts=5) as client,
            Upload(client, VAULT, mapped, part_size=8 * MIB, progress=report) as upload,
        ):
            upload.set_bandwidth_limit(64 << 10)
            with pytest.raises(GlacierError, match="the memory of the part can no longer be read") as caught:
                upload.run()
            assert caught.value.name == "GLACIER_E_SOURCE_CHANGED"
    assert len(glacier.requests(PART)) <= 1
