"""`GET /healthz`: this process is alive and answers. It asks nothing else, so it is cheap."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from merpati.api.call import json_response


def alive(request: HttpRequest) -> HttpResponse:
    """Say so."""
    return json_response(b'{"status":"ok"}')
