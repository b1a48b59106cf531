"""`/c/TOKEN`: one case, for a contact who holds the link that an email brought, without a password.

To open it does nothing: people forward mail, and programs follow links. Acts take a POST.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import translation

from merpati.console.access import viewer_of
from merpati.console.cases.reader import Reader
from merpati.console.middleware import LANGUAGE_COOKIE
from merpati.console.services import services
from merpati.desk.case_errors import CaseNotFound
from merpati.desk.case_search import any_case
from merpati.desk.contact_links import LABEL, LinkExpired, LinkInvalid, read_page_token
from merpati.desk.models import Case, Contact
from merpati.desk.parties import customer_party


def by_link(answer: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Give a case's page to the contact whose link it is; a bad or old link says what to do."""

    def view(request: HttpRequest, token: str, **more: Any) -> HttpResponse:
        try:
            case, reader = _opened(token)
        except (LinkInvalid, LinkExpired) as error:
            context = {"is_expired": isinstance(error, LinkExpired)}
            return _private(render(request, "console/cases/link_over.html", context, status=404))
        if viewer_of(request) or LANGUAGE_COOKIE in request.COOKIES:
            return _private(answer(request, case, reader, **more))
        # Nobody chose a language: the one in which the email was written.
        with translation.override(case.language):
            response = answer(request, case, reader, **more)
        response["Content-Language"] = case.language
        return _private(response)

    return view


def _opened(token: str) -> tuple[Case, Reader]:
    """Return the case of a link and its reader. Raises LinkInvalid, LinkExpired, Http404."""
    link = read_page_token(services().secret_box.derive(LABEL), token, services().now)
    try:
        case = any_case(link.case_number)
    except CaseNotFound:
        raise Http404 from None
    contact = Contact.objects.filter(pk=link.contact_id, account=case.account_id).first()
    if contact is None:
        raise Http404
    by = customer_party(f"link:{contact.email}", contact.name, contact.email)
    return case, Reader(f"/c/{token}", by, is_member=False)


def _private(response: HttpResponse) -> HttpResponse:
    response["Cache-Control"] = "private, no-store"
    response["X-Robots-Tag"] = "noindex"
    return response
