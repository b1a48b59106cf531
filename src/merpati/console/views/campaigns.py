"""`/campaigns`: when the last messages of an account's campaigns leave, and what holds them."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from merpati.console.access import Viewer, customer_page
from merpati.console.campaigns import context


@customer_page
def show_all(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """List the account's campaigns of which mail waits."""
    return render(request, "console/campaigns.html", context(viewer.account))
