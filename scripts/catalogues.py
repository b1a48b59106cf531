"""Compiles the message catalogues: joins a language's `*.po` into its `django.mo`.

One catalogue a room, `locale/id/desk.po`, so that people who work on different rooms never meet in
one file; what they compile to is built and never committed, for the same reason. Every target of
make, a run of the tests and the build of the package (hatchling's hook below) compile what is new.
Nobody needs GNU gettext to work on the texts: this reads what our catalogues use, which is
msgctxt, msgid, msgid_plural, msgstr, msgstr[N], strings over several lines, comments.

Source: GNU gettext manual, "The Format of GNU MO Files" and "The Format of PO Files".
"""

from __future__ import annotations

import ast
import re
import struct
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

LOCALE = Path(__file__).parents[1] / "src" / "merpati" / "locale"

_LINE = re.compile(r'(?:(msgctxt|msgid|msgid_plural|msgstr(?:\[[0-9]\])?) )?(".*")')
_MAGIC = 0x950412DE
_CONTEXT = "\x04"  # between a message's context and itself
_FORMS = "\0"  # between a message and its plural, and between the forms of a translation
_HEADER = {"": "Content-Type: text/plain; charset=UTF-8\nPlural-Forms: nplurals=1; plural=0;\n"}


def read(text: str) -> dict[str, str]:
    """Return a catalogue's messages and translations, as the compiled one has them.

    Raises ValueError, naming the line.
    """
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
                message, translation = _pair(entry)
                if message in found:
                    raise ValueError(f"line {number}: twice: {message!r}")
                found[message] = translation
            entry, part = {}, ""
            continue
        part = match[1] or part
        entry[part] = entry.get(part, "") + ast.literal_eval(match[2])
    return found


def catalogue(folder: Path) -> dict[str, str]:
    """Return all messages of a language's folder; two rooms may both have one, with one meaning.

    Raises ValueError for a message that two catalogues translate differently.
    """
    found: dict[str, str] = {}
    for file in sorted(folder.glob("*.po")):
        messages = read(file.read_text())
        for message in sorted(found.keys() & messages.keys()):
            if found[message] != messages[message]:
                raise ValueError(f"{file.name}: another catalogue says otherwise: {message!r}")
        found |= messages
    return found


def _pair(entry: dict[str, str]) -> tuple[str, str]:
    context = f"{entry['msgctxt']}{_CONTEXT}" if "msgctxt" in entry else ""
    plural = _FORMS + entry["msgid_plural"] if "msgid_plural" in entry else ""
    forms = [text for name, text in sorted(entry.items()) if name.startswith("msgstr")]
    return context + entry["msgid"] + plural, _FORMS.join(forms)


def compiled(messages: dict[str, str]) -> bytes:
    """Return a catalogue as gettext reads it: two tables of (length, offset), then the strings."""
    pairs = sorted((m.encode(), t.encode()) for m, t in (_HEADER | messages).items() if t)
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


def compile_all(locale: Path = LOCALE) -> list[Path]:
    """Compile the catalogues of every language; return the files that were not so already.

    A file is replaced whole: a process that starts meanwhile reads the old one or the new one.
    """
    written = []
    for folder in sorted(locale.iterdir()):
        target = folder / "LC_MESSAGES" / "django.mo"
        content = compiled(catalogue(folder))
        if not target.exists() or target.read_bytes() != content:
            target.parent.mkdir(exist_ok=True)
            new = target.with_suffix(".new")
            new.write_bytes(content)
            new.replace(target)
            written.append(target)
    return written


class Catalogues(BuildHookInterface[Any]):
    """Compiles them before a wheel is built, an editable one too, and packs them."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: D102
        compile_all()
        build_data["artifacts"].append("src/merpati/locale/*/LC_MESSAGES/django.mo")


def main() -> int:
    """Compile the catalogues of every language."""
    compile_all()
    return 0


if __name__ == "__main__":
    sys.exit(main())
