"""`GET /api/merpati/v1/tam`: the account's Technical Account Manager, and when they are reachable.

Source: mission clause C2.
"""

from __future__ import annotations

from django.http import HttpResponse

from merpati.accounts.models import Account
from merpati.adapters import codec
from merpati.api.call import Call, json_response
from merpati.desk.case_errors import NoTam
from merpati.desk.tam import tam_document, tam_of


def show(call: Call) -> HttpResponse:
    """Return who it is, phone, email, and whether they can be reached now or when next."""
    found = tam_of(Account.objects.get(pk=call.account_id), call.now)
    if found is None:
        raise NoTam
    return json_response(codec.json_bytes({"results": tam_document(found)}))
