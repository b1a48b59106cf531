"""The page that opens a case."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.translation import gettext

from merpati.console import words
from merpati.console.access import Viewer, customer_page
from merpati.console.cases.acts import request_of
from merpati.console.cases.opening import CaseForm, form_in, new_case, promises
from merpati.console.cases.page import new_form_key
from merpati.console.desk_now import desk_now
from merpati.console.refusals import in_words
from merpati.console.services import services
from merpati.desk.case_opening import open_case
from merpati.desk.errors import DeskError


@customer_page
def show(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Show the form with what would be promised, or open the case that it asks for."""
    if not viewer.may_write_in(viewer.account.pk):
        raise PermissionDenied
    if request.method != "POST":
        return _form(request, viewer, form_in(request.GET, viewer))
    form = form_in(request.POST, viewer)
    account_id = viewer.account.pk
    try:
        case = open_case(
            account_id,
            new_case(form, viewer, request),
            via=viewer.actor,
            sources=services().evidence,
            now=services().now,
            request=request_of(request, account_id),
        )
    except DeskError as error:
        return _form(request, viewer, form, error)
    messages.success(
        request,
        gettext("Case %(number)s is open. We answer by the moment shown below.")
        % {"number": case.pk},
    )
    return HttpResponseRedirect(f"/cases/{case.pk}")


def _form(
    request: HttpRequest, viewer: Viewer, form: CaseForm, error: DeskError | None = None
) -> HttpResponse:
    now = services().now
    desk, hours = desk_now(viewer.account.service_time_zone, now)
    context = {
        "form": form,
        "form_key": request.POST.get("form_key") or new_form_key(),
        "desk": desk,
        "promises": promises(hours, now),
        "kinds": words.KIND,
        "severities": words.SEVERITY,
        "link_kinds": words.LINK,
        "not_included": words.SCOPE.values(),
        "wrong_field": error.field.partition(".")[0] if error else "",
        "wrong": in_words(error) if error else "",
    }
    return render(request, "console/cases/new.html", context, status=422 if error else 200)
