"""The login at somebody else's relay, as the commands for routes and old providers ask for it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from merpati.runtime.paths import DataFolder

if TYPE_CHECKING:
    from merpati.sending.routes import Login


def login_of(user: str | None, password_file: Path | None, folder: DataFolder) -> Login | None:
    """Return the login with its password sealed, None without a user. Django must be set up.

    Raises InvalidValue.
    """
    from merpati.sending.errors import InvalidValue  # noqa: PLC0415 - needs Django set up
    from merpati.sending.routes import checked_login  # noqa: PLC0415

    if user is None:
        if password_file is not None:
            raise InvalidValue("a password needs a user: --user U", "user")
        return None
    from merpati.adapters.crypto import SecretBox  # noqa: PLC0415 - loads cryptography

    return checked_login(user, _password(user, password_file), SecretBox(folder.secret_key))


def _password(user: str, file: Path | None) -> str:
    """Return the password, never from the command line, where other users could read it."""
    if file is not None:
        return file.read_text(encoding="utf-8").partition("\n")[0].rstrip("\r")
    if not sys.stdin.isatty():
        raise click.UsageError("--user needs --password-file where nobody can be asked")
    return str(click.prompt(f"Password of {user}", hide_input=True, err=True))
