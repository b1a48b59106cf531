"""Search and jump: one page that finds pages and cases, the palette that shows it, shortcuts."""

from __future__ import annotations

import re

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_POST

from merpati.console.access import Viewer, signed_in_page
from merpati.console.middleware import SHORTCUTS_COOKIE
from merpati.console.navigation import links
from merpati.console.views.preferences import back
from merpati.desk.case_search import Wanted
from merpati.desk.models import Case

FOUND = 8
_NUMBER = re.compile(r"#?([0-9]{1,18})")
_A_YEAR = 365 * 86_400


@signed_in_page
def show(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Show what the words lead to; the number of a case leads straight there.

    The palette asks for the list alone (`HX-Request`).
    """
    words = request.GET.get("q", "").strip()[:200]
    is_palette = request.headers.get("HX-Request") == "true"
    base = "/cases" if viewer.parts else "/desk/cases"
    cases = _cases(viewer, words)
    number = _NUMBER.fullmatch(words)
    if number and not is_palette and any(case.pk == int(number[1]) for case in cases):
        return HttpResponseRedirect(f"{base}/{int(number[1])}")
    context = {
        "search_words": words,
        "pages": [
            link
            for link in links(viewer, request.path)
            if not words or words.casefold() in link.title.casefold()
        ],
        "cases": cases,
        "base": base,
    }
    name = "console/parts/found.html" if is_palette else "console/search.html"
    return render(request, name, context)


@signed_in_page
def shortcuts(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Show the keys that pages know, and the switch that turns single keys off (WCAG 2.1.4)."""
    return render(request, "console/shortcuts.html")


@require_POST
@signed_in_page
def switch_shortcuts(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Turn single-key shortcuts off or on."""
    response = HttpResponseRedirect(back(request, "/shortcuts"))
    response.set_cookie(
        SHORTCUTS_COOKIE,
        "on" if request.POST.get("shortcuts") == "on" else "off",
        max_age=_A_YEAR,
        secure=bool(settings.SESSION_COOKIE_SECURE),
        httponly=True,
        samesite="Lax",
    )
    return response


def _cases(viewer: Viewer, words: str) -> list[Case]:
    """Return cases by number or words: of the account that is looked at, for the desk of all."""
    if not words:
        return []
    account_id = viewer.account.pk if viewer.parts else None
    if number := _NUMBER.fullmatch(words):
        found = Case.objects.filter(pk=int(number[1]))
        of_viewer = found if account_id is None else found.filter(account_id=account_id)
        if exact := list(of_viewer):
            return exact
    return Wanted(account_id, words=words, is_visible=account_id is not None).page(FOUND)
