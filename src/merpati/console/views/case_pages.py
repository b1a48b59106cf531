"""The pages of one case on the customer's side, whoever reads them: `Reader` says as whom.

`cases.py` gives them to members of the account, `contact_link.py` to a contact by their link.
"""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render

from merpati.adapters import codec
from merpati.console import undo
from merpati.console.cases import acts
from merpati.console.cases.mail_page import framed, html_of, mail_of
from merpati.console.cases.page import Refused, case_context
from merpati.console.cases.reader import Reader
from merpati.console.refusals import in_words
from merpati.console.services import services
from merpati.desk import attachments, case_document
from merpati.desk.case_errors import AttachmentNotFound, InvalidCase, NotResolved
from merpati.desk.case_search import resolution_record
from merpati.desk.errors import DeskError
from merpati.desk.models import Case, ResolutionRecord


def show(
    request: HttpRequest, case: Case, reader: Reader, refused: Refused | None = None
) -> HttpResponse:
    """Show where a case stands and its history, with the forms that its state allows."""
    context = case_context(case, reader, services().now)
    return render(request, "console/cases/case.html", context | {"refused": refused})


def act(request: HttpRequest, case: Case, reader: Reader, name: str) -> HttpResponse:
    """Do one act and lead back to the case; what was refused is said there, and its text kept."""
    if name not in acts.ACTS:
        raise Http404
    if request.method != "POST":  # a link that somebody opened: to look does nothing
        return HttpResponseRedirect(reader.base)
    if reader.by is None:
        raise PermissionDenied
    try:
        done = acts.perform(name, case, request, reader.by, services().now)
    except DeskError as error:
        case.refresh_from_db()
        refused = Refused(name, in_words(error), request.POST.get("text", ""))
        response = show(request, case, reader, refused)
        response.status_code = 422 if isinstance(error, InvalidCase) else 409
        return response
    undone_by = acts.UNDONE_BY.get(name)
    action = f"{reader.base}/{undone_by}" if undone_by else ""
    undo.tell(request, done, action=action, text=request.POST.get("text", ""))
    return HttpResponseRedirect(reader.base)


def file(request: HttpRequest, case: Case, reader: Reader, file_id: int) -> HttpResponse:
    """Give a file as a download, and never in any other way."""
    try:
        found = attachments.attachment_of(case, file_id, for_customer=True)
        content = attachments.content(found)
    except (AttachmentNotFound, OSError):
        raise Http404 from None
    return HttpResponse(content, headers=attachments.download_headers(found.name))


def mail(request: HttpRequest, case: Case, reader: Reader, mail_id: int) -> HttpResponse:
    """Show a mail whole: its head, its text, and its HTML in a frame where nothing runs."""
    found = mail_of(case, mail_id, for_customer=True)
    context = {
        "case": case,
        "base": reader.base,
        "mail": found,
        "has_html": bool(html_of(found)),
    }
    return render(request, "console/cases/mail.html", context)


def mail_html(request: HttpRequest, case: Case, reader: Reader, mail_id: int) -> HttpResponse:
    """Give the cleaned HTML of a mail, for the frame alone."""
    return framed(case, mail_id, for_customer=True)


def export(request: HttpRequest, case: Case, reader: Reader) -> HttpResponse:
    """Give all there is of a case as one file to keep."""
    now = services().now
    document = case_document.with_record(case_document.for_customer(case, now), case)
    return json_file({"exported_at": now, "case": document}, f"case-{case.pk}")


def record(request: HttpRequest, case: Case, reader: Reader) -> HttpResponse:
    """Show what both sides agreed on, so that it prints cleanly."""
    document = _record(case).document
    context = {
        "case": case,
        "base": reader.base,
        "record": document["record"],
        "signature": document["signature"],
    }
    return render(request, "console/cases/record.html", context)


def record_json(request: HttpRequest, case: Case, reader: Reader) -> HttpResponse:
    """Give the signed record, as `merpati case verify` reads it."""
    return json_file(_record(case).document, f"case-{case.pk}-resolution")


def json_file(document: Any, name: str) -> HttpResponse:
    """Return a document as a file to keep."""
    response = HttpResponse(codec.json_bytes(document), content_type="application/json")
    response["Content-Disposition"] = f'attachment; filename="{name}.json"'
    return response


def _record(case: Case) -> ResolutionRecord:
    try:
        return resolution_record(case)
    except NotResolved:
        raise Http404 from None
