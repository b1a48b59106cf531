"""Who gives a command, and when: for the audit trail."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime


def actor() -> str:
    """Return how the audit trail names the person at the keyboard: "cli:root"."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):  # a container may run as a number nobody named
        return "cli:unknown"


def now() -> datetime:
    """Return the moment of the command."""
    return datetime.now(UTC)
