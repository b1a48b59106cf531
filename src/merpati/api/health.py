"""`GET /healthz`: this process is alive. `GET /readyz`: new mail would be accepted now.

The first asks nothing else, so it is cheap and says nothing of the others. The second asks the
control database and every worker; its 503 names what is not ready, and why.
"""

from __future__ import annotations

from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse

from merpati.adapters import codec
from merpati.api.call import json_response
from merpati.api.services import services
from merpati.api.watch import unready


def alive(request: HttpRequest) -> HttpResponse:
    """Say so."""
    return json_response(b'{"status":"ok"}')


def ready(request: HttpRequest) -> HttpResponse:
    """Answer 200 when mail would be accepted, else 503 with the reasons."""
    watch = services().watch
    faults = _database_faults() + list(unready(watch) if watch else ())
    document = {
        "status": "not ready" if faults else "ready",
        "not_ready": [{"part": part, "reason": reason} for part, reason in faults],
    }
    return json_response(codec.json_bytes(document), 503 if faults else 200)


def _database_faults() -> list[tuple[str, str]]:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM accounts_account LIMIT 1")
            cursor.fetchall()
    except DatabaseError as error:
        return [("control database", str(error))]
    return []
