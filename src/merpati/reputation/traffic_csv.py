"""Traffic read from a CSV file: a line for each stream and provider. Pure; the caller opens files.

    stream,provider,messages_per_day,target_per_day,starts_on,engaged_7d,engaged_30d,…
    receipts,gmail.com,40000,50000,2026-12-07,30,55,70,80

The first three columns are needed. A provider is named by its id ("google"), by a recipient domain
that is known to be there ("gmail.com"), by the domain of MX hosts that nobody knows, or "other".
engaged_…: per cent of the recipients who opened or clicked within so many days, all four or none.
mon to sun: messages on such a weekday, all seven or none; `messages_per_day` is a busy day's.
A byte order mark, semicolons and tabs are what spreadsheets write, and are read as such.

Every mistake is told at once, with its line and field, in `csv_problems.toml`'s words.
"""

from __future__ import annotations

import csv
import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from datetime import date
from enum import Enum

from merpati.providers.directory import Directory
from merpati.reputation.migration_plan import OTHER, Engaged, Flow, Traffic
from merpati.reputation.words import Language, in_digits, say

MOST_BYTES = 1_000_000  # the caller needs to read no more than one byte above it
MOST_LINES = 500  # six pools at every provider that a plan would name
MOST_PER_DAY = 100_000_000  # above it is a slip of the hand
PROBLEMS_SHOWN = 20
NEEDED = ("stream", "provider", "messages_per_day")
ENGAGED = ("engaged_7d", "engaged_30d", "engaged_60d", "engaged_90d")
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
COLUMNS = (*NEEDED, "target_per_day", "starts_on", *ENGAGED, *WEEKDAYS)
_WORDS = "csv_problems.toml"
_MARK = b"\xef\xbb\xbf"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_STREAM = re.compile(r"[a-z0-9][a-z0-9_-]{0,99}")
_DOMAIN = re.compile(r"(?=.{4,253}\Z)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}")


class ProblemKind(Enum):
    """What can be wrong with a file."""

    EMPTY = "empty"
    TOO_LARGE = "too_large"  # most
    TOO_MANY_LINES = "too_many_lines"  # most
    NOT_UTF8 = "not_utf8"  # byte
    UTF_16 = "utf_16"
    NOT_CSV = "not_csv"
    NO_HEADER = "no_header"  # found
    COLUMN_MISSING = "column_missing"
    COLUMN_UNKNOWN = "column_unknown"  # columns
    COLUMN_TWICE = "column_twice"
    CELLS = "cells"  # found, wanted
    MISSING = "missing"
    STREAM = "stream"  # found
    PROVIDER_UNKNOWN = "provider_unknown"  # found
    PROVIDER_UNKNOWN_LIKE = "provider_unknown_like"  # found, like
    PROVIDER_TWICE = "provider_twice"  # stream, provider, first
    NOT_A_NUMBER = "not_a_number"  # found
    NEGATIVE = "negative"  # found
    ZERO = "zero"
    ENORMOUS = "enormous"  # found, most
    TARGET_BELOW = "target_below"  # target, now
    NOT_A_DATE = "not_a_date"  # found
    PAST = "past"  # found, today
    TOO_MUCH = "too_much"  # target, most
    STARTS_DIFFER = "starts_differ"  # stream, first
    NOT_A_PERCENTAGE = "not_a_percentage"  # found
    ENGAGED_FALLS = "engaged_falls"
    ENGAGED_PARTLY = "engaged_partly"
    WEEKDAYS_PARTLY = "weekdays_partly"
    WEEKDAY_ABOVE = "weekday_above"  # found, most
    WEEKDAYS_EMPTY = "weekdays_empty"


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake. line: of the file, from 1, 0 for all of it; field: the column, "" for a line."""

    line: int
    field: str
    kind: ProblemKind
    facts: Mapping[str, int | str] = dataclass_field(default_factory=dict)

    def in_words(self, language: Language) -> str:
        """Return where it is, what is wrong and what to do."""
        line = {"en": "line", "id": "baris"}[language] + f" {in_digits(self.line, language)}"
        where = ", ".join(part for part in (line if self.line else "", self.field) if part)
        return f"{where}: {say(_WORDS, self.kind.value, self.facts, language)}"


class InvalidTraffic(ValueError):
    """A file says what cannot be planned with; `problems` has the first of its mistakes."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(problem.in_words("en") for problem in problems))
        self.problems = problems


