"""IANA time zones by name, in which country they are, and which edition of all that there is."""

from __future__ import annotations

import zoneinfo
from functools import cache, lru_cache
from importlib import metadata, resources
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_COUNTRIES = "zone.tab"  # country, coordinates, zone, comment
_EDITION = "tzdata.zi"  # its first line is "# version 2025b"
_FIRST_LINE_CHARACTERS = 200


@lru_cache(maxsize=2048)
def find_zone(name: str) -> ZoneInfo | None:
    """Return the zone of an IANA name such as Asia/Jakarta, None when there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # a folder such as "Asia" is an OSError
        return None


def country_of(name: str) -> str:
    """Return the country a zone is named for, "ID" for Asia/Jakarta; "" for UTC and old names."""
    return _countries().get(name, "")


@cache
def _countries() -> dict[str, str]:
    for folder in (*map(Path, zoneinfo.TZPATH), resources.files("tzdata.zoneinfo")):
        try:
            text = (folder / _COUNTRIES).read_text(encoding="utf-8")
        except OSError:
            continue
        lines = (line.split("\t") for line in text.splitlines() if not line.startswith("#"))
        return {cells[2]: cells[0] for cells in lines}
    return {}


def rules_edition() -> str:
    """Return what changes when the zones' rules or the lists of holidays change.

    A process follows them when it starts.
    """
    return f"{_zones_edition()}, holidays {metadata.version('holidays')}"


def _zones_edition() -> str:
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
