"""`/api/merpati/v1/sending-ips`: the account's dedicated IPs with their slots, and adding one.

Source: mission clause C1 (up to six per account); RFC 9457 for refusals.
"""

from __future__ import annotations

from typing import Any

import msgspec
from django.http import HttpResponse

from merpati.adapters import codec
from merpati.api.call import Call, json_response
from merpati.api.errors import ApiError, ErrorItem, refusal
from merpati.sending.errors import InvalidValue, PoolNotFound
from merpati.sending.models import SENDING_IPS_PER_ACCOUNT, SendingIp
from merpati.sending.sending_ips import add_sending_ip, sending_ips_of


class _NewIp(msgspec.Struct):
    external_ip: str | None = None
    hostname: str | None = None
    ip_pool: str | None = None
    auto_warmup_enabled: bool | None = None


# SparkPost's names on the wire; the actions have their own.
_POINTERS = {"address": "/external_ip", "hostname": "/hostname", "pool": "/ip_pool"}


def list_all(call: Call) -> HttpResponse:
    """Return the account's sending IPs by slot, and how many it may hold."""
    ips = [_shown(ip) for ip in sending_ips_of(call.account_id)]
    body = {"results": ips, "total_count": len(ips), "limit": SENDING_IPS_PER_ACCOUNT}
    return json_response(codec.json_bytes(body))


def add(call: Call) -> HttpResponse:
    """Assign an address to the account, in its lowest free slot; 409 when all six are taken."""
    wanted = call.json(_NewIp)
    address, hostname = _required(wanted)
    try:
        ip = add_sending_ip(
            call.account_id,
            address,
            hostname,
            by=call.actor,
            now=call.now,
            pool=wanted.ip_pool,
            warm_up=bool(wanted.auto_warmup_enabled),
        )
    except InvalidValue as error:
        raise refusal(422, error.message, pointer=_POINTERS.get(error.field, "")) from None
    except PoolNotFound as error:
        raise refusal(
            422, f"There is no pool '{error.pool}' in this account.", pointer="/ip_pool"
        ) from None
    return json_response(codec.json_bytes({"results": _shown(ip)}), 201)


def _required(wanted: _NewIp) -> tuple[str, str]:
    if wanted.external_ip and wanted.hostname:
        return wanted.external_ip, wanted.hostname
    missing = [name for name in ("external_ip", "hostname") if not getattr(wanted, name)]
    raise ApiError(
        422,
        tuple(ErrorItem(f"{name} is required.", pointer=f"/{name}") for name in missing),
    )


def _shown(ip: SendingIp) -> dict[str, Any]:
    return {
        "external_ip": ip.address,
        "hostname": ip.hostname,
        "slot": ip.slot,
        "ip_pool": ip.pool.slug,
        "auto_warmup_enabled": ip.auto_warmup_enabled,
        "auto_warmup_stage": ip.auto_warmup_stage if ip.auto_warmup_enabled else None,
        "created_at": ip.created_at.isoformat(timespec="seconds"),
    }