class _Wrong(Exception):
    """A cell that cannot be used."""

    def __init__(self, column: str, kind: ProblemKind, **facts: int | str) -> None:
        self.column, self.kind, self.facts = column, kind, facts


def read_traffic(data: bytes, providers: Directory, today: date) -> Traffic:
    """Return the traffic a file tells of. Raises InvalidTraffic."""
    text = _text(data)
    problems: list[Problem] = []
    flows: list[Flow] = []
    seen: dict[tuple[str, str], int] = {}
    starts: dict[str, tuple[date | None, int]] = {}
    for line, cells in _lines(text):
        if len(problems) >= PROBLEMS_SHOWN:
            break
        try:
            flow = _flow(cells, providers, today)
            first = seen.setdefault((flow.stream, flow.provider), line)
            if first != line:
                raise _Wrong(
                    "provider", ProblemKind.PROVIDER_TWICE,
                    stream=flow.stream, provider=flow.provider, first=first,
                )  # fmt: skip
            starts_on, first = starts.setdefault(flow.stream, (flow.starts_on, line))
            if starts_on != flow.starts_on:
                raise _Wrong(
                    "starts_on", ProblemKind.STARTS_DIFFER, stream=flow.stream, first=first
                )
            flows.append(flow)
        except _Wrong as wrong:
            problems.append(Problem(line, wrong.column, wrong.kind, wrong.facts))
    if problems:
        raise InvalidTraffic(problems)
    if not flows:
        raise _refusal(1, ProblemKind.EMPTY)
    return Traffic(tuple(flows))


def _refusal(line: int, kind: ProblemKind, column: str = "", **facts: int | str) -> InvalidTraffic:
    return InvalidTraffic([Problem(line, column, kind, facts)])


def _text(data: bytes) -> str:
    if len(data) > MOST_BYTES:
        raise _refusal(1, ProblemKind.TOO_LARGE, most=MOST_BYTES)
    if data.startswith(_UTF_16):
        raise _refusal(1, ProblemKind.UTF_16)
    data = data.removeprefix(_MARK)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        byte = f"0x{data[error.start]:02X}"
        raise _refusal(line, ProblemKind.NOT_UTF8, byte=byte) from None
    if "\0" in text:
        raise _refusal(text.count("\n", 0, text.index("\0")) + 1, ProblemKind.NOT_CSV)
    return text


