"""Log records as lines: `key=value` for people, or JSON for whatever gathers them.

The calls are the standard library's, `log.warning("answer_lost message=%s remote=%s", …)`; event
and fields are read from that template, so both forms say the same, and a line that is not written
costs nothing. (structlog would do as much, and want every call written anew.) No line holds a raw
control character: texts quote other hosts.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

_PLACE = re.compile(r"(?:(?P<key>\w+)=)?%(?P<how>[-#0 +]*\d*(?:\.\d+)?[a-zA-Z])|%%")
_CONSTANT = re.compile(r"(\w+)=([^\s%]+)(?=\s|$)")
_EVENT = re.compile(r"([a-z][a-z0-9_]*)(?=\s|$)")
_UNQUOTED = re.compile(r"[^\s\"'=]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class TextLines(logging.Formatter):
    """`2026-11-22T12:00:00.123Z INFO deliver-0 answer_lost message=00… remote="mx [192.0.2.1]"`."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, and below it the traceback if there is one."""
        text = _CONTROL.sub(_escaped, _text(record))
        line = f"{_moment(record)} {record.levelname} {self._process} {text}"
        trace = _trace(self, record)
        return f"{line}\n{trace}" if trace else line


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, process, text, and the fields of the text."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; a traceback is a field."""
        document = fields_of(record) | {
            "time": _moment(record),
            "level": record.levelname.lower(),
            "process": self._process,
            "text": record.getMessage(),
        }
        if trace := _trace(self, record):
            document["traceback"] = trace
        return json.dumps(document, ensure_ascii=False)


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """Return what a record's template names: `event`, where it begins with one, and its fields."""
    template = str(record.msg)
    found: dict[str, Any] = {}
    if event := _EVENT.match(template):
        found["event"] = event[1]
    found |= dict(_CONSTANT.findall(template))
    for place, value in _places(record):
        if place["key"]:
            found[place["key"]] = value if isinstance(value, int | float) else str(value)
    return found


def _places(record: logging.LogRecord) -> Iterator[tuple[re.Match[str], Any]]:
    """Yield each place of a template with the argument that belongs there."""
    places = [place for place in _PLACE.finditer(str(record.msg)) if place["how"]]
    if isinstance(record.args, tuple) and len(record.args) == len(places):
        yield from zip(places, record.args, strict=True)


def _text(record: logging.LogRecord) -> str:
    """Return a record's text, the values of its fields quoted where they would not end."""
    quoted = {
        place.start(): f"{place['key']}={_quoted(str(value))}"
        for place, value in _places(record)
        if place["key"] and place["how"] == "s"
    }
    if not quoted:
        return record.getMessage()
    template = str(record.msg)
    rest = [value for place, value in _places(record) if place.start() not in quoted]

    def filled(place: re.Match[str]) -> str:
        if place.start() in quoted:
            return quoted[place.start()]
        return place[0] % (rest.pop(0),) if place["how"] else "%"

    return _PLACE.sub(filled, template)


def _quoted(text: str) -> str:
    return text if _UNQUOTED.fullmatch(text) else json.dumps(text, ensure_ascii=False)


def _escaped(char: re.Match[str]) -> str:
    return f"\\u{ord(char[0]):04x}"


def _moment(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _trace(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    return formatter.formatException(record.exc_info) if record.exc_info else ""
