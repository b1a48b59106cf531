"""`/users/staff`: who serves all accounts, for administrators: inviting, roles, keeping out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.http import require_POST

from merpati.accounts import users
from merpati.accounts.errors import InvalidUser, LastAdministrator, LastOwner, UserNotFound
from merpati.accounts.models import Language, User
from merpati.accounts.roles import StaffAct, StaffRole, staff_may
from merpati.console.access import Viewer, staff_page
from merpati.console.services import services
from merpati.console.sign_in.mail import invite_by_mail
from merpati.console.words import ROLE
from merpati.desk import people
from merpati.desk.case_errors import InvalidPerson
from merpati.desk.models import Person

_OF_THE_DESK = {StaffRole.TAM, StaffRole.REPRESENTATIVE}


class InviteForm(forms.Form):
    """Whom to invite into the staff, as what."""

    email = forms.EmailField(
        label=gettext_lazy("Email address"),
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
    )
    name = forms.CharField(label=gettext_lazy("Name"), max_length=200)
    role = forms.ChoiceField(label=gettext_lazy("Role"))
    phone = forms.CharField(
        label=gettext_lazy("Phone"),
        required=False,
        max_length=30,
        help_text=gettext_lazy("Customers ring a TAM here: with its country, as +62 21 5550 100."),
        widget=forms.TextInput(attrs={"type": "tel", "autocomplete": "off"}),
    )
    language = forms.ChoiceField(
        label=gettext_lazy("Language of the invitation"), choices=Language.choices
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["role"].choices = _roles()  # type: ignore[attr-defined]


@staff_page
def show(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """List the staff; a POST invites somebody."""
    _check(viewer)
    initial = {"language": viewer.language, "role": StaffRole.REPRESENTATIVE}
    form = InviteForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid() and _invite(request, viewer, form):
        return redirect("staff")
    return render(
        request,
        "console/people/staff.html",
        {"users": _staff(), "roles": _roles(), "form": form},
        status=400 if form.errors else 200,
    )


@staff_page
@require_POST
def set_role(request: HttpRequest, viewer: Viewer, user_id: int) -> HttpResponse:
    """Give one of the staff another role, or none any more."""
    _check(viewer)
    role = request.POST.get("role", "")
    user = _one_of_the_staff(user_id)
    if role in _OF_THE_DESK and not Person.objects.filter(email=user.email).exists():
        messages.error(
            request,
            gettext("Invite them as that instead: the desk needs a phone and a language of them."),
        )
        return redirect("staff")
    return _change(
        request,
        lambda: users.set_staff_role(user_id, role, by=viewer.actor, now=services().now),
        gettext("The role was changed."),
    )


@staff_page
@require_POST
def set_access(request: HttpRequest, viewer: Viewer, user_id: int) -> HttpResponse:
    """Keep a user out, at once, or let them in again; back to the list that asked."""
    _check(viewer)
    user = User.objects.filter(pk=user_id).first()
    if user is None:
        raise Http404
    act = users.enable_user if request.POST.get("access") == "on" else users.disable_user
    said = (
        gettext("%(name)s can sign in again.")
        if act is users.enable_user
        else gettext("%(name)s can no longer sign in, and was signed out everywhere.")
    )
    return _change(
        request,
        lambda: act(user_id, by=viewer.actor, now=services().now),
        said % {"name": user.name},
        "all-users" if request.POST.get("list") == "all" else "staff",
    )


def _staff() -> list[User]:
    found = list(User.objects.exclude(staff_role="").order_by("name", "pk"))
    for user in found:
        user.has_password = user.has_usable_password()  # type: ignore[attr-defined]
    return found


def _invite(request: HttpRequest, viewer: Viewer, form: InviteForm) -> bool:
    given, now = form.cleaned_data, services().now
    email = given["email"].strip().lower()
    try:
        with transaction.atomic():
            if given["role"] in _OF_THE_DESK and not Person.objects.filter(email=email).exists():
                people.add_person(
                    *(given["name"], email),
                    role=given["role"],
                    language=given["language"],
                    phone=given["phone"],
                    by=viewer.actor,
                    now=now,
                )
            invite_by_mail(
                *(email, given["name"]),
                staff_role=given["role"],
                language=given["language"],
                console_url=settings.CONSOLE_URL,
                by=viewer.actor,
                now=now,
            )
    except InvalidPerson as error:
        form.add_error(
            "phone" if error.field == "phone" else None,
            gettext("Write the phone number with its country, as +62 21 5550 100.")
            if error.field == "phone"
            else error.message,
        )
    except LastAdministrator:
        form.add_error("role", _last_administrator())
    except InvalidUser as error:
        form.add_error(error.field or None, error.message)
    else:
        messages.success(
            request, gettext("An email is on its way to %(email)s.") % {"email": email}
        )
    return form.is_valid()


def _change(
    request: HttpRequest, act: Callable[[], None], done: str, to: str = "staff"
) -> HttpResponse:
    try:
        act()
    except (UserNotFound, InvalidUser) as error:
        raise Http404 from error
    except LastAdministrator:
        messages.error(request, _last_administrator())
    except LastOwner:
        messages.error(
            request,
            gettext("The account would have no owner: make somebody else its owner first."),
        )
    else:
        messages.success(request, done)
    return redirect(to)


def _one_of_the_staff(user_id: int) -> User:
    user = User.objects.exclude(staff_role="").filter(pk=user_id).first()
    if user is None:
        raise Http404
    return user


def _last_administrator() -> str:
    return gettext("Nobody would be left to administer: make somebody else administrator first.")


def _check(viewer: Viewer) -> None:
    if not staff_may(viewer.staff_role, StaffAct.MANAGE_USERS):
        raise PermissionDenied


def _roles() -> list[tuple[str, str]]:
    return [(role.value, str(ROLE[role])) for role in StaffRole]
