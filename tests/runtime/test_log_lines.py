"""Log lines: the same event and fields for people and for programs."""

from __future__ import annotations

import ast
import json
import logging
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from merpati.runtime.log_lines import JsonLines, TextLines, fields_of

SOURCE = Path(__file__).parents[2] / "src" / "merpati"
LEVELS = {"debug", "info", "warning", "error", "exception"}


def record(template: str, *arguments: object, exc_info: Any = None) -> logging.LogRecord:
    it = logging.LogRecord("x", logging.WARNING, "f.py", 1, template, arguments, exc_info)
    it.created = 1_795_780_800.25
    return it


def text(template: str, *arguments: object) -> str:
    line = TextLines("deliver-0").format(record(template, *arguments))
    assert line.startswith("2026-11-27T12:00:00.250Z WARNING deliver-0 ")
    return line.removeprefix("2026-11-27T12:00:00.250Z WARNING deliver-0 ")


@pytest.mark.parametrize(
    ("template", "arguments", "line"),
    [
        ("stopped", (), "stopped"),
        ("answer_lost message=%s n=%d", ("00ab", 3), "answer_lost message=00ab n=3"),
        ("x reason=%s wait=%.1f", ("two words", 2.0), 'x reason="two words" wait=2.0'),
        ("x reason=%s", ('say "a=b"',), 'x reason="say \\"a=b\\""'),
        ("x reason=%s", ("",), 'x reason=""'),
        ("x part=50%% reason=%s", ("a b",), 'x part=50% reason="a b"'),
        ("%s, just so", ("words of\x1b[31m others",), "words of\\u001b[31m others, just so"),
        ("x reason=%s", ("one\ntwo",), 'x reason="one\\ntwo"'),
    ],
)
def test_values_end_where_they_seem_to(
    template: str, arguments: tuple[object, ...], line: str
) -> None:
    assert text(template, *arguments) == line


def test_json_has_the_fields_as_they_are() -> None:
    it = record("settle_failed shard=%d effect=delivery_pauses reason=%s", 3, "a disk\nis full")
    assert json.loads(JsonLines("clock").format(it)) == {
        "time": "2026-11-27T12:00:00.250Z",
        "level": "warning",
        "process": "clock",
        "event": "settle_failed",
        "shard": 3,
        "effect": "delivery_pauses",
        "reason": "a disk\nis full",
        "text": "settle_failed shard=3 effect=delivery_pauses reason=a disk\nis full",
    }


def test_what_has_no_template_is_text_alone() -> None:
    assert fields_of(record("%s says %s", "somebody", "hello")) == {}
    assert fields_of(record("a=%(a)s", {"a": 1})) == {}


def test_a_traceback_is_kept() -> None:
    try:
        raise ZeroDivisionError("no")
    except ZeroDivisionError:
        it = record("duty_failed", exc_info=sys.exc_info())
    assert TextLines("x").format(it).endswith("\nZeroDivisionError: no")
    line = JsonLines("x").format(it)
    assert "\n" not in line
    assert json.loads(line)["traceback"].endswith("ZeroDivisionError: no")


def templates() -> list[str]:
    """Return the template of each log call in the sources."""
    return [
        call.args[0].value
        for file in SOURCE.rglob("*.py")
        for call in ast.walk(ast.parse(file.read_text()))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr in LEVELS
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id == "log"
        and isinstance(call.args[0], ast.Constant)
    ]


def test_every_line_is_an_event_with_fields() -> None:
    """So that a program can read each, and `message=` is always the id that events show."""
    found = templates()
    assert len(found) > 40
    word = r"[a-z]\w*=(?:%[-\d.]*[a-z]|[\w.]+)"
    shape = re.compile(rf"[a-z][a-z0-9_%]*(?: {word})*")
    # What a settler could not read is told in the words of the file, which are fields already.
    assert [t for t in found if not shape.fullmatch(t.removesuffix(" %s"))] == []
    assert [t for t in found if "message=%d" in t] == []
