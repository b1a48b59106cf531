"""The page behind an invitation's link: name, password, language, zone; then they are signed in."""

from __future__ import annotations

from typing import Any
from zoneinfo import available_timezones

from allauth.account.internal.flows.login import perform_password_login
from allauth.account.models import Login
from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy

from merpati.accounts import invitations, users
from merpati.accounts.errors import InvalidUser, InvitationInvalid
from merpati.accounts.models import Language
from merpati.console.middleware import ZONE_COOKIE
from merpati.console.services import services


class ProfileForm(forms.Form):
    """How somebody is named and written to."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=200,
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    language = forms.ChoiceField(label=gettext_lazy("Language"), choices=Language.choices)
    time_zone = forms.ChoiceField(
        label=gettext_lazy("Time zone"),
        help_text=gettext_lazy("Times on pages and in mail are shown in it."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Made each time: the list is the system's, and takes a millisecond.
        names = sorted(available_timezones())
        self.fields["time_zone"].choices = [(name, name) for name in names]  # type: ignore[attr-defined]


class AcceptForm(ProfileForm):
    """The profile, and a password: shown once, so that paste and password managers suffice."""

    password = forms.CharField(
        label=gettext_lazy("Password"),
        strip=False,
        max_length=1_000,
        help_text=gettext_lazy("At least 10 characters. A sentence is good."),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    field_order = ("password", "name", "language", "time_zone")


def accept(request: HttpRequest, token: str) -> HttpResponse:
    """Show the form of an invitation; POST uses it up and signs in."""
    try:
        invited = invitations.find(token, services().now).user
        if request.method != "POST":
            zone = request.COOKIES.get(ZONE_COOKIE) or invited.time_zone
            form = AcceptForm(
                initial={"name": invited.name, "language": invited.language, "time_zone": zone}
            )
            return _page(request, {"form": form, "invited": invited})
        form = AcceptForm(request.POST)
        if form.is_valid():
            try:
                user = users.accept_invitation(token, **form.cleaned_data, now=services().now)
            except InvalidUser as error:
                form.add_error(error.field, error.message)
            else:
                login = Login(user=user, email=user.email)
                return perform_password_login(request, {"email": user.email}, login)  # type: ignore[no-any-return]
    except InvitationInvalid:
        return render(request, "console/sign_in/invitation_over.html", status=410)
    return _page(request, {"form": form, "invited": invited}, status=400)


def _page(request: HttpRequest, context: dict[str, Any], status: int = 200) -> HttpResponse:
    return render(request, "console/sign_in/invitation.html", context, status=status)
