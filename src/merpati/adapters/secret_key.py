"""The instance's secret key file: made once, readable by its owner alone, never logged.

One URL-safe base64 key of 32 bytes a line, newest first: all of them open what was sealed, the
first one seals (`crypto.SecretBox`). Apart from `crypto.py`, so that setting up Django does not
load the cryptography library.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
from pathlib import Path


def ensure_secret_key(path: Path) -> list[bytes]:
    """Return the keys in the file, newest first; make the file with one new key when it is absent.

    Of several processes that start at once, all return the key of the one that was first.
    Raises OSError when it can be neither read nor made, ValueError when it holds no key.
    """
    if not path.exists():
        _make(path)
    keys = [line.strip() for line in path.read_bytes().splitlines() if line.strip()]
    if not keys or any(len(base64.urlsafe_b64decode(key)) != 32 for key in keys):
        raise ValueError(f"{path} is not a secret key file: restore it from your backup")
    return keys


def _make(path: Path) -> None:
    # Complete and durable under another name first; link(2), unlike rename, never replaces.
    mine = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    handle = os.open(mine, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(base64.urlsafe_b64encode(secrets.token_bytes(32)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            path.hardlink_to(mine)
        except FileExistsError:
            return
    finally:
        mine.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def derive(keys: list[bytes], label: str) -> bytes:
    """Return 32 bytes for one purpose, the same for the same label as long as the file lives.

    From the *oldest* key, which rotation keeps: addresses and links signed with it are out in the
    world and must still be read.
    """
    return hmac.digest(keys[-1], label.encode(), hashlib.sha256)
