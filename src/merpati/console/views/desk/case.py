"""`/desk/cases/N`: a case with its internal notes, and all that the desk does to it."""

from __future__ import annotations

from dataclasses import replace
from functools import wraps
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_POST

from merpati.console.access import Page, Viewer, staff_page
from merpati.console.cases.mail_page import framed, html_of, mail_of
from merpati.console.desk import case_acts
from merpati.console.desk.case_page import Composer, case_context
from merpati.console.desk.forms import Refused
from merpati.console.desk.paging import number_in
from merpati.console.desk.refusals import in_words
from merpati.console.desk.who import acting_person, person_of
from merpati.console.services import services
from merpati.console.views.case_pages import json_file
from merpati.desk import attachments, canned_answers, case_document, drafts
from merpati.desk.case_errors import AttachmentNotFound
from merpati.desk.case_search import any_case
from merpati.desk.errors import DeskError
from merpati.desk.models import Case


def case_page(page: Page) -> Page:
    """Give a page of a case to the desk's staff: it gets the case as its third argument."""

    @staff_page
    @wraps(page)
    def found(request: HttpRequest, viewer: Viewer, number: int, **more: Any) -> HttpResponseBase:
        return page(request, viewer, any_case(number), **more)

    return found


@case_page
def show(request: HttpRequest, viewer: Viewer, case: Case) -> HttpResponse:
    """Show where a case stands, its history with internal notes, and what can be done."""
    return _page(request, viewer, case)


@case_page
@require_POST
def act(request: HttpRequest, viewer: Viewer, case: Case, name: str) -> HttpResponse:
    """Do one act and lead back; what was refused is said, and what was typed is kept."""
    if name not in case_acts.ACTS:
        raise Http404
    by, now = viewer.as_desk(), services().now
    if name == "write" and "insert" in request.POST:
        return _insert(request, viewer, case)
    try:
        done = case_acts.perform(name, case, request, by, now)
    except DeskError as error:
        status = 422 if error.field else 409
        refused = Refused(name, in_words(error), request.POST.dict())
        return _refused(request, viewer, any_case(case.pk), refused, status)
    messages.success(request, done)
    return HttpResponseRedirect(f"/desk/cases/{case.pk}")


@case_page
@require_POST
def save_draft(request: HttpRequest, viewer: Viewer, case: Case) -> HttpResponse:
    """Keep what was typed so far; answers with who else is writing."""
    person = acting_person(viewer)
    drafts.save_draft(person, case, request.POST.get("text", ""), services().now)
    return _writing(request, viewer, case)


@case_page
def writing(request: HttpRequest, viewer: Viewer, case: Case) -> HttpResponse:
    """Tell who else is writing in this case at the moment."""
    return _writing(request, viewer, case)


@case_page
def file(request: HttpRequest, viewer: Viewer, case: Case, file_id: int) -> HttpResponse:
    """Give a file as a download, and never in any other way."""
    try:
        found = attachments.attachment_of(case, file_id, for_customer=False)
        content = attachments.content(found)
    except (AttachmentNotFound, OSError):
        raise Http404 from None
    return HttpResponse(content, headers=attachments.download_headers(found.name))


@case_page
def mail(request: HttpRequest, viewer: Viewer, case: Case, mail_id: int) -> HttpResponse:
    """Show a mail whole."""
    found = mail_of(case, mail_id, for_customer=False)
    context = {
        "case": case,
        "base": f"/desk/cases/{case.pk}",
        "mail": found,
        "has_html": bool(html_of(found)),
    }
    return render(request, "console/cases/mail.html", context)


@case_page
def mail_html(request: HttpRequest, viewer: Viewer, case: Case, mail_id: int) -> HttpResponse:
    """Give the cleaned HTML of a mail, for the frame alone."""
    return framed(case, mail_id, for_customer=False)


@case_page
def export(request: HttpRequest, viewer: Viewer, case: Case) -> HttpResponse:
    """Give all there is of a case as one file, internal notes included."""
    now = services().now
    document = case_document.with_record(case_document.for_desk(case, now), case)
    return json_file({"exported_at": now, "case": document}, f"case-{case.pk}-desk")


def _page(request: HttpRequest, viewer: Viewer, case: Case, **more: Any) -> HttpResponse:
    context = case_context(case, person_of(viewer), services().now)
    return render(request, "console/desk/case.html", context | more)


def _refused(
    request: HttpRequest, viewer: Viewer, case: Case, refused: Refused, status: int
) -> HttpResponse:
    """Show the case again with what was refused; the field keeps its text and chosen act."""
    context = case_context(case, person_of(viewer), services().now)
    if refused.form == "write":
        typed = _typed(request)
        context["composer"] = replace(context["composer"], text=typed.text, act=typed.act)
    context["refused"] = refused
    return render(request, "console/desk/case.html", context, status=status)


def _insert(request: HttpRequest, viewer: Viewer, case: Case) -> HttpResponse:
    """Put a canned answer below what was typed so far; nothing is sent."""
    person, typed = acting_person(viewer), _typed(request)
    try:
        answer = canned_answers.find_answer(number_in(request.POST.get("answer", "")) or 0)
        filled = canned_answers.filled_in(answer, case, person)
    except DeskError as error:
        return _refused(request, viewer, case, Refused("write", in_words(error), {}), 422)
    text = f"{typed.text.rstrip()}\n\n{filled}".lstrip()
    drafts.save_draft(person, case, text, services().now)
    return _page(request, viewer, case, composer=replace(typed, text=text))


def _typed(request: HttpRequest) -> Composer:
    text, act_name = request.POST.get("text", ""), request.POST.get("act", "")
    return Composer(text, act_name, number_in(request.POST.get("seen", "")) or 0)


def _writing(request: HttpRequest, viewer: Viewer, case: Case) -> HttpResponse:
    person = person_of(viewer)
    names = drafts.others_writing(drafts.drafts_of(case), person, services().now)
    return render(request, "console/desk/writing.html", {"writing": names})
