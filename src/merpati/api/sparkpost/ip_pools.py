"""IP pools: groups of an account's sending IPs. Source: sparkpost-api 13, texts included."""

from __future__ import annotations

from typing import Any

import msgspec
from django.http import HttpResponse

from merpati.api.call import Call, no_content, results
from merpati.api.errors import refusal
from merpati.api.sparkpost.sending_ips import in_pool
from merpati.sending.models import IpPool
from merpati.sending.pools import create_pool, delete_pool, find_pool, pools_of, update_pool


class _Pool(msgspec.Struct):
    name: str | None = None
    signing_domain: str | None = None
    fbl_signing_domain: str | None = None
    auto_warmup_overflow_pool: str | None = None


def create(call: Call) -> HttpResponse:
    """Make a pool."""
    wanted = call.json(_Pool)
    pool = create_pool(
        call.account_id,
        _required_name(wanted),
        by=call.actor,
        now=call.now,
        signing_domain=wanted.signing_domain or "",
        fbl_signing_domain=wanted.fbl_signing_domain or "",
        overflow=wanted.auto_warmup_overflow_pool or "",
    )
    return results({"id": pool.slug})


def list_all(call: Call) -> HttpResponse:
    """Return the account's pools with their IPs."""
    return results([_shown(pool) for pool in pools_of(call.account_id)])


def show(call: Call, pool_id: str) -> HttpResponse:
    """Return one pool."""
    return results(_shown(find_pool(call.account_id, pool_id)))


def update(call: Call, pool_id: str) -> HttpResponse:
    """Change a pool; an empty text clears all but its name."""
    wanted = call.json(_Pool)
    pool = update_pool(
        call.account_id,
        pool_id,
        by=call.actor,
        now=call.now,
        name=_required_name(wanted),
        signing_domain=wanted.signing_domain,
        fbl_signing_domain=wanted.fbl_signing_domain,
        overflow=wanted.auto_warmup_overflow_pool,
    )
    return results(_shown(pool))


def delete(call: Call, pool_id: str) -> HttpResponse:
    """Remove a pool; its IPs go to `default`."""
    delete_pool(call.account_id, pool_id, by=call.actor, now=call.now)
    return no_content()


def _shown(pool: IpPool) -> dict[str, Any]:
    return {
        "id": pool.slug,
        "name": pool.name,
        "signing_domain": pool.signing_domain,
        "fbl_signing_domain": pool.fbl_signing_domain,
        "ips": [in_pool(ip) for ip in pool.sending_ips.all()],
        "auto_warmup_overflow_pool": pool.overflow_pool.slug if pool.overflow_pool else "",
    }


def _required_name(wanted: _Pool) -> str:
    if not wanted.name or not wanted.name.strip():
        raise refusal(422, "required field is missing", "name is a required field", "1400")
    return wanted.name
