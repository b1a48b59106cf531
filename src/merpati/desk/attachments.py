"""Files of a case: taken with a message, within limits, and given back as downloads only.

They are kept as files below the data folder, by their digest; a row says to which entry of a case's
history each belongs. Nothing of them is ever shown inline from our origin: what a stranger made
must not run as ours.
"""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from django.conf import settings

from merpati.adapters.file_store import FOLDER, FileStore
from merpati.desk.case_errors import AttachmentNotFound, InvalidCase
from merpati.desk.models import Case, CaseAttachment, CaseUpdate

FILES = 20  # with one message
FILE_BYTES = 10 * 1024 * 1024
MESSAGE_BYTES = 15 * 1024 * 1024  # all files of one message
NAME_CHARACTERS = 150
_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,60}/[a-z0-9!#$&^_.+-]{1,100}")
_ANY = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file as it was given; type: as its sender calls it, or "" to go by the name."""

    name: str
    data: bytes
    type: str = ""


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A file that is on disk already, and not yet part of a case."""

    name: str
    type: str
    size_bytes: int
    digest: str


def kept(files: Sequence[NewFile]) -> list[KeptFile]:
    """Put files on disk, for an act to take them; nothing is kept when one is refused.

    Raises InvalidCase, which says which file and what the limit is.
    """
    if not files:
        return []
    if len(files) > FILES:
        raise InvalidCase(f"A message has at most {FILES} files; send more in another.", "files")
    if sum(len(file.data) for file in files) > MESSAGE_BYTES:
        raise InvalidCase(f"The files of a message have at most {_mb(MESSAGE_BYTES)}.", "files")
    for file in files:
        if not fits(file):
            raise InvalidCase(
                f"{clean_name(file.name)!r} has {_mb(len(file.data))}: a file has 1 byte to "
                f"{_mb(FILE_BYTES)}.",
                "files",
            )
    store = file_store()
    return [KeptFile(clean_name(f.name), _type(f), len(f.data), store.put(f.data)) for f in files]


def fits(file: NewFile) -> bool:
    """Return whether a file is neither empty nor too large."""
    return 0 < len(file.data) <= FILE_BYTES


def attach(update: CaseUpdate, files: Iterable[KeptFile]) -> None:
    """Make files part of an entry of a case's history, within the caller's transaction."""
    CaseAttachment.objects.bulk_create(
        CaseAttachment(
            case_id=update.case_id,
            update=update,
            name=file.name,
            type=file.type,
            size_bytes=file.size_bytes,
            digest=file.digest,
        )
        for file in files
    )


def attachment_of(case: Case, attachment_id: int, *, for_customer: bool) -> CaseAttachment:
    """Return a file of a case; for_customer: none of an internal note.

    Raises AttachmentNotFound.
    """
    found = CaseAttachment.objects.filter(case=case, pk=attachment_id)
    if for_customer:
        found = found.filter(update__is_internal=False)
    attachment = found.first()
    if attachment is None:
        raise AttachmentNotFound(case.pk, attachment_id)
    return attachment


def content(attachment: CaseAttachment) -> bytes:
    """Return what is in a file. Raises OSError."""
    return file_store().read(attachment.digest)


def download_headers(name: str) -> dict[str, str]:
    """Return the headers with which a file is given back, and never without them.

    The type is one that no browser shows: what the sender called it counts for nothing.
    Source: RFC 6266 appendix D (a plain and an encoded name), RFC 8187.
    """
    plain = name.encode("ascii", "replace").decode().replace("\\", "_").replace('"', "_")
    plain = plain.replace("?", "_").replace("%", "_")
    return {
        "Content-Type": _ANY,
        "Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name)}",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Cache-Control": "private, no-store",
    }


def clean_name(name: str) -> str:
    """Return a file's name without folders and control characters, its extension kept."""
    name = name.replace("\\", "/").rpartition("/")[2]
    # A name that runs from right to left can hide its extension.
    name = " ".join("".join(c if c.isprintable() else " " for c in name).split()).strip(". ")
    if not name:
        return "file"
    suffix = PurePosixPath(name).suffix[:20]
    return name if len(name) <= NAME_CHARACTERS else name[: NAME_CHARACTERS - len(suffix)] + suffix


def file_store() -> FileStore:
    """Return where the desk's files are."""
    folder: Path | None = settings.DATA_DIR
    assert folder is not None  # noqa: S101 - every process that takes files has one
    return FileStore(folder / FOLDER)


def _type(file: NewFile) -> str:
    given = file.type.partition(";")[0].strip().lower()
    return given if _TYPE.fullmatch(given) else mimetypes.guess_type(file.name)[0] or _ANY


def _mb(size_bytes: int) -> str:
    return f"{size_bytes / (1024 * 1024):.3g} MB"