def _lines(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the number and the cells of each line, by column. Raises InvalidTraffic."""
    first = text.partition("\n")[0]
    reader = csv.reader(text.splitlines(), delimiter=max(",;\t", key=first.count), strict=True)
    columns: list[str] = []
    number = 0
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if not any(cells):
                continue
            if not columns:
                columns = _columns(cells, reader.line_num)
                continue
            number += 1
            if number > MOST_LINES:
                raise _refusal(reader.line_num, ProblemKind.TOO_MANY_LINES, most=MOST_LINES)
            if len(cells) != len(columns):
                raise _refusal(
                    reader.line_num, ProblemKind.CELLS, found=len(cells), wanted=len(columns)
                )
            yield reader.line_num, dict(zip(columns, cells, strict=True))
    except csv.Error:
        raise _refusal(reader.line_num, ProblemKind.NOT_CSV) from None
    if not columns:
        raise _refusal(1, ProblemKind.EMPTY)


def _columns(cells: list[str], line: int) -> list[str]:
    columns = [cell.lower().replace(" ", "_") for cell in cells]
    if not set(columns) & set(NEEDED):
        raise _refusal(line, ProblemKind.NO_HEADER, found=_shown(", ".join(cells)))
    for column in columns:
        if column not in COLUMNS:
            allowed = ", ".join(COLUMNS)
            raise _refusal(line, ProblemKind.COLUMN_UNKNOWN, _shown(column), columns=allowed)
        if columns.count(column) > 1:
            raise _refusal(line, ProblemKind.COLUMN_TWICE, column)
    for column in NEEDED:
        if column not in columns:
            raise _refusal(line, ProblemKind.COLUMN_MISSING, column)
    return columns


def _flow(cells: Mapping[str, str], providers: Directory, today: date) -> Flow:
    """Read a line. Raises _Wrong."""
    for column in NEEDED:
        if not cells[column]:
            raise _Wrong(column, ProblemKind.MISSING)
    now = _volume(cells["messages_per_day"], "messages_per_day")
    target = now
    if cells.get("target_per_day"):
        target = _volume(cells["target_per_day"], "target_per_day")
    if target < now:
        raise _Wrong("target_per_day", ProblemKind.TARGET_BELOW, target=target, now=now)
    return Flow(
        stream=_stream(cells["stream"]),
        provider=_provider(cells["provider"], providers),
        messages_per_day=now,
        target_per_day=target,
        starts_on=_start(cells.get("starts_on", ""), today),
        engaged=_engaged(cells),
        weekdays=_weekdays(cells, now),
    )


def _stream(text: str) -> str:
    if not _STREAM.fullmatch(text.lower()):
        raise _Wrong("stream", ProblemKind.STREAM, found=_shown(text))
    return text.lower()


def _provider(text: str, providers: Directory) -> str:
    name = text.lower().removesuffix(".")
    if name == OTHER:
        return OTHER
    known = providers.get(name) or providers.hint(name) or providers.by_mx(name)
    if known is not None and known.kind != "blocklist":
        return known.id
    if known is None and _DOMAIN.fullmatch(name):
        return providers.provider_id(name)
    ids = [provider.id for provider in providers if provider.kind != "blocklist"]
    if like := difflib.get_close_matches(name, ids, n=3):
        raise _Wrong(
            "provider", ProblemKind.PROVIDER_UNKNOWN_LIKE, found=_shown(text), like=", ".join(like)
        )
    raise _Wrong("provider", ProblemKind.PROVIDER_UNKNOWN, found=_shown(text))


def _volume(text: str, column: str) -> int:
    if re.fullmatch(r"-[0-9]+", text):
        raise _Wrong(column, ProblemKind.NEGATIVE, found=_shown(text))
    if not re.fullmatch(r"[0-9]+", text):
        raise _Wrong(column, ProblemKind.NOT_A_NUMBER, found=_shown(text))
    digits = text.lstrip("0")
    if not digits:
        raise _Wrong(column, ProblemKind.ZERO)
    if len(digits) > len(str(MOST_PER_DAY)) or int(digits) > MOST_PER_DAY:
        raise _Wrong(column, ProblemKind.ENORMOUS, found=_shown(text), most=MOST_PER_DAY)
    return int(digits)


def _start(text: str, today: date) -> date | None:
    if not text:
        return None
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise _Wrong("starts_on", ProblemKind.NOT_A_DATE, found=_shown(text))
    try:
        starts_on = date.fromisoformat(text)
    except ValueError:
        raise _Wrong("starts_on", ProblemKind.NOT_A_DATE, found=text) from None
    if starts_on < today:
        raise _Wrong("starts_on", ProblemKind.PAST, found=text, today=today.isoformat())
    return starts_on


def _engaged(cells: Mapping[str, str]) -> Engaged | None:
    shares = [_percentage(cells.get(column, ""), column) for column in ENGAGED]
    known = [share for share in shares if share is not None]
    if not known:
        return None
    if len(known) < len(shares):
        raise _Wrong(ENGAGED[shares.index(None)], ProblemKind.ENGAGED_PARTLY)
    for column, shorter, longer in zip(ENGAGED[1:], known, known[1:], strict=False):
        if longer < shorter:
            raise _Wrong(column, ProblemKind.ENGAGED_FALLS)
    return Engaged(*known)


def _weekdays(cells: Mapping[str, str], most: int) -> tuple[int, ...] | None:
    """Read messages by weekday; most: of a busy day. Raises _Wrong."""
    given = {column: cells.get(column, "") for column in WEEKDAYS}
    if not any(given.values()):
        return None
    for column, text in given.items():
        if not text:
            raise _Wrong(column, ProblemKind.WEEKDAYS_PARTLY)
    found = tuple(
        0 if re.fullmatch("0+", text) else _volume(text, column) for column, text in given.items()
    )
    for column, messages in zip(WEEKDAYS, found, strict=True):
        if messages > most:
            raise _Wrong(column, ProblemKind.WEEKDAY_ABOVE, found=messages, most=most)
    if not any(found):
        raise _Wrong(WEEKDAYS[0], ProblemKind.WEEKDAYS_EMPTY)
    return found


def _percentage(text: str, column: str) -> float | None:
    if not text:
        return None
    if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,6})?", text) or float(text) > 100:
        raise _Wrong(column, ProblemKind.NOT_A_PERCENTAGE, found=_shown(text))
    return float(text) / 100


def _shown(text: str) -> str:
    """Return a cell as a message may show it: in one short line."""
    text = "".join(sign if sign.isprintable() else "�" for sign in text)
    return text if len(text) <= 40 else f"{text[:39]}…"
