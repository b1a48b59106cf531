"""A folder of mail that waits to be read: one file a mail, durable before it has its name.

As in a maildir, who brings and who takes need no lock between them, and a kill at any moment leaves
each mail whole or not there. Names sort by the moment at which the mail came.
"""

from __future__ import annotations

import secrets
from pathlib import Path

from merpati.adapters.codec import DecodeError, pack, unpacker
from merpati.adapters.file_store import write_durably
from merpati.contracts.desk_mail import DeskMail

FOLDER = "incoming"  # below the data folder
_SUFFIX = ".mail"
_BROKEN = ".broken"
_read = unpacker(DeskMail)


class MailDrop:
    """The mail that waits in one folder; any thread and any process may use it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, mail: DeskMail) -> str:
        """Keep a mail and return its name, once it is on disk. Raises OSError."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        name = f"{mail.received_at:015}-{secrets.token_hex(6)}"
        write_durably(self._path(name), pack(mail))
        return name

    def waiting(self) -> list[str]:
        """Return the names of what waits, the oldest first."""
        return sorted(path.stem for path in self._folder.glob(f"*{_SUFFIX}"))

    def read(self, name: str) -> DeskMail | None:
        """Return a mail; None when its file is damaged, which is then set aside. Raises OSError."""
        try:
            return _read.decode(self._path(name).read_bytes())
        except DecodeError:
            self._path(name).rename(self._folder / f"{name}{_BROKEN}")
            return None

    def remove(self, name: str) -> None:
        """Forget a mail that was taken."""
        self._path(name).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}{_SUFFIX}"
