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


def set_archive(error: BaseException, archive: Optional[Archive]) -> None:
    """Adds the archive of a call to its exception, as the attribute `archive` and as a note.

    The caller of a call that raises has no other reference to the archive, and the service reports the ID only in an
    inventory of the vault.

    Several uploads may raise the same exception: one object that callbacks share, or the exception of an upload that
    runs in a source of another one. None removes the attribute, which is then of another upload. A note of another
    upload remains.
    """
    # Some classes allow no new attributes. Their exceptions must be raised unchanged, and not be replaced.
    with suppress(Exception):
        if archive is not None:
            error.archive = archive  # type: ignore[attr-defined]
        elif isinstance(getattr(error, "archive", None), Archive):
            del error.archive  # type: ignore[attr-defined]
    # Python 3.11 and later.
    add_note = getattr(error, "add_note", None)
    if archive is not None and add_note is not None:
        note = f"The upload is completed as archive {archive.archive_id}."
        with suppress(Exception):
            if note not in getattr(error, "__notes__", ()):
                add_note(note)
