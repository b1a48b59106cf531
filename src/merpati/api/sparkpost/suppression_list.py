"""`/api/v1/suppression-list`: whom an account does not send to. Source: sparkpost-api 9.

Old clients name the recipient `email` and the types by two booleans; both forms go in, and both
come out.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import msgspec
from django.http import HttpResponse, QueryDict

from merpati.adapters import codec
from merpati.api.call import Call, decode, json_response, no_content, results
from merpati.api.errors import refusal
from merpati.api.sparkpost.suppression_query import PATH, Asked, read_query, suppression_type
from merpati.sending.errors import SuppressionNotFound
from merpati.sending.models import Suppression, SuppressionSource, SuppressionType
from merpati.sending.suppression import Entry, suppress_all, unsuppress
from merpati.sending.suppression_search import count, count_by_source, find

ENTRIES_PER_CALL = 10_000
UPDATED = {"message": "Suppression List successfully updated"}


class _Entry(msgspec.Struct):
    recipient: str | None = None
    email: str | None = None  # old form of `recipient`
    type: str | None = None
    transactional: bool | None = None  # old form of `type`
    non_transactional: bool | None = None
    description: str | None = None
    list_id: str | None = None


class _Entries(msgspec.Struct):
    recipients: list[_Entry] | None = None


class _Removal(msgspec.Struct):
    type: str | None = None


def update_many(call: Call) -> HttpResponse:
    """Put up to 10,000 entries on the list, all or none."""
    wanted = call.json(_Entries).recipients
    if not wanted:
        raise refusal(422, "required field is missing", "recipients is a required field", "1400")
    if len(wanted) > ENTRIES_PER_CALL:
        raise refusal(
            400,
            "invalid params",
            f"recipients: at most {ENTRIES_PER_CALL} entries a call, not {len(wanted)}",
            "1200",
        )
    return _suppress(
        call, [new for entry in wanted for new in _new(entry, entry.recipient or entry.email or "")]
    )


def update(call: Call, recipient: str) -> HttpResponse:
    """Put one address on the list."""
    return _suppress(call, _new(call.json(_Entry), recipient))


def list_all(call: Call) -> HttpResponse:
    """Return the entries that a query asks for, by pages."""
    asked = read_query(call.header("QUERY_STRING"))
    return _page(asked, find(call.account_id, asked.wanted, asked.part), call)


def show(call: Call, recipient: str) -> HttpResponse:
    """Return the entries of one address."""
    path = f"{PATH}/{quote(recipient, safe='@')}"
    asked = read_query(call.header("QUERY_STRING"), recipient, path)
    entries = find(call.account_id, asked.wanted, asked.part)
    if not entries:
        raise SuppressionNotFound(recipient)
    return _page(asked, entries, call)


def delete(call: Call, recipient: str) -> HttpResponse:
    """Take an address off the list: of one type or both, of one list or all."""
    body = call.body()
    wanted = decode(body, codec.json_reader(_Removal)) if body.strip() else _Removal()
    unsuppress(
        call.account_id,
        recipient,
        by=call.actor,
        now=call.now,
        kind=None if wanted.type is None else suppression_type(wanted.type),
        list_id=QueryDict(call.header("QUERY_STRING")).get("list_id"),
    )
    return no_content()


def summary(call: Call) -> HttpResponse:
    """Return how many entries each source made."""
    counts = count_by_source(call.account_id)
    named = {source.value.lower().replace(" ", "_"): number for source, number in counts.items()}
    return results(named | {"total": sum(counts.values())})


def _suppress(call: Call, entries: list[Entry]) -> HttpResponse:
    source = SuppressionSource.MANUALLY_ADDED
    suppress_all(call.account_id, entries, source, by=call.actor, now=call.now)
    return results(UPDATED)


def _new(entry: _Entry, recipient: str) -> list[Entry]:
    """Return what an entry of either form asks for; a boolean `false` asks for nothing."""
    return [
        Entry(recipient, kind, entry.description or "", entry.list_id or "")
        for kind in _types(entry)
    ]


def _types(entry: _Entry) -> list[SuppressionType]:
    if entry.type is not None:
        return [suppression_type(entry.type)]
    flags = {
        SuppressionType.TRANSACTIONAL: entry.transactional,
        SuppressionType.NON_TRANSACTIONAL: entry.non_transactional,
    }
    if all(flag is None for flag in flags.values()):
        raise refusal(400, "Must supply a suppression type")
    return [kind for kind, flag in flags.items() if flag]


def _page(asked: Asked, entries: list[Suppression], call: Call) -> HttpResponse:
    total = count(call.account_id, asked.wanted)
    links = asked.links(entries, total)
    shown = entries if asked.page is not None else entries[: asked.part.limit - 1]
    return json_response(
        codec.json_bytes(
            {"results": [_shown(entry) for entry in shown], "links": links, "total_count": total}
        )
    )


def _shown(entry: Suppression) -> dict[str, Any]:
    shown = {
        "recipient": entry.recipient,
        "type": entry.type,
        "source": entry.source,
        "description": entry.description,
        "created": entry.created_at.isoformat(timespec="seconds"),
        "updated": entry.updated_at.isoformat(timespec="seconds"),
        entry.type: True,  # the old form
    }
    if entry.list_id:
        shown["list_id"] = entry.list_id
    return shown
