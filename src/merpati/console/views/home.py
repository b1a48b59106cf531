"""The first page: what needs the viewer, and whom they can reach."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from merpati.console.access import Viewer, signed_in_page


@signed_in_page
def show(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Show what waits for the viewer."""
    return render(request, "console/home.html")
