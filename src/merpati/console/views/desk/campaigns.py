"""`/desk/accounts/N/campaigns`: what the account's people see of their campaigns, for the desk."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from merpati.accounts.models import Account
from merpati.console.access import Viewer, staff_page
from merpati.console.campaigns import context


@staff_page
def show_all(request: HttpRequest, viewer: Viewer, account_id: int) -> HttpResponse:
    """List an account's campaigns of which mail waits."""
    account = Account.objects.filter(pk=account_id).first()
    if account is None:
        raise Http404
    return render(request, "console/campaigns.html", {"account": account, **context(account)})
