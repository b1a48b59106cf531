"""Sending domains: adding one with a DKIM key made here, reading, verifying, deleting.

Not in this version: changing one, bringing a key of one's own, verification other
than by the DKIM record. Source: sparkpost-api 10.
"""

from __future__ import annotations

from typing import Any

import msgspec
from django.http import HttpResponse

from merpati.api.call import Call, no_content, results
from merpati.api.errors import ApiError, refusal
from merpati.api.services import services
from merpati.message.dkim import OVERSIGNED, SIGNED_IF_PRESENT
from merpati.sending.domains import (
    add_domain,
    domains_of,
    find_domain,
    remove_domain,
    verify_domain,
)
from merpati.sending.errors import DnsLookupFailed
from merpati.sending.models import CheckStatus, SendingDomain

DKIM_KEY_LENGTH = 2048


class _NewDomain(msgspec.Struct):
    domain: str | None = None
    tracking_domain: str | None = None
    generate_dkim: bool | None = None
    dkim_key_length: int | None = None
    dkim: dict[str, Any] | None = None


class _Verify(msgspec.Struct):
    dkim_verify: bool | None = None


def create(call: Call) -> HttpResponse:
    """Add a domain and say which key to publish."""
    wanted = call.json(_NewDomain)
    if not wanted.domain or not wanted.domain.strip():
        raise refusal(422, "required field is missing", "domain is a required field", "1400")
    _check_offered(wanted)
    added = add_domain(
        call.account_id,
        wanted.domain,
        box=services().secret_box,
        by=call.actor,
        now=call.now,
    )
    return results(
        {
            "message": "Successfully Created domain.",
            "domain": added.domain,
            "dkim": _dkim(added),
        }
    )


def list_all(call: Call) -> HttpResponse:
    """Return the account's domains."""
    found = domains_of(call.account_id)
    return results([{"domain": domain.domain, **_shown(domain)} for domain in found])


def show(call: Call, domain: str) -> HttpResponse:
    """Return one domain, without its name, as SparkPost does."""
    return results(_shown(find_domain(call.account_id, domain)))


def verify(call: Call, domain: str) -> HttpResponse:
    """Look the DKIM record up now. A failed check is no failed call: 200, status `invalid`."""
    wanted = call.json(_Verify)
    dns: dict[str, str] = {}
    if wanted.dkim_verify:
        try:
            check = verify_domain(
                call.account_id, domain, services().txt_lookup, by=call.actor, now=call.now
            )
        except DnsLookupFailed as error:  # says nothing about the record, so nothing changed
            dns["dkim_error"] = error.message
        else:
            dns["dkim_record"] = "; ".join(check.found)
            if not check.is_valid:
                dns["dkim_error"] = check.reason
    return results({**_status(find_domain(call.account_id, domain)), "dns": dns})


def delete(call: Call, domain: str) -> HttpResponse:
    """Remove a domain; mail from it that waits fails with that reason."""
    remove_domain(call.account_id, domain, by=call.actor, now=call.now)
    return no_content()


def _check_offered(wanted: _NewDomain) -> None:
    if wanted.tracking_domain:
        raise refusal(
            400,
            "invalid params",
            f"Tracking domain '{wanted.tracking_domain[:253]}' is not a registered tracking domain",
            "1200",
        )
    if wanted.dkim or wanted.generate_dkim is False:
        raise _not_offered("a DKIM key of your own cannot be brought yet: leave dkim out")
    if wanted.dkim_key_length not in {None, DKIM_KEY_LENGTH}:
        raise _not_offered(f"dkim_key_length must be {DKIM_KEY_LENGTH}")


def _not_offered(description: str) -> ApiError:
    return refusal(422, "invalid data format/type", description, "1300")


def _shown(domain: SendingDomain) -> dict[str, Any]:
    return {
        "status": _status(domain),
        "dkim": _dkim(domain),
        "shared_with_subaccounts": False,
        "is_default_bounce_domain": False,
        "creation_time": domain.created_at.isoformat(timespec="seconds"),
    }


def _dkim(domain: SendingDomain) -> dict[str, str]:
    key = domain.default_key
    return {
        "public": key.public_key,
        "selector": key.selector,
        "signing_domain": domain.domain,
        "headers": ":".join((*OVERSIGNED, *SIGNED_IF_PRESENT)),
    }


def _status(domain: SendingDomain) -> dict[str, Any]:
    unverified = CheckStatus.UNVERIFIED.value
    return {
        "ownership_verified": domain.verified_at is not None,
        "dkim_status": domain.dkim_status,
        "cname_status": unverified,
        "mx_status": unverified,
        "spf_status": unverified,
        "abuse_at_status": unverified,
        "postmaster_at_status": unverified,
        "verification_mailbox_status": unverified,
        "compliance_status": "valid",
    }
