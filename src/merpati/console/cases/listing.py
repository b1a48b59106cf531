"""The list of an account's cases: what its address asks for, page by page, and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import urlencode

from django.http import QueryDict

from merpati.desk.case_search import Wanted
from merpati.desk.case_states import Status
from merpati.desk.models import Case, CaseKind, Severity

PER_PAGE = 25
_CSV_PAGE = 500
_FILTERS = {
    "status": [status.value for status in Status],
    "kind": list(CaseKind.values),
    "severity": list(Severity.values),
}
_MOST_WORDS = 200  # characters
_COLUMNS = (
    *("number", "subject", "kind", "severity", "status", "turn", "opened_by", "representative"),
    *("opened_at", "changed_at", "due_at", "resolved_at"),
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would compute these


@dataclass(frozen=True, slots=True)
class Filters:
    """What the list is narrowed to; values nobody offers are as if they were not given."""

    words: str = ""
    status: str = ""
    kind: str = ""
    severity: str = ""
    before: int | None = None

    @property
    def is_narrowed(self) -> bool:
        """Whether cases may be there that this list does not show."""
        return bool(self.words or self.status or self.kind or self.severity)

    @property
    def query(self) -> str:
        """The filters as the query of an address, without the page."""
        given = {
            "q": self.words,
            "status": self.status,
            "kind": self.kind,
            "severity": self.severity,
        }
        return urlencode({name: value for name, value in given.items() if value})

    def wanted(self, account_id: int) -> Wanted:
        """Return which cases of an account these are; only what the customer may read is found."""
        return Wanted(
            account_id,
            self.status or None,
            self.kind or None,
            self.severity or None,
            words=self.words,
            is_visible=True,
        )


@dataclass(frozen=True, slots=True)
class CasePage:
    """One page of the list; next_before: from where the next one goes on, None: there is none."""

    cases: list[Case]
    next_before: int | None


def filters_in(query: QueryDict) -> Filters:
    """Read the filters of an address."""
    chosen = {name: query.get(name, "") for name in _FILTERS}
    before = query.get("before", "")
    is_number = before.isascii() and before.isdigit() and len(before) < 19
    return Filters(
        words=query.get("q", "")[:_MOST_WORDS].strip(),
        before=int(before) if is_number else None,
        **{name: value if value in _FILTERS[name] else "" for name, value in chosen.items()},
    )


def page_of(account_id: int, filters: Filters) -> CasePage:
    """Return a page, the newest cases first. One query, two with words."""
    found = filters.wanted(account_id).page(PER_PAGE + 1, filters.before)
    cases = found[:PER_PAGE]
    return CasePage(cases, cases[-1].pk if len(found) > PER_PAGE else None)


def csv_lines(account_id: int, filters: Filters) -> Iterator[str]:
    """Yield all cases that the filters leave, in pages, as CSV with the API's names of fields."""
    yield _line(_COLUMNS)
    wanted, before = filters.wanted(account_id), None
    while cases := wanted.page(_CSV_PAGE, before):
        for case in cases:
            yield _line(map(_safe, _row(case)))
        before = cases[-1].pk


def _row(case: Case) -> Iterator[str]:
    moments = (case.opened_at, case.changed_at, case.due_at, case.resolved_at)
    yield from (str(case.pk), case.subject, case.kind, case.severity, case.status, case.turn)
    yield case.opened_by.email
    yield case.representative.name if case.representative else ""
    yield from (moment.isoformat(timespec="seconds") if moment else "" for moment in moments)


def _safe(text: str) -> str:
    """Return a cell that no spreadsheet takes for a formula. Source: OWASP, CSV injection."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _line(cells: Iterable[str]) -> str:
    file = io.StringIO()
    csv.writer(file).writerow(cells)
    return file.getvalue()
