"""The desk's side of warm-up: each account's IPs, a TAM's own decision, alerts of all accounts."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_POST

from merpati.accounts.models import Account
from merpati.accounts.roles import StaffAct, staff_may
from merpati.console.access import Viewer, staff_page
from merpati.console.desk.who import check_may
from merpati.console.services import services
from merpati.console.warmup.alerts import in_words
from merpati.console.warmup.page import ip_context, ip_of, list_context
from merpati.events.alerts import AlertNotFound, alerts_of, mark_seen
from merpati.events.models import Alert
from merpati.plans.warmup import actions
from merpati.sending.errors import InvalidValue


@staff_page
def show_all(request: HttpRequest, viewer: Viewer, account_id: int) -> HttpResponse:
    """List an account's sending IPs with how each warms up."""
    context = {**_shared(account_id), **list_context(account_id)}
    return render(request, "console/warmup/list.html", context)


@staff_page
def show(request: HttpRequest, viewer: Viewer, account_id: int, address: str) -> HttpResponse:
    """Show an IP's providers; TAMs decide here by hand."""
    return _page(request, viewer, account_id, address)


@staff_page
@require_POST
def override(request: HttpRequest, viewer: Viewer, account_id: int, address: str) -> HttpResponse:
    """Have a person's number hold at a provider, with its reason."""
    check_may(viewer, StaffAct.LOOK_AFTER_ACCOUNTS)
    ip_of(account_id, address)
    try:
        made = actions.override(
            account_id,
            address,
            request.POST.get("provider", ""),
            _number(request, "messages"),
            request.POST.get("reason", ""),
            days=_number(request, "days"),
            by=viewer.actor,
            now=services().now,
        )
    except InvalidValue as error:
        return _page(request, viewer, account_id, address, _refused(error.field))
    words = ngettext(
        "%(provider)s may get %(messages)s message a day from %(address)s now.",
        "%(provider)s may get %(messages)s messages a day from %(address)s now.",
        made.messages,
    )
    facts = {"provider": made.provider, "messages": made.messages, "address": address}
    messages.success(request, words % facts)
    return HttpResponseRedirect(f"/desk/accounts/{account_id}/warm-up/{address}")


@staff_page
def show_alerts(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """List the alerts of all accounts, what lasts first."""
    rows = [(alert, in_words(alert)) for alert in alerts_of(None)]
    context = {"base": "/desk/alerts", "rows": rows, "of_all": True}
    return render(request, "console/warmup/alerts.html", context)


@staff_page
@require_POST
def alert_seen(request: HttpRequest, viewer: Viewer, alert_id: int) -> HttpResponse:
    """Record that somebody of the desk saw an alert."""
    account_id = Alert.objects.filter(pk=alert_id).values_list("account_id", flat=True).first()
    try:
        mark_seen(account_id or 0, alert_id, by=viewer.actor, now=services().now)
    except AlertNotFound:
        raise Http404 from None
    return HttpResponseRedirect("/desk/alerts")


def _page(
    request: HttpRequest, viewer: Viewer, account_id: int, address: str, refused: str = ""
) -> HttpResponse:
    context = {
        **_shared(account_id),
        **ip_context(account_id, address),
        "may_override": staff_may(viewer.staff_role, StaffAct.LOOK_AFTER_ACCOUNTS),
        "refused": refused,
        "given": request.POST.dict() if refused else {"days": "1"},
    }
    status = 422 if refused else 200
    return render(request, "console/warmup/ip.html", context, status=status)


def _shared(account_id: int) -> dict[str, object]:
    account = Account.objects.filter(pk=account_id).first()
    if account is None:
        raise Http404
    return {"base": f"/desk/accounts/{account_id}/warm-up", "account": account}


def _number(request: HttpRequest, field: str) -> int:
    text = request.POST.get(field, "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else -1


def _refused(field: str) -> str:
    words = {
        "provider": gettext("Choose a provider of the list."),
        "messages": gettext("Write how many messages a day, 0 to 100 million."),
        "days": gettext("Write how many days, 1 to 30."),
        "reason": gettext("Say why, in at most 500 characters: it is kept with the number."),
    }
    return words.get(field, gettext("This IP does not warm up by provider."))
