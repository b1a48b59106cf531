"""The form that opens a case: what it holds, what is promised before it is sent, what was wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest, QueryDict

from merpati.console.access import Viewer
from merpati.console.cases.acts import files_of
from merpati.desk.case_clocks import first_answer_due
from merpati.desk.case_opening import NewCase, NewContact
from merpati.desk.hours_words import account_in_words
from merpati.desk.models import LinkKind, Severity
from merpati.desk.service_hours import ServiceHours

LINK_ROWS = 3


@dataclass(frozen=True, slots=True)
class Promise:
    """By when the first answer comes, for a severity; counted: how, in words."""

    severity: str
    due_at: datetime
    counted: str


@dataclass(frozen=True, slots=True)
class CaseForm:
    """What somebody filled in, kept as they wrote it."""

    kind: str = ""
    subject: str = ""
    text: str = ""
    severity: str = Severity.NORMAL.value
    language: str = "en"
    watchers: str = ""  # addresses, one a line
    links: tuple[tuple[str, str], ...] = ()

    @property
    def link_rows(self) -> list[tuple[str, str]]:
        """The rows of the form: what was given, and empty ones up to three."""
        empty = (LinkKind.DOMAIN.value, "")
        return [*self.links, *[empty] * (LINK_ROWS - len(self.links))]

    @property
    def has_more(self) -> bool:
        """Whether anything beyond the three fields was filled in, so that it stays in sight."""
        return bool(self.watchers.strip() or self.links or self.severity != Severity.NORMAL)


def form_in(query: QueryDict, viewer: Viewer) -> CaseForm:
    """Read a form that was sent, or what a link to the form fills in already."""
    kinds, values = query.getlist("link_kind"), query.getlist("link_value")
    links = tuple(
        (kind, value) for kind, value in zip(kinds, values, strict=False) if value.strip()
    )
    return CaseForm(
        kind=query.get("kind", ""),
        subject=query.get("subject", ""),
        text=query.get("text", ""),
        severity=query.get("severity", Severity.NORMAL.value),
        language=query.get("language", viewer.language),
        watchers=query.get("watchers", ""),
        links=links,
    )


def new_case(form: CaseForm, viewer: Viewer, request: HttpRequest) -> NewCase:
    """Return what a form asks to be opened, in the viewer's name."""
    return NewCase(
        kind=form.kind,
        subject=form.subject,
        text=form.text,
        contact=NewContact(viewer.name, viewer.email),
        severity=form.severity,
        language=form.language,
        watchers=list(_watchers(form.watchers)),
        links=form.links,
        files=files_of(request),
    )


def promises(hours: ServiceHours, now: datetime) -> list[Promise]:
    """Return what would be promised to a case that is opened now, the most urgent first.

    Raises BeyondCalendar, NothingWithin.
    """
    found = []
    for severity in Severity.values:
        due = first_answer_due(hours, severity, now)
        found.append(Promise(severity, due.at, account_in_words(due.account, hours.zone)))
    return found


def _watchers(text: str) -> Iterator[NewContact]:
    for line in text.replace(",", "\n").splitlines():
        if address := line.strip():
            yield NewContact(address.partition("@")[0] or address, address)
