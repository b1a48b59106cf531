"""Sending domains: added with a DKIM key made here, verified by live DNS.

A domain belongs to one account of the instance. Its private key is stored sealed and leaves this
room only so, in the sending policy. Each action is one transaction with its audit entry and a new
policy version.

Source: sparkpost-api 10.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from merpati.accounts import audit
from merpati.accounts.errors import AccountNotFound
from merpati.accounts.models import Account
from merpati.adapters.crypto import SecretBox, make_rsa_key
from merpati.sending import policy
from merpati.sending.dns_records import DkimCheck, check_dkim, dkim_name
from merpati.sending.domain_names import checked_domain
from merpati.sending.errors import DomainExists, DomainNotFound, DomainOfAnotherAccount
from merpati.sending.models import CheckStatus, SendingDomain

# Returns the TXT values at a name, each in one piece; none: []. Raises DnsLookupFailed.
TxtLookup = Callable[[str], list[str]]


def domains_of(account_id: int) -> QuerySet[SendingDomain]:
    """Return an account's sending domains, without their private keys."""
    return (
        SendingDomain.objects.filter(account_id=account_id).defer("private_key").order_by("domain")
    )


def find_domain(account_id: int, domain: str) -> SendingDomain:
    """Return one of the account's domains. Raises InvalidValue, DomainNotFound."""
    name = checked_domain(domain)
    found = domains_of(account_id).filter(domain=name).first()
    if found is None:
        raise DomainNotFound(name)
    return found


def add_domain(
    account_id: int,
    domain: str,
    *,
    box: SecretBox,
    by: str,
    now: datetime,
    assume_verified: bool = False,
) -> SendingDomain:
    """Add a domain with a new DKIM key, sealed by `box`.

    assume_verified: the operator answers for it; nothing is looked up.
    Raises InvalidValue, AccountNotFound, DomainExists, DomainOfAnotherAccount.
    """
    name = checked_domain(domain)
    _refuse_taken(name, account_id)
    key = make_rsa_key()  # before the transaction: it takes a while, and writers queue
    with transaction.atomic():
        if not Account.objects.filter(pk=account_id).exists():
            raise AccountNotFound(str(account_id))
        try:
            with transaction.atomic():
                added = SendingDomain.objects.create(
                    account_id=account_id,
                    domain=name,
                    selector=_selector(now),
                    private_key=box.encrypt(key.private_pem),
                    public_key=key.public,
                    dkim_status=CheckStatus.UNVERIFIED,
                    verified_at=now if assume_verified else None,
                    created_at=now,
                )
        except IntegrityError:
            _refuse_taken(name, account_id)
            raise
        audit.record(
            "add_domain",
            name,
            by=by,
            now=now,
            account_id=account_id,
            selector=added.selector,
            assume_verified=assume_verified,
        )
        policy.bump()
    return added


def verify_domain(
    account_id: int, domain: str, lookup: TxtLookup, *, by: str, now: datetime
) -> DkimCheck:
    """Look the domain's DKIM record up and note the result: only a valid one may send.

    Raises InvalidValue, DomainNotFound; DnsLookupFailed when DNS cannot be asked, which changes
    nothing.
    """
    looked_at = find_domain(account_id, domain)
    check = check_dkim(looked_at, lookup(dkim_name(looked_at)))  # before the transaction: network
    with transaction.atomic():
        found = find_domain(account_id, domain)
        found.checked_at = now
        found.dkim_status = CheckStatus.VALID if check.is_valid else CheckStatus.INVALID
        found.verified_at = (found.verified_at or now) if check.is_valid else None
        found.save(update_fields=["checked_at", "dkim_status", "verified_at"])
        audit.record(
            "verify_domain",
            found.domain,
            by=by,
            now=now,
            account_id=account_id,
            is_valid=check.is_valid,
            reason=check.reason,
        )
        policy.bump()
    return check


def _selector(now: datetime) -> str:
    """Return a selector that tells when the key was made, as `mp0226`."""
    return f"mp{now:%m%y}"


def _refuse_taken(name: str, account_id: int) -> None:
    owner = SendingDomain.objects.filter(domain=name).values_list("account_id", flat=True).first()
    if owner is None:
        return
    raise DomainExists(name) if owner == account_id else DomainOfAnotherAccount(name)
