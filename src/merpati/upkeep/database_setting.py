"""`database.url` in the text of `merpati.toml`: set, or taken out, and all else left as it is."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path

from merpati.adapters.codec import json_text
from merpati.upkeep.errors import SettingNotChanged

_SECTION = re.compile(r"\s*\[\s*database\s*\]\s*(#.*)?")
_ANY_SECTION = re.compile(r"\s*\[")
_KEY = re.compile(r"\s*(url|url_file)\s*=")


def set_database(path: Path, url: str) -> None:
    """Name the database in a settings file, made if need be; "": the data folder's own file.

    What named one before stays as a comment. The file is replaced whole, mode 0600. Raises
    SettingNotChanged where the file is written in a way that needs a person, OSError.
    """
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    changed = with_database(text, url)
    if tomllib.loads(changed).get("database", {}) != ({"url": url} if url else {}):
        raise SettingNotChanged(f"{path} names the database in its own way: change it by hand")
    if changed == text:
        return
    fresh = path.with_name(path.name + ".new")
    with fresh.open("w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(changed)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def with_database(text: str, url: str) -> str:
    """Return settings with another database.url. Pure."""
    wanted = [f"url = {json_text(url)}"] if url else []
    lines: list[str] = []
    inside = is_there = False
    for line in text.splitlines():
        if _SECTION.fullmatch(line):
            inside = is_there = True
            lines += [line, *wanted]
            continue
        if _ANY_SECTION.match(line):
            inside = False
        lines.append(f"# {line}" if inside and _KEY.match(line) else line)
    if wanted and not is_there:
        lines += [*([""] if lines else []), "[database]", *wanted]
    return "".join(f"{line}\n" for line in lines)
