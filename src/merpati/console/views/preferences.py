"""The switches of every page: language, theme. They work without scripts, by POST and a cookie."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseRedirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from merpati.accounts.users import change_profile
from merpati.console.access import viewer_of
from merpati.console.middleware import LANGUAGE_COOKIE, THEME_COOKIE, THEMES
from merpati.console.services import services

_A_YEAR = 365 * 86_400


@require_POST
def language(request: HttpRequest) -> HttpResponse:
    """Show pages in the given language from now on."""
    wanted = request.POST.get("language", "")
    if wanted not in dict(settings.LANGUAGES):
        return HttpResponseBadRequest()
    viewer = viewer_of(request)
    if viewer is not None:  # their setting rules, also for mail
        change_profile(
            viewer.user_id,
            viewer.name,
            language=wanted,
            time_zone=viewer.zone.key,
            by=viewer.actor,
            now=services().now,
        )
    return _remembering(request, LANGUAGE_COOKIE, wanted)


@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    """Show pages light, dark, or as the device is."""
    wanted = request.POST.get("theme", "")
    if wanted not in THEMES:
        return HttpResponseBadRequest()
    return _remembering(request, THEME_COOKIE, wanted)


def back(request: HttpRequest, otherwise: str = "/") -> str:
    """Return the page of ours that a form came from, never another host's."""
    wanted = str(request.POST.get("next", ""))
    is_ours = url_has_allowed_host_and_scheme(wanted, allowed_hosts={request.get_host()})
    return wanted if is_ours else otherwise


def _remembering(request: HttpRequest, cookie: str, value: str) -> HttpResponse:
    response = HttpResponseRedirect(back(request))
    response.set_cookie(
        cookie,
        value,
        max_age=_A_YEAR,
        secure=bool(settings.SESSION_COOKIE_SECURE),
        httponly=True,
        samesite="Lax",
    )
    return response
