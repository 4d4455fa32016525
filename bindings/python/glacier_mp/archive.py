"""Archives: completed uploads."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Optional


@dataclass(frozen=True)
class Archive:
    """A completed upload.

    Attributes:
        archive_id (str): the archive ID. Retrieving and deleting the archive need it, and the service reports it again
            only in an inventory of the vault, so store it.
        location (str or None): the URI path of the archive.
        checksum (str or None): the tree hash of the archive, 64 hexadecimal digits.
    """

    archive_id: str
    location: Optional[str]
    checksum: Optional[str]


def add_archive(error: BaseException, archive: Archive) -> None:
    """Adds an archive that exists to an exception, as the attribute `archive` and as a note.

    The caller of a call that raises has no other reference to the archive, and the service reports the ID only in an
    inventory of the vault.
    """
    # Some classes allow no new attributes. Their exceptions must be raised unchanged, and not be replaced.
    with suppress(Exception):
        if getattr(error, "archive", None) == archive:
            return
        error.archive = archive  # type: ignore[attr-defined]
    # Python 3.11 and later.
    add_note = getattr(error, "add_note", None)
    if add_note is not None:
        with suppress(Exception):
            add_note(f"The upload is completed as archive {archive.archive_id}.")
