"""`/warm-up` and `/alerts`: how sending IPs warm up, and what an account's people should know."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_POST

from merpati.console.access import Viewer, customer_page
from merpati.console.services import services
from merpati.console.warmup.alerts import in_words
from merpati.console.warmup.page import ip_context, list_context
from merpati.events.alerts import AlertNotFound, alerts_of, mark_seen


@customer_page
def show_all(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """List the account's sending IPs with how each warms up."""
    context = {"base": "/warm-up", **list_context(viewer.account.pk)}
    return render(request, "console/warmup/list.html", context)


@customer_page
def show(request: HttpRequest, viewer: Viewer, address: str) -> HttpResponse:
    """Show an IP's providers over the last 30 days, and why each may send what it may."""
    context = {"base": "/warm-up", **ip_context(viewer.account.pk, address)}
    return render(request, "console/warmup/ip.html", context)


@customer_page
def show_alerts(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """List the account's alerts, what lasts first."""
    rows = [(alert, in_words(alert)) for alert in alerts_of([viewer.account.pk])]
    return render(request, "console/warmup/alerts.html", {"base": "/alerts", "rows": rows})


@customer_page
@require_POST
def alert_seen(request: HttpRequest, viewer: Viewer, alert_id: int) -> HttpResponse:
    """Record that somebody of the account saw an alert."""
    try:
        mark_seen(viewer.account.pk, alert_id, by=viewer.actor, now=services().now)
    except AlertNotFound:
        raise Http404 from None
    return HttpResponseRedirect("/alerts")
