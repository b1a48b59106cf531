"""When recipients last engaged, read from the CSV of an old provider, line by line.

    email,last_open,last_click
    sari@contoh.example,2026-11-20T09:12:00Z,2026-11-02

The first line names the columns: one for the address, and one or several days of which the latest
counts. A day is ISO 8601, alone or with a time. A line without any day is of somebody who never
engaged, and says nothing. The file is never held in memory; a byte order mark, semicolons and tabs
are what spreadsheets write, and are read as such.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import BinaryIO

from merpati.sending.engagement import checked_engagement
from merpati.sending.errors import EngagementFileInvalid, InvalidValue

ADDRESS_COLUMNS = ("email", "email_address", "recipient", "address")
DAY_COLUMNS = (
    "engaged_on", "last_engaged", "last_engagement", "last_open", "last_opened", "last_opened_at",
    "last_open_at", "last_click", "last_clicked", "last_clicked_at", "last_click_at",
)  # fmt: skip
LONGEST_LINE = 100_000

_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True, slots=True)
class _Columns:
    """Where in a line the address and the days stand, each with its column's name."""

    address: tuple[int, str]
    days: tuple[tuple[int, str], ...]


def read_engagement(
    file: BinaryIO,
    today: date,
    encoding: str = "utf-8",
    on_read: Callable[[int], None] = lambda _: None,
) -> Iterator[tuple[str, date]]:
    """Yield addresses and days. on_read: told of each line's size in bytes.

    encoding: of files without a mark that says UTF-16. Raises EngagementFileInvalid, which names
    line and column, at the first line that cannot be used.
    """
    lines = _Lines(file, encoding, on_read)
    first = next(lines, "")
    if not first.strip():
        raise EngagementFileInvalid(1, "", "the file is empty; its first line names the columns")
    delimiter = max(",;\t", key=first.count)
    columns = _columns(next(csv.reader([first], delimiter=delimiter)))
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        for cells in reader:
            if any(cells) and (engaged := _engaged(cells, columns, today, lines.number)):
                yield engaged
    except csv.Error as error:
        raise EngagementFileInvalid(
            lines.number, "", f"this is no CSV ({error}); is a quote not closed?"
        ) from None


def _engaged(
    cells: list[str], columns: _Columns, today: date, line: int
) -> tuple[str, date] | None:
    address, address_column = columns.address
    needed = max(address, *(place for place, _ in columns.days)) + 1
    if len(cells) < needed:
        raise EngagementFileInvalid(
            line, "", f"the line has {len(cells)} columns, and {needed} are needed"
        )
    days = [
        (_day(text, name, line), name)
        for place, name in columns.days
        if (text := cells[place].strip())
    ]
    if not days:
        return None
    day, day_column = max(days)
    try:
        return checked_engagement(cells[address], day, today)
    except InvalidValue as error:
        column = day_column if error.field == "engaged_on" else address_column
        raise EngagementFileInvalid(line, column, error.message) from None


def _columns(head: list[str]) -> _Columns:
    names = [name.strip().lower().replace(" ", "_").replace("-", "_") for name in head]
    address = next((name for name in ADDRESS_COLUMNS if name in names), None)
    days = tuple((place, name) for place, name in enumerate(names) if name in DAY_COLUMNS)
    if address is None:
        raise EngagementFileInvalid(
            1,
            "",
            f"no column is for the address: name one {', '.join(ADDRESS_COLUMNS)}; the first "
            f"line says {', '.join(head)[:200]}",
        )
    if not days:
        raise EngagementFileInvalid(
            1, "", f"no column is for the day: name one {', '.join(DAY_COLUMNS)}"
        )
    return _Columns((names.index(address), address), days)


def _day(text: str, column: str, line: int) -> date:
    try:
        if text[10:11] not in {"", "T", " "}:
            raise ValueError(text)
        return date.fromisoformat(text[:10])
    except ValueError:
        raise EngagementFileInvalid(
            line,
            column,
            f"{text[:40]!r} is no day such as 2026-11-20, alone or with a time "
            "(2026-11-20T09:12:00Z)",
        ) from None


class _Lines:
    """Decoded lines, with the number of the last one."""

    def __init__(self, file: BinaryIO, encoding: str, on_read: Callable[[int], None]) -> None:
        self.number = 0
        self._on_read = on_read
        mark = file.read(2)
        file.seek(0)
        self._encoding = "utf-16" if mark in _UTF_16 else encoding
        # By lines of bytes a wrong one is known by its number; not so in UTF-16.
        self._text = io.TextIOWrapper(file, "utf-16", newline="") if mark in _UTF_16 else None
        self._file = file

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        self.number += 1
        try:
            text = self._next_text()
        except UnicodeDecodeError as error:
            byte = f"0x{error.object[error.start]:02X}"
            raise EngagementFileInvalid(
                self.number,
                "",
                f"byte {byte} is not {self._encoding}. Save the file as UTF-8, or say what it is: "
                "--encoding cp1252",
            ) from None
        if not text:
            raise StopIteration
        if len(text) >= LONGEST_LINE:
            raise EngagementFileInvalid(
                self.number, "", f"the line has more than {LONGEST_LINE:,} characters"
            )
        if "\0" in text:
            raise EngagementFileInvalid(self.number, "", "a NUL character is none of a text")
        return text

    def _next_text(self) -> str:
        if self._text is not None:
            text = self._text.readline(LONGEST_LINE)
            self._on_read(2 * len(text))
            return text
        line = self._file.readline(LONGEST_LINE)
        self._on_read(len(line))
        text = line.decode(self._encoding)
        return text.removeprefix("\ufeff") if self.number == 1 else text
