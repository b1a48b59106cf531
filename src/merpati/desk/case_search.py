"""Finding cases: an account's own, by number or in pages, and the queue of the desk."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import QuerySet

from merpati.desk.case_errors import CaseNotFound, NotResolved
from merpati.desk.case_states import Status
from merpati.desk.models import Case, ResolutionRecord

MOST_A_PAGE = 500


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


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which cases; None: any. is_resolved: False are all that go on."""

    account_id: int | None = None
    status: str | None = None
    kind: str | None = None
    severity: str | None = None
    representative: str | None = None  # an address
    is_resolved: bool | None = None

    def page(self, limit: int, before: int | None = None) -> list[Case]:
        """Return the newest cases, at most `limit`, of those with a number below `before`."""
        found = self._found().order_by("-number")
        return list(found[:limit] if before is None else found.filter(number__lt=before)[:limit])

    def queue(self, limit: int) -> list[Case]:
        """Return cases by what falls due; those whose clock stands come last, oldest first."""
        found = self._found()
        # Two questions, since an index on due_at answers the first and no sort puts nulls last.
        running = list(found.filter(due_at__isnull=False).order_by("due_at", "number")[:limit])
        standing = found.filter(due_at=None).order_by("number")[: limit - len(running)]
        return [*running, *standing]

    def _found(self) -> QuerySet[Case]:
        found = _related(Case.objects.all())
        given = {
            "account_id": self.account_id,
            "status": self.status,
            "kind": self.kind,
            "severity": self.severity,
            "representative__email": self.representative,
        }
        found = found.filter(**{name: value for name, value in given.items() if value is not None})
        match self.is_resolved:
            case True:
                return found.filter(status=Status.RESOLVED)
            case False:
                return found.exclude(status=Status.RESOLVED)
            case None:
                return found


def _found(cases: QuerySet[Case], number: int) -> Case:
    case = _related(cases).filter(pk=number).first() if number < 1 << 63 else None
    if case is None:
        raise CaseNotFound(number)
    return case


def _related(cases: QuerySet[Case]) -> QuerySet[Case]:
    return cases.select_related("account", "representative", "opened_by")
