"""Who belongs to an account, for its members; all users, for the staff."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef, Q, Subquery
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.http import require_POST

from merpati.accounts import privacy, users
from merpati.accounts.errors import (
    AlreadyMember,
    InvalidUser,
    LastOwner,
    MemberElsewhere,
    NotMember,
)
from merpati.accounts.models import Language, Membership, PrivacyAcknowledgement, User
from merpati.accounts.roles import Act, Role, StaffAct, StaffRole, member_may, staff_may
from merpati.console.access import Viewer, customer_page, staff_page
from merpati.console.services import services
from merpati.console.sign_in.mail import invite_by_mail
from merpati.console.words import ROLE

MOST = 200  # users a page lists


class InviteForm(forms.Form):
    """Whom to invite, as what."""

    email = forms.EmailField(
        label=gettext_lazy("Email address"),
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
    )
    name = forms.CharField(label=gettext_lazy("Name"), max_length=200)
    role = forms.ChoiceField(label=gettext_lazy("Role"))
    language = forms.ChoiceField(
        label=gettext_lazy("Language of the invitation"), choices=Language.choices
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["role"].choices = _roles()  # type: ignore[attr-defined]


@customer_page
def members(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """List the members of the viewer's account; an owner's POST invites somebody."""
    form = InviteForm(
        request.POST or None, initial={"language": viewer.language, "role": Role.DEVELOPER}
    )
    if request.method == "POST":
        account_id = _managed_account(request, viewer)
        if form.is_valid() and _invite(request, viewer, account_id, form):
            return redirect("members")
    return render(
        request,
        "console/people/members.html",
        {
            "account": viewer.account,
            "members": _members(viewer.account.pk),
            "roles": _roles(),
            "form": form,
            "may_change": _may_change(viewer),
            "viewer_id": viewer.user_id,
        },
        status=400 if form.errors else 200,
    )


@require_POST
@customer_page
def set_role(request: HttpRequest, viewer: Viewer, user_id: int) -> HttpResponse:
    """Change a member's role."""
    role = request.POST.get("role", "")
    return _change(
        request,
        viewer,
        lambda account_id, by, now: users.set_member_role(
            account_id, user_id, role, by=by, now=now
        ),
        gettext("The role was changed."),
    )


@require_POST
@customer_page
def remove(request: HttpRequest, viewer: Viewer, user_id: int) -> HttpResponse:
    """End a member's part in the account."""
    return _change(
        request,
        viewer,
        lambda account_id, by, now: users.remove_member(account_id, user_id, by=by, now=now),
        gettext("They are no longer a member."),
    )


@require_POST
@customer_page
def set_access(request: HttpRequest, viewer: Viewer, user_id: int) -> HttpResponse:
    """Keep a member out, at once and everywhere, or let them in again."""
    is_active = request.POST.get("access") == "on"
    return _change(
        request,
        viewer,
        lambda account_id, by, now: users.set_member_access(
            account_id, user_id, is_active, by=by, now=now
        ),
        gettext("They can sign in again.")
        if is_active
        else gettext("They can no longer sign in, and were signed out everywhere."),
    )


@staff_page
def everybody(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """List all users with their parts, and which privacy notice they agreed to."""
    if not staff_may(viewer.staff_role, StaffAct.SEE_USERS):
        raise PermissionDenied
    q = request.GET.get("q", "").strip()[:200]
    latest = PrivacyAcknowledgement.objects.filter(user=OuterRef("pk")).order_by("-pk")
    found = list(
        User.objects.filter(Q(name__icontains=q) | Q(email__icontains=q))
        .prefetch_related("memberships__account")
        .annotate(
            agreed_version=Subquery(latest.values("version")[:1]),
            agreed_at=Subquery(latest.values("acknowledged_at")[:1]),
            agreed_language=Subquery(latest.values("language")[:1]),
        )
        .order_by("email")[: MOST + 1]
    )
    for user in found:
        staff = [str(ROLE[StaffRole(user.staff_role)])] if user.staff_role else []
        parts = [f"{m.account.name} ({ROLE[Role(m.role)]})" for m in user.memberships.all()]
        user.parts = staff + parts  # type: ignore[attr-defined]
    return render(
        request,
        "console/people/all_users.html",
        {
            "users": found[:MOST],
            "is_cut": len(found) > MOST,
            "most": MOST,
            "q": q,
            "version": privacy.current_version(),
            "may_change": staff_may(viewer.staff_role, StaffAct.MANAGE_USERS),
        },
    )


def _members(account_id: int) -> Sequence[Membership]:
    elsewhere = Membership.objects.filter(user=OuterRef("user")).exclude(account=account_id)
    found = Membership.objects.filter(account_id=account_id).select_related("user")
    found = found.annotate(is_elsewhere=Exists(elsewhere))
    listed = list(found.order_by("user__name", "pk"))
    for member in listed:
        member.role_words = str(ROLE[Role(member.role)])  # type: ignore[attr-defined]
        member.has_password = member.user.has_usable_password()  # type: ignore[attr-defined]
    return listed


def _invite(request: HttpRequest, viewer: Viewer, account_id: int, form: InviteForm) -> bool:
    try:
        invite_by_mail(
            **form.cleaned_data,
            account_id=account_id,
            console_url=settings.CONSOLE_URL,
            by=viewer.actor,
            now=services().now,
        )
    except AlreadyMember:
        form.add_error("email", gettext("They are a member already."))
    except InvalidUser as error:
        form.add_error(error.field or None, error.message)
    else:
        messages.success(
            request,
            gettext("An email is on its way to %(email)s.") % {"email": form.cleaned_data["email"]},
        )
    return form.is_valid()


def _change(
    request: HttpRequest, viewer: Viewer, act: Callable[..., None], done: str
) -> HttpResponse:
    account_id = _managed_account(request, viewer)
    try:
        act(account_id, viewer.actor, services().now)
    except (NotMember, InvalidUser) as error:
        raise Http404 from error
    except LastOwner:
        messages.error(
            request,
            gettext("The account would have no owner: make somebody else its owner first."),
        )
    except MemberElsewhere:
        messages.error(
            request,
            gettext("They have a part elsewhere too: remove them from this account instead."),
        )
    else:
        messages.success(request, done)
    return redirect("members")


def _may_change(viewer: Viewer) -> bool:
    return viewer.part is not None and member_may(viewer.part.role, Act.MANAGE_MEMBERS)


def _managed_account(request: HttpRequest, viewer: Viewer) -> int:
    """Return the account that a form is of: another may be looked at by now, in another window.

    Raises Http404 for a stranger, PermissionDenied for who is no owner.
    """
    named = request.POST.get("account", "")
    if not named.isascii() or not named.isdigit() or len(named) > 18:
        raise Http404
    part = viewer.part_in(int(named))
    if not member_may(part.role, Act.MANAGE_MEMBERS):
        raise PermissionDenied
    return part.account.pk


def _roles() -> list[tuple[str, str]]:
    return [(role.value, str(ROLE[role])) for role in Role]
