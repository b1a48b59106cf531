"""Every text the code asks for is there in Indonesian, compiled, and none is there in vain."""

from __future__ import annotations

import ast
import gettext
import io
import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import translation

from merpati.desk.business_hours import due_at
from merpati.desk.hours_words import account_in_words
from scripts.catalogues import LOCALE, compiled, read
from tests.desk.calendars import ZONES, local

UK = ZONES["uk"]
SOURCES = LOCALE.parent
CATALOGUES = sorted(LOCALE.rglob("*.po"))


def asked_for() -> set[str]:
    """Return the texts of all calls of gettext in the code."""
    found = set()
    for file in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and "gettext" in (name := getattr(node.func, "id", "")):
                assert name == "gettext", f"{file}:{node.lineno}: teach this test {name}"
                (text,) = node.args
                assert isinstance(text, ast.Constant), f"{file}:{node.lineno} is no fixed text"
                found.add(str(text.value))
    return found


def test_there_is_a_catalogue_of_indonesian() -> None:
    assert [file.relative_to(LOCALE) for file in CATALOGUES] == [Path("id/LC_MESSAGES/django.po")]
    assert len(asked_for()) > 5


@pytest.mark.parametrize("file", CATALOGUES, ids=lambda file: file.parts[-3])
def test_a_catalogue_is_complete(file: Path) -> None:
    messages = read(file.read_text())
    header = messages.pop("")
    assert "charset=UTF-8" in header
    assert messages.keys() == asked_for()
    assert [message for message, text in messages.items() if not text] == []
    holes = re.compile(r"%\(\w+\)[sd]")
    wrong = [
        message
        for message, text in messages.items()
        if sorted(holes.findall(message)) != sorted(holes.findall(text))
    ]
    assert wrong == []


@pytest.mark.parametrize("file", CATALOGUES, ids=lambda file: file.parts[-3])
def test_a_catalogue_is_compiled(file: Path) -> None:
    messages = read(file.read_text())
    written = file.with_suffix(".mo").read_bytes()
    assert written == compiled(messages), "run `make messages` and commit what it writes"
    understood = gettext.GNUTranslations(io.BytesIO(written))
    assert {message: understood.gettext(message) for message in messages} == messages


@pytest.mark.parametrize("text", ['msgid "a"\nmsgstr "b"\n\nmsgid "a"\nmsgstr "c"', "mgsid 'a'"])
def test_a_slip_in_a_catalogue_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="line"):
        read(text)


def test_strings_go_on_over_lines_and_contexts_tell_messages_apart() -> None:
    text = '# note\nmsgctxt "day"\nmsgid "a"\n"b\\n"\nmsgstr "c"\n\nmsgid "ab\\n"\nmsgstr "d"\n'
    assert read(text) == {"day\x04ab\n": "c", "ab\n": "d"}


def test_an_account_is_told_in_indonesian() -> None:
    due = due_at(UK, local(UK, "2026-05-01T14:10"), timedelta(hours=3))
    with translation.override("id"):
        assert account_in_words(due.account, UK.zone) == (
            "Jum 14:10-16:30, tutup Sab, Min dan libur bank Sen (May Day), Sel 08:30-09:10"
        )
