"""Every text the code asks for is there in Indonesian, compiled, and none is there in vain."""

from __future__ import annotations

import ast
import functools
import gettext
import io
import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import translation
from django.utils.translation.template import templatize

from merpati.desk.business_hours import due_at
from merpati.desk.hours_words import account_in_words
from scripts.catalogues import LOCALE, catalogue, compile_all, compiled, read
from tests.desk.calendars import ZONES, local

UK = ZONES["uk"]
SOURCES = LOCALE.parent
LANGUAGES = sorted(folder.name for folder in LOCALE.iterdir())
# As gettext is called, plain or lazy: how many of its first arguments are texts, and whether the
# first of them is a context.
CALLS = {"gettext": (1, False), "ngettext": (2, False), "pgettext": (2, True)}
CALLS |= {f"{name}_lazy": what for name, what in CALLS.items()}


@functools.cache
def asked_for() -> set[str]:
    """Return the texts of all calls of gettext in the code and the templates."""
    found = set()
    for file in SOURCES.rglob("*.py"):
        if "gettext" in (code := file.read_text()):
            found |= texts_of(code, str(file))
    for file in [*SOURCES.rglob("templates/**/*.html"), *SOURCES.rglob("templates/**/*.txt")]:
        calls = re.findall(CALL_IN_TEMPLATE, templatize(file.read_text(), origin=str(file)))
        found |= texts_of("\n".join(calls), str(file))
    return found


CALL_IN_TEMPLATE = re.compile(
    r"""\b(?:gettext|ngettext|pgettext)\((?:u?(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"), ?)*"""
    r"""(?:u?(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")|count)\)"""
)


def texts_of(code: str, origin: str) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(code)):
        name = getattr(node.func, "id", "") if isinstance(node, ast.Call) else ""
        if not isinstance(node, ast.Call) or "gettext" not in name:
            continue
        assert name in CALLS, f"{origin}:{node.lineno}: teach this test {name}"
        count, has_context = CALLS[name]
        texts = [arg.value for arg in node.args[:count] if isinstance(arg, ast.Constant)]
        assert len(texts) == count, f"{origin}:{node.lineno} is no fixed text"
        found.add(("\x04" if has_context else "\0").join(map(str, texts)))
    return found


def test_indonesian_is_the_one_language_of_catalogues() -> None:
    assert LANGUAGES == ["id"]
    assert len(asked_for()) > 5


def test_texts_of_templates_are_found() -> None:
    text = """{% load i18n %}{% translate "It's" %}{% blocktranslate count n=3 %}one {{ n }}
    {% plural %}many {{ n }}{% endblocktranslate %}{% translate "May" context "month" %}"""
    calls = re.findall(CALL_IN_TEMPLATE, templatize(text))
    assert texts_of("\n".join(calls), "here") == {
        "It's",
        "one %(n)s\n    \0many %(n)s",
        "month\x04May",
    }


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_catalogue_is_complete(language: str) -> None:
    messages = catalogue(LOCALE / language)
    assert messages.keys() - asked_for() == set()  # in vain
    assert asked_for() - messages.keys() == set()  # missing
    assert [message for message, text in messages.items() if not text] == []
    holes = re.compile(r"%\(\w+\)[sd]")
    wrong = [
        message
        for message, text in messages.items()
        if set(holes.findall(message)) != set(holes.findall(text))
    ]
    assert wrong == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_catalogue_is_compiled(language: str) -> None:
    messages = catalogue(LOCALE / language)
    written = (LOCALE / language / "LC_MESSAGES" / "django.mo").read_bytes()
    assert written == compiled(messages)
    understood = gettext.GNUTranslations(io.BytesIO(written))
    plain = {message: text for message, text in messages.items() if "\0" not in message}
    assert {message: understood.gettext(message) for message in plain} == plain
    for message in messages.keys() - plain.keys():
        singular, plural = message.split("\0")
        assert understood.ngettext(singular, plural, 2) == messages[message]


@pytest.mark.parametrize("text", ['msgid "a"\nmsgstr "b"\n\nmsgid "a"\nmsgstr "c"', "mgsid 'a'"])
def test_a_slip_in_a_catalogue_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="line"):
        read(text)


def test_strings_go_on_over_lines_and_contexts_tell_messages_apart() -> None:
    text = '# note\nmsgctxt "day"\nmsgid "a"\n"b\\n"\nmsgstr "c"\n\nmsgid "ab\\n"\nmsgstr "d"\n'
    assert read(text) == {"day\x04ab\n": "c", "ab\n": "d"}


def test_plural_forms_are_read() -> None:
    text = 'msgid "%(n)s case"\nmsgid_plural "%(n)s cases"\nmsgstr[0] "%(n)s kasus"\n'
    assert read(text) == {"%(n)s case\0%(n)s cases": "%(n)s kasus"}


def test_a_message_has_one_translation_in_all_catalogues(tmp_path: Path) -> None:
    for name, text in {"a.po": "Beranda", "b.po": "Beranda"}.items():
        (tmp_path / name).write_text(f'msgid "Home"\nmsgstr "{text}"\n')
    assert catalogue(tmp_path) == {"Home": "Beranda"}
    (tmp_path / "b.po").write_text('msgid "Home"\nmsgstr "Rumah"\n')
    with pytest.raises(ValueError, match=r"b\.po.*Home"):
        catalogue(tmp_path)


def test_an_account_is_told_in_indonesian() -> None:
    due = due_at(UK, local(UK, "2026-05-01T14:10"), timedelta(hours=3))
    with translation.override("id"):
        assert account_in_words(due.account, UK.zone) == (
            "Jum 14:10-16:30, tutup Sab, Min dan libur bank Sen (May Day), Sel 08:30-09:10"
        )


def test_catalogues_are_compiled_where_they_are_new_or_changed(tmp_path: Path) -> None:
    (tmp_path / "id").mkdir()
    room = tmp_path / "id" / "room.po"
    target = tmp_path / "id" / "LC_MESSAGES" / "django.mo"
    for text in ("Beranda", "Rumah"):
        room.write_text(f'msgid "Home"\nmsgstr "{text}"\n')
        assert compile_all(tmp_path) == [target]
        with target.open("rb") as file:
            assert gettext.GNUTranslations(file).gettext("Home") == text
        assert compile_all(tmp_path) == []
    assert list(target.parent.iterdir()) == [target]
