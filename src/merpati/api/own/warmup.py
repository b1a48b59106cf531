"""`/api/merpati/v1/warmup`: how the account's sending IPs warm up by mailbox provider, and why."""

from __future__ import annotations

import msgspec
from django.http import HttpResponse

from merpati.api.call import Call, results
from merpati.api.errors import refusal
from merpati.api.services import services
from merpati.plans.warmup import actions
from merpati.plans.warmup.document import ip_document, settings_document
from merpati.plans.warmup.overview import overview
from merpati.sending.errors import InvalidValue
from merpati.sending.models import SendingIp
from merpati.sending.sending_ips import find_sending_ip, sending_ips_of


class _Settings(msgspec.Struct):
    """way: "provider", "stages", or "none": the IP counts as warm."""

    way: str
    engaged_within_days: int | None = None


class _Target(msgspec.Struct):
    target: int | None = None


def list_all(call: Call) -> HttpResponse:
    """Return how each of the account's IPs warms up; its providers stand with the single IP."""
    return results([settings_document(ip) for ip in sending_ips_of(call.account_id)])


def show(call: Call, address: str) -> HttpResponse:
    """Return an IP's last 30 days by provider: allowance, sent, refused, and the reasons."""
    ip = find_sending_ip(call.account_id, address)
    (shown,) = overview(services().evidence.events, [ip], call.now)
    return results(ip_document(shown, names_people=False))


def change(call: Call, address: str) -> HttpResponse:
    """Have an IP warm up by provider or by stages, or count as warm."""
    wanted = call.json(_Settings)
    find_sending_ip(call.account_id, address)
    try:
        ip = _change(call, address, wanted)
    except InvalidValue as error:
        raise refusal(422, error.message, pointer=f"/{error.field}") from None
    return results(settings_document(ip))


def _change(call: Call, address: str, wanted: _Settings) -> SendingIp:
    if wanted.way == "none":
        return actions.stop(call.account_id, address, by=call.actor, now=call.now)
    if wanted.way not in {"provider", "stages"}:
        raise InvalidValue('way is "provider", "stages" or "none"', "way")
    return actions.start(
        call.account_id,
        address,
        by_stages=wanted.way == "stages",
        engaged_within_days=wanted.engaged_within_days,
        by=call.actor,
        now=call.now,
    )


def set_target(call: Call, address: str, provider: str) -> HttpResponse:
    """Set how many messages a day an IP is to carry to a provider; null: go by what is sent."""
    find_sending_ip(call.account_id, address)
    wanted = call.json(_Target).target
    try:
        name = actions.set_target(
            call.account_id, address, provider, wanted, by=call.actor, now=call.now
        )
    except InvalidValue as error:
        raise refusal(422, error.message, pointer=f"/{error.field}") from None
    return results({"external_ip": address, "provider": name, "target": wanted})
