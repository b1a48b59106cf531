"""SparkPost's calls on sending IPs: reading, moving between pools, warm-up.

Adding one is ours alone: `api/own/sending_ips.py`. Source: sparkpost-api 13.
"""

from __future__ import annotations

from typing import Any

import msgspec
from django.http import HttpResponse

from merpati.api.call import Call, results
from merpati.api.errors import refusal
from merpati.sending.errors import InvalidValue, PoolNotFound
from merpati.sending.models import SendingIp
from merpati.sending.sending_ips import find_sending_ip, sending_ips_of, update_sending_ip


class _Update(msgspec.Struct):
    ip_pool: str | None = None
    auto_warmup_enabled: bool | None = None
    auto_warmup_stage: int | None = None


def list_all(call: Call) -> HttpResponse:
    """Return the account's sending IPs."""
    return results([_shown(ip) for ip in sending_ips_of(call.account_id)])


def show(call: Call, address: str) -> HttpResponse:
    """Return one sending IP."""
    try:
        return results(_shown(find_sending_ip(call.account_id, address)))
    except InvalidValue as error:
        raise _no_address(error) from None


def update(call: Call, address: str) -> HttpResponse:
    """Move an IP to another pool, or change its warm-up."""
    wanted = call.json(_Update)
    try:
        update_sending_ip(
            call.account_id,
            address,
            by=call.actor,
            now=call.now,
            pool=wanted.ip_pool,
            auto_warmup_enabled=wanted.auto_warmup_enabled,
            auto_warmup_stage=wanted.auto_warmup_stage,
        )
    except InvalidValue as error:
        raise _no_address(error) from None
    except PoolNotFound as error:
        raise refusal(
            422, "Subresource not found", f"ip_pool '{error.pool}' does not exist", "1603"
        ) from None
    return results({"message": "Updated Sending IP."})


def in_pool(ip: SendingIp) -> dict[str, Any]:
    """Return an IP as SparkPost shows it inside its pool."""
    shown: dict[str, Any] = {
        "external_ip": ip.address,
        "hostname": ip.hostname,
        "auto_warmup_enabled": ip.auto_warmup_enabled,
    }
    if ip.auto_warmup_enabled:
        shown["auto_warmup_stage"] = ip.auto_warmup_stage
    return shown


def _shown(ip: SendingIp) -> dict[str, Any]:
    return {**in_pool(ip), "ip_pool": ip.pool.slug, "customer_provided": False}


def _no_address(error: InvalidValue) -> Exception:
    return refusal(400, error.message, "", "1200")
