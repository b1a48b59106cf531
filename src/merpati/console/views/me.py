"""Your own pages: how you are named and written to, and where you are signed in."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth import logout
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils.translation import gettext, override

from merpati.accounts.errors import InvalidUser
from merpati.accounts.users import change_profile
from merpati.console.access import Viewer, signed_in_page
from merpati.console.services import services
from merpati.console.sign_in.sessions import end_sessions, sessions_of
from merpati.console.views.invitation import ProfileForm


@signed_in_page
def show(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Show and change name, language and zone."""
    form = ProfileForm(
        request.POST or None,
        initial={"name": viewer.name, "language": viewer.language, "time_zone": viewer.zone.key},
    )
    if form.is_valid():
        try:
            user = change_profile(
                viewer.user_id, **form.cleaned_data, by=viewer.actor, now=services().now
            )
        except InvalidUser as error:
            form.add_error(error.field, error.message)
        else:
            with override(user.language):
                messages.success(request, gettext("Saved."))
            return redirect("me")
    status = 400 if form.errors else 200
    return render(request, "console/people/me.html", {"form": form}, status=status)


@signed_in_page
def sessions(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """List where the viewer is signed in; POST ends one session, or all."""
    if request.method == "POST":
        return _end(request, viewer, request.POST.get("session", ""))
    found = sessions_of(viewer.user_id, request.session.session_key, services().now)
    return render(request, "console/people/sessions.html", {"sessions": found})


def _end(request: HttpRequest, viewer: Viewer, which: str) -> HttpResponseRedirect:
    if which == "all":
        end_sessions(viewer.user_id)
        logout(request)
        messages.success(request, gettext("You are signed out everywhere."))
        return redirect("account_login")
    if not which.isascii() or not which.isdigit() or len(which) > 18:
        raise Http404
    if not end_sessions(viewer.user_id, [int(which)]):
        raise Http404  # somebody else's, or over
    messages.success(request, gettext("That session is over."))
    return redirect("sessions")
