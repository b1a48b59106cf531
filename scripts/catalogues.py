"""Compiles the message catalogues, `django.po` to `django.mo`: `make messages`.

So that nobody needs GNU gettext to work on the texts. It reads what our catalogues use: msgctxt,
msgid, msgstr, strings over several lines, comments; no plural forms.

Source: GNU gettext manual, "The Format of GNU MO Files" and "The Format of PO Files".
"""

from __future__ import annotations

import ast
import re
import struct
import sys
from pathlib import Path

LOCALE = Path(__file__).parents[1] / "src" / "merpati" / "locale"

_LINE = re.compile(r'(?:(msgctxt|msgid|msgstr) )?(".*")')
_MAGIC = 0x950412DE
_CONTEXT = "\x04"  # between a message's context and itself


def read(text: str) -> dict[str, str]:
    """Return a catalogue's messages and translations. Raises ValueError, naming the line."""
    found: dict[str, str] = {}
    entry: dict[str, str] = {}
    part = ""
    for number, line in enumerate([*map(str.strip, text.splitlines()), ""], 1):
        if line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            if line:
                raise ValueError(f"line {number} is not understood: {line}")
            if entry:
                context = f"{entry['msgctxt']}{_CONTEXT}" if "msgctxt" in entry else ""
                message = context + entry["msgid"]
                if message in found:
                    raise ValueError(f"line {number}: twice: {message!r}")
                found[message] = entry["msgstr"]
            entry, part = {}, ""
            continue
        part = match[1] or part
        entry[part] = entry.get(part, "") + ast.literal_eval(match[2])
    return found


def compiled(messages: dict[str, str]) -> bytes:
    """Return a catalogue as gettext reads it: two tables of (length, offset), then the strings."""
    pairs = sorted((m.encode(), t.encode()) for m, t in messages.items() if t)
    originals, translations = [m for m, _ in pairs], [t for _, t in pairs]
    header = 7 * 4
    at = header + 16 * len(pairs)
    table, strings = b"", b""
    for text in originals + translations:
        table += struct.pack("<II", len(text), at + len(strings))
        strings += text + b"\0"
    count = len(pairs)
    head = struct.pack("<7I", _MAGIC, 0, count, header, header + 8 * count, 0, at)
    return head + table + strings


def main() -> int:
    """Compile every catalogue."""
    for source in LOCALE.rglob("*.po"):
        source.with_suffix(".mo").write_bytes(compiled(read(source.read_text())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
