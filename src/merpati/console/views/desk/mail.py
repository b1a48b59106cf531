"""`/desk/mail`: mail that waits for a person to say whose it is, and storms that were held back."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

from merpati.accounts.models import Account, AuditEntry, Membership
from merpati.console.access import Viewer, staff_page
from merpati.console.desk.forms import Refused, answered, number_in
from merpati.console.desk.mail_reasons import reason_in_words
from merpati.console.desk.paging import number_in as number_or_none
from merpati.console.services import services
from merpati.desk.case_errors import InvalidCase
from merpati.desk.mail import sorting
from merpati.desk.models import Contact, MailState, ReceivedMail

PATH = "/desk/mail"
PER_PAGE = 25
STORMS = 10
STORM = "mail_storm"  # as the audit trail names it
_STATES = {"waiting": MailState.UNASSIGNED, "filed": MailState.FILED}


@staff_page
def show(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """List the mail that is kept apart, the newest first."""
    return _page(request)


@staff_page
@require_POST
def attach(request: HttpRequest, viewer: Viewer, mail_id: int) -> HttpResponse:
    """Add a mail to a case as its author's message."""
    by = viewer.as_desk()

    def act() -> str:
        number = number_in(request, "number", InvalidCase)
        sorting.attach_mail(mail_id, number, by=by, now=services().now)
        update = sorting.find_mail(mail_id).update
        if update is not None and update.is_internal:
            return gettext(
                "Added to case %(number)d as a note: it is from one of the desk. Answer the "
                "customer in the case."
            ) % {"number": number}
        return gettext("Added to case %(number)d.") % {"number": number}

    return _answered(request, mail_id, act)


@staff_page
@require_POST
def open_case(request: HttpRequest, viewer: Viewer, mail_id: int) -> HttpResponse:
    """Open a case of an account with a mail."""
    by = viewer.as_desk()

    def act() -> str:
        account = Account.objects.filter(pk=number_in(request, "account", InvalidCase)).first()
        if account is None:
            raise InvalidCase("There is no such account.", "account")
        sources, now = services().evidence, services().now
        case = sorting.open_from_mail(mail_id, account, sources=sources, by=by, now=now)
        return gettext("Opened case %(number)d.") % {"number": case.pk}

    return _answered(request, mail_id, act)


@staff_page
@require_POST
def reject(request: HttpRequest, viewer: Viewer, mail_id: int) -> HttpResponse:
    """Set a mail aside for good."""
    by = viewer.as_desk()

    def act() -> str:
        reason = request.POST.get("reason", "")
        sorting.reject_mail(mail_id, reason, by=by, now=services().now)
        return gettext("Set aside; the mail is kept.")

    return _answered(request, mail_id, act)


def _accounts_known_to(mails: Iterable[ReceivedMail]) -> dict[str, list[Account]]:
    """Return in which open accounts the senders of mails are contacts or members. Two queries."""
    senders = {mail.from_email for mail in mails if mail.proof}
    contacts = Contact.objects.filter(email__in=senders, account__closed_at=None)
    members = Membership.objects.filter(user__email__in=senders, account__closed_at=None)
    known: dict[str, dict[int, Account]] = {}
    for email, account in (
        *((contact.email, contact.account) for contact in contacts.select_related("account")),
        *((m.user.email, m.account) for m in members.select_related("account", "user")),
    ):
        known.setdefault(email, {})[account.pk] = account
    return {
        email: sorted(accounts.values(), key=lambda account: account.name)
        for email, accounts in known.items()
    }


def _answered(request: HttpRequest, mail_id: int, act: Callable[[], str]) -> HttpResponse:
    if not ReceivedMail.objects.filter(pk=mail_id).exists():
        raise Http404
    return answered(request, act, to=PATH, page=lambda refused: _page(request, refused, mail_id))


def _page(
    request: HttpRequest, refused: Refused | None = None, mail_id: int | None = None
) -> HttpResponse:
    state = request.GET.get("state", "")
    state = state if state in _STATES else "waiting"
    found = ReceivedMail.objects.filter(state=_STATES[state]).order_by("-id")
    if (before := number_or_none(request.GET.get("before", ""))) is not None:
        found = found.filter(pk__lt=before)
    mails = list(found[: PER_PAGE + 1])
    known = _accounts_known_to(mails)
    for mail in mails:
        mail.why = reason_in_words(mail.reason)  # type: ignore[attr-defined]
        mail.of_accounts = known.get(mail.from_email, []) if mail.proof else []  # type: ignore[attr-defined]
    context: dict[str, Any] = {
        "state": state,
        "mails": mails[:PER_PAGE],
        "next": mails[PER_PAGE - 1].pk if len(mails) > PER_PAGE else None,
        "storms": list(AuditEntry.objects.filter(action=STORM).order_by("-id")[:STORMS]),
        "accounts": list(Account.objects.filter(closed_at=None).order_by("name")),
        "refused": refused,
        "refused_mail": mail_id,
    }
    return render(request, "console/desk/mail.html", context)
