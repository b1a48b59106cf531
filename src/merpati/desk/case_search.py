"""Finding cases: an account's own, by number, in pages or by words, and the queue of the desk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from django.db.models import Count, Q, QuerySet

from merpati.desk import case_index
from merpati.desk.case_errors import CaseNotFound, NotResolved
from merpati.desk.case_states import GOES_ON, Status
from merpati.desk.case_words import VISIBLE, Asked, account_word, asked_in
from merpati.desk.models import Case, RelatedCase, ResolutionRecord

MOST_A_PAGE = 500


def open_cases_of_staff() -> Counter[int]:
    """Return how many cases that go on each person of the desk is responsible for, by id.

    One query over the cases that go on, however many were closed.
    """
    going_on = Case.objects.filter(status__in=GOES_ON, representative__isnull=False)
    counted = going_on.order_by().values_list("representative").annotate(Count("number"))
    return Counter(dict(counted))


def case_for(account_id: int, number: int) -> Case:
    """Return an account's case. Raises CaseNotFound, also for another account's."""
    return _found(Case.objects.filter(account_id=account_id), number)


def any_case(number: int) -> Case:
    """Return a case of any account, for the desk. Raises CaseNotFound."""
    return _found(Case.objects.all(), number)


def resolution_record(case: Case) -> ResolutionRecord:
    """Return the signed record of a case. Raises NotResolved."""
    record = ResolutionRecord.objects.filter(pk=case.pk).first()
    if record is None:
        raise NotResolved(case.pk)
    return record


def related_cases(case: Case) -> list[Case]:
    """Return what belongs to a case: those related to it and those merged into it, oldest first.

    One query.
    """
    # Numbers first: of conditions joined by OR PostgreSQL looks at each case there is.
    numbers = (
        RelatedCase.objects.filter(first=case)
        .values("second")
        .union(
            RelatedCase.objects.filter(second=case).values("first"),
            Case.objects.filter(merged_into=case).values("pk"),
        )
    )
    return list(Case.objects.filter(pk__in=numbers).order_by("number"))


@dataclass(frozen=True, slots=True)
class Place:
    """A case's place in the queue, from which the next page goes on; due_at None: it stands."""

    due_at: datetime | None
    number: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which cases; None: any. is_resolved: False are all that go on.

    representative: an address. due_by: moment by Service Time Zone; only what falls due until then
    in its own zone. words: what somebody typed (`case_words.py`). is_visible: words that the
    customer may read alone.
    """

    account_id: int | None = None
    status: str | None = None
    kind: str | None = None
    severity: str | None = None
    representative: str | None = None
    is_resolved: bool | None = None
    is_unassigned: bool = False
    is_escalated: bool = False
    due_by: Mapping[str, datetime] | None = None
    words: str = ""
    is_visible: bool = False

    def page(self, limit: int, before: int | None = None) -> list[Case]:
        """Return the newest cases, at most `limit`, of those with a number below `before`.

        One query, two with words.
        """
        asked = asked_in(self.words)
        if self.words.strip() and not asked:
            return []  # nothing but signs: no case has them
        found = self._found()
        if asked:
            numbers = case_index.find(
                [*asked, *self._own_words()], found, before=before, limit=limit
            )
            return list(_related(Case.objects.filter(pk__in=numbers)).order_by("-number"))
        found = _related(found).order_by("-number")
        return list(found[:limit] if before is None else found.filter(number__lt=before)[:limit])

    def queue(self, limit: int, after: Place | None = None) -> list[Case]:
        """Return cases by what falls due; those whose clock stands come last, oldest first.

        Two queries, since an index on due_at answers the first and no sort puts nulls last.
        """
        # Whatever falls due goes on, as the database holds: asked for both, PostgreSQL expects few
        # and sorts them all.
        due = replace(self, is_resolved=None) if self.is_resolved is False else self
        running = _related(due._found()).filter(due_at__isnull=False).order_by("due_at", "number")
        standing = _related(self._found()).filter(due_at=None).order_by("number")
        if after is not None and after.due_at is None:
            return list(standing.filter(number__gt=after.number)[:limit])
        if after is not None:
            later = Q(due_at=after.due_at, number__gt=after.number)
            running = running.filter(
                Q(due_at__gte=after.due_at), Q(due_at__gt=after.due_at) | later
            )
        first = list(running[:limit])
        return [*first, *standing[: limit - len(first)]]

    def count(self) -> int:
        """Return how many there are, whatever the words. One query."""
        return self._found().count()

    def _own_words(self) -> list[Asked]:
        """Return what the index knows of these filters, so that it reads fewer rows."""
        words = [] if self.account_id is None else [Asked(account_word(self.account_id))]
        return [*words, Asked(VISIBLE)] if self.is_visible else words

    def _found(self) -> QuerySet[Case]:
        found = Case.objects.all()
        given = {
            "account_id": self.account_id,
            "status": self.status,
            "kind": self.kind,
            "severity": self.severity,
            "representative__email": self.representative,
        }
        found = found.filter(**{name: value for name, value in given.items() if value is not None})
        if self.is_unassigned:
            found = found.filter(representative=None)
        if self.is_escalated:
            found = found.filter(escalated_at__isnull=False)
        if self.due_by is not None:
            found = found.filter(_due_by(self.due_by))
        match self.is_resolved:
            case True:
                return found.filter(status=Status.RESOLVED)
            case False:
                return found.filter(status__in=GOES_ON)
            case None:
                return found


def _due_by(moments: Mapping[str, datetime]) -> Q:
    due = Q(pk__in=[])  # nothing, where no zone is named
    for zone_id, moment in moments.items():
        due |= Q(account__service_time_zone=zone_id, due_at__lte=moment)
    return due


def _found(cases: QuerySet[Case], number: int) -> Case:
    case = _related(cases).filter(pk=number).first() if number < 1 << 63 else None
    if case is None:
        raise CaseNotFound(number)
    return case


def _related(cases: QuerySet[Case]) -> QuerySet[Case]:
    return cases.select_related("account", "representative", "opened_by")
