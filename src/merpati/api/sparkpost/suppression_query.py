"""What a query string asks of the suppression list, and the links from one page to the others.

Two styles: `cursor`, which has no end, and `page`, which ends at 10,000 entries. Without either the
first page is shown and its link leads on by cursor. Source: sparkpost-api 1.1, 1.2, 1.8 and 9.
"""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TypeVar
from urllib.parse import urlencode

from django.http import QueryDict

from merpati.adapters import codec
from merpati.api.errors import ApiError, refusal
from merpati.sending.models import Suppression, SuppressionSource, SuppressionType
from merpati.sending.suppression_search import Position, Slice, Wanted

PATH = "/api/v1/suppression-list"
PER_PAGE, MOST_PER_PAGE = 1_000, 10_000
MOST_BY_PAGE = 10_000  # entries that `page` reaches; `cursor` goes on
TYPE_TEXT = "Type must be one of: 'transactional', 'non_transactional'"

_read_cursor = codec.unpacker(tuple[int, int]).decode  # microseconds since the epoch, entry id
_MICROSECOND = 1_000_000

Choice = TypeVar("Choice", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Asked:
    """A question to the list. page: None in the cursor's style."""

    wanted: Wanted
    part: Slice
    page: int | None
    query: QueryDict
    path: str

    def links(self, entries: list[Suppression], total: int) -> list[dict[str, str]]:
        """Return the links beside a page of entries."""
        if self.page is None:
            return self._cursor_links(entries)
        pages = min(-(-total // self.part.limit), MOST_BY_PAGE // self.part.limit)
        if pages <= 1:
            return []
        targets = {"first": 1, "next": self.page + 1, "previous": self.page - 1, "last": pages}
        return [
            self._link(rel, page=str(target))
            for rel, target in targets.items()
            if 1 <= target <= pages
        ]

    def _cursor_links(self, entries: list[Suppression]) -> list[dict[str, str]]:
        # One more than a page was asked for: that one tells that there is a next page.
        if len(entries) < self.part.limit:
            return []
        last = entries[-2]
        return [
            self._link("first", cursor="initial"),
            self._link("next", cursor=_cursor(Position(last.updated_at, last.pk))),
        ]

    def _link(self, rel: str, **changes: str) -> dict[str, str]:
        """Repeat the question with some parameters changed."""
        kept = [
            (name, value)
            for name, values in self.query.lists()
            if name not in {"cursor", "page"}
            for value in values
        ]
        return {"href": f"{self.path}?{urlencode([*kept, *changes.items()])}", "rel": rel}


def read_query(text: str, recipient: str | None = None, path: str = PATH) -> Asked:
    """Return what a query string asks. Raises ApiError 400 for what it does not understand."""
    query = QueryDict(text)
    per_page = _number(query, "per_page", _number(query, "limit", PER_PAGE, MOST_PER_PAGE))
    cursor = query.get("cursor", "")
    page = _number(query, "page", 1, MOST_BY_PAGE) if query.get("page") and not cursor else None
    is_ascending = _one_of(query.get("sort") or "desc", "sort", ("asc", "desc")) == "asc"
    if page is None:
        after = _position(cursor) if cursor not in {"", "initial"} else None
        part = Slice(per_page + 1, 0, after, is_ascending)
    else:
        if page * per_page > MOST_BY_PAGE and page > 1:
            raise _invalid("page", f"page ends at {MOST_BY_PAGE} entries: use cursor to go on")
        part = Slice(per_page, (page - 1) * per_page, None, is_ascending)
    return Asked(_wanted(query, recipient), part, page, query, path)


def suppression_type(text: str) -> SuppressionType:
    """Return a type by its name. Raises ApiError 400."""
    try:
        return SuppressionType(text)
    except ValueError:
        raise refusal(400, TYPE_TEXT) from None


def _wanted(query: QueryDict, recipient: str | None) -> Wanted:
    return Wanted(
        recipient=recipient,
        types=[suppression_type(name) for name in _list(query, "types")],
        sources=[_source(name) for name in _list(query, "sources")],
        updated_from=_moment(query, "from"),
        updated_to=_moment(query, "to"),
        domain=query.get("domain") or None,
        description=query.get("description") or None,
        exact_description=query.get("description_strict") or None,
        list_id=query.get("list_id"),
    )


def _list(query: QueryDict, name: str) -> list[str]:
    """Return a list that came with commas, repeated, or both."""
    parts = (part.strip() for text in query.getlist(name) for part in text.split(","))
    return [part for part in parts if part]


def _source(name: str) -> SuppressionSource:
    for source in SuppressionSource:
        if source.value.lower() == name.lower().replace("_", " "):
            return source
    known = ", ".join(SuppressionSource)
    raise _invalid("sources", f"'{name[:50]}' is no source; there are {known}")


def _moment(query: QueryDict, name: str) -> datetime | None:
    # A plus sign that was not encoded arrives as a space.
    text = query.get(name, "").strip().replace(" ", "+")
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise _invalid(name, "must be a time as 2026-03-02T09:30:00Z") from None


def _number(query: QueryDict, name: str, default: int, most: int = MOST_PER_PAGE) -> int:
    text = query.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= most):
        raise _invalid(name, f"must be a number from 1 to {most}")
    return int(text)


def _one_of(text: str, name: str, allowed: Iterable[str]) -> str:
    if text not in allowed:
        raise _invalid(name, f"must be one of {', '.join(allowed)}")
    return text


def _cursor(position: Position) -> str:
    since = position.updated_at - datetime.fromtimestamp(0, UTC)
    microseconds = (since.days * 86_400 + since.seconds) * _MICROSECOND + since.microseconds
    return urlsafe_b64encode(codec.pack((microseconds, position.entry_id))).decode().rstrip("=")


def _position(cursor: str) -> Position:
    try:
        data = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        microseconds, entry_id = _read_cursor(data)
        seconds, rest = divmod(microseconds, _MICROSECOND)
        at = datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest)
    except (binascii.Error, ValueError, codec.DecodeError, OverflowError, OSError):
        raise _invalid("cursor", "is not one that was given out") from None
    return Position(at, entry_id)


def _invalid(name: str, text: str) -> ApiError:
    return refusal(400, "invalid params", f"{name} {text}", "1200")
