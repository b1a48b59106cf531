"""IANA time zones by name, and which edition of their rules this host has."""

from __future__ import annotations

import zoneinfo
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_EDITION = "tzdata.zi"  # its first line is "# version 2025b"
_FIRST_LINE_CHARACTERS = 200


@lru_cache(maxsize=2048)
def find_zone(name: str) -> ZoneInfo | None:
    """Return the zone of an IANA name such as Asia/Jakarta, None when there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # a folder such as "Asia" is an OSError
        return None


def rules_edition() -> str:
    """Return what changes when the zones' rules change; a process follows them when it starts."""
    for folder in map(Path, zoneinfo.TZPATH):
        try:
            with (folder / _EDITION).open(encoding="ascii", errors="replace") as file:
                return file.readline(_FIRST_LINE_CHARACTERS).strip("# \n")
        except OSError:
            pass
        if folder.is_dir():  # without the file: when packages last changed it
            return f"{folder} of {folder.stat().st_mtime_ns}"
    try:
        return f"package {metadata.version('tzdata')}"
    except metadata.PackageNotFoundError:
        return ""
