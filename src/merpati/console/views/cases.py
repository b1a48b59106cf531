"""A customer's cases: who may see which one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase

from merpati.console.access import Viewer, customer_page
from merpati.console.cases.reader import Reader
from merpati.desk.case_errors import CaseNotFound
from merpati.desk.case_search import any_case
from merpati.desk.models import Case

Answer = Callable[..., HttpResponse]


def for_members(answer: Answer) -> Callable[..., HttpResponseBase]:
    """Give a case's page to members of its account."""

    @customer_page
    def view(request: HttpRequest, viewer: Viewer, number: int, **more: Any) -> HttpResponseBase:
        case = own_case(viewer, number)
        may_write = viewer.may_write_in(case.account_id)
        by = viewer.as_customer(case.account_id) if may_write else None
        return answer(request, case, Reader(f"/cases/{number}", by), **more)

    return view


def own_case(viewer: Viewer, number: int) -> Case:
    """Return a case of one of the viewer's accounts. Raises Http404 for anybody else's."""
    try:
        case = any_case(number)
    except CaseNotFound:
        raise Http404 from None
    viewer.part_in(case.account_id)
    return case
