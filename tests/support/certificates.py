"""Certificates for servers of the tests: an authority made once, and what it issues."""

from __future__ import annotations

import functools
import ssl
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from merpati.runtime import tls


@functools.cache
def _folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="merpati-tls-"))


def authority() -> str:
    """Return the PEM file of the authority that issues all certificates here."""
    tls._ensure_authority(_folder(), datetime.now(UTC))
    return str(_folder() / "ca.pem")


@functools.cache
def certificate(*names: str) -> tls.Certificate:
    """Return the files of a certificate for these host names or addresses alone."""
    now = datetime.now(UTC)
    issuer, key = tls._ensure_authority(_folder(), now)
    stem = "_".join(names)
    made = tls.Certificate(_folder() / f"{stem}.pem", _folder() / f"{stem}.key")
    tls._issue(made, issuer, key, [tls._general_name(name) for name in names], now)
    return made


def server_tls(*names: str) -> ssl.SSLContext:
    """Return a server's context with a certificate for host names or addresses."""
    return certificate(*names).context()
