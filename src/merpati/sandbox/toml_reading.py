"""Reading a TOML file that people edit, so that an error says which line and which field."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

S = TypeVar("S", bound=msgspec.Struct)

_PLACE = re.compile(
    r"(?P<words>.*) - at `\$\.(?P<table>\w+)(\[(?P<row>\d+)\])?(\.(?P<key>\w+))?.*`"
)


class TomlFileError(Exception):
    """The file cannot be used; `message` says where it is wrong and what to write instead."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Wrong(ValueError):
    """A value is wrong. table, row (from 0, None for a table that stands once), key: where."""

    def __init__(self, words: str, table: str, row: int | None = None, key: str = "") -> None:
        super().__init__(words)
        self.words = words
        self.table = table
        self.row = row
        self.key = key


class TomlText:
    """A file's text and what it says."""

    def __init__(self, path: Path) -> None:
        """Raises TomlFileError."""
        self._path = path
        try:
            text = path.read_text(encoding="utf-8-sig")  # some editors begin a file with its mark
            self.document: dict[str, Any] = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise TomlFileError(f"{path} is not valid TOML: {error}") from error
        except RecursionError:
            raise TomlFileError(f"{path} is not valid TOML: nested too deep") from None
        except UnicodeDecodeError as error:
            raise TomlFileError(f"{path} is not text in UTF-8: {error.reason}") from error
        except OSError as error:
            raise TomlFileError(f"{path} cannot be read: {error.strerror}") from error
        self._lines = text.splitlines()

    def read(self, whole: type[S], tables: Mapping[str, type[msgspec.Struct]]) -> S:
        """Return all of it as a struct. Raises TomlFileError.

        tables: those of the file, by name; `whole` has a list of each, or one.
        """
        try:
            check_known(self.document, tables, "table")
            for table, struct in tables.items():
                for row, values in self._rows(table, whole):
                    check_known(values, struct.__struct_fields__, "key", table, row)
            return msgspec.convert(self.document, whole)
        except msgspec.ValidationError as error:
            raise self._unconverted(error) from None
        except Wrong as wrong:
            raise self.error(wrong) from None

    def _rows(
        self, table: str, whole: type[msgspec.Struct]
    ) -> list[tuple[int | None, Mapping[str, Any]]]:
        found = self.document.get(table)
        is_list = "list" in str(whole.__annotations__[table])
        rows = found if isinstance(found, list) else [] if found is None else [found]
        if found is not None and isinstance(found, list) is not is_list:
            written = f"[[{table}]]" if is_list else f"[{table}]"
            raise Wrong(f"write {table} as a table: {written}", table)
        if not all(isinstance(row, dict) for row in rows):
            raise Wrong(f"write each {table} as a table of its own: [[{table}]]", table)
        return [(number if is_list else None, row) for number, row in enumerate(rows)]

    def error(self, wrong: Wrong) -> TomlFileError:
        """Return what is told of a wrong value: line, field and words."""
        where = wrong.table if wrong.row is None else f"{wrong.table} {wrong.row + 1}"
        field = " ".join(filter(None, (where, wrong.key)))
        line = self._line(wrong.table, wrong.row or 0, wrong.key)
        place = f"{self._path}, line {line}" if line else str(self._path)
        return TomlFileError(f"{place}: {field}: {wrong.words}")

    def _unconverted(self, error: msgspec.ValidationError) -> TomlFileError:
        found = _PLACE.fullmatch(str(error))
        if found is None:
            return TomlFileError(f"{self._path}: {error}")
        row = int(found["row"]) if found["row"] else None
        words = found["words"]
        return self.error(
            Wrong(words[0].lower() + words[1:], found["table"], row, found["key"] or "")
        )

    def _line(self, table: str, row: int, key: str) -> int:
        """Return the line of a key, or of its table's header; 0 where it is written otherwise."""
        header = re.compile(rf"\s*\[+\s*{re.escape(table)}\s*\]+")
        field = re.compile(rf"\s*[\"']?{re.escape(key or table)}[\"']?\s*=")
        seen, at = -1, 0
        for number, line in enumerate(self._lines, 1):
            if header.match(line):
                seen += 1
                at = number if seen == row else at
            elif seen == (row if key else -1) and field.match(line):
                return number
        return at


def check_known(
    given: Iterable[str], known: Iterable[str], kind: str, table: str = "", row: int | None = None
) -> None:
    """Raise Wrong for the first name that nobody knows, with the one that may be meant."""
    for name in given:
        if name not in known:
            words = f"unknown {kind} {name!r}{suggestion(name, known)}"
            raise Wrong(words, table or name, row, name if table else "")


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return what may be meant instead of a name, or what there is."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else f"; there are: {', '.join(known)}"
