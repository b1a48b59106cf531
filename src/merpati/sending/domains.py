"""Sending domains: added with a DKIM key made here, verified by live DNS, removed.

A domain belongs to one account of the instance. Its private keys are stored sealed and leave this
room only so, in the sending policy. Each action is one transaction with its audit entry and a new
policy version.

Source: sparkpost-api 10.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import Prefetch, QuerySet

from merpati.accounts import audit
from merpati.accounts.errors import AccountNotFound
from merpati.accounts.models import Account
from merpati.adapters.crypto import SecretBox
from merpati.sending import policy
from merpati.sending.dkim_keys import make_key_pair, note_published, store_key
from merpati.sending.dns_records import DkimCheck, check_dkim, dkim_name
from merpati.sending.domain_names import checked_domain
from merpati.sending.errors import DomainExists, DomainNotFound, DomainOfAnotherAccount
from merpati.sending.models import (
    CheckStatus,
    DkimKey,
    KeyAlgorithm,
    KeyState,
    SendingDomain,
)

# Returns the TXT values at a name, each in one piece; none: []. Raises DnsLookupFailed.
TxtLookup = Callable[[str], list[str]]


def domains_of(account_id: int) -> QuerySet[SendingDomain]:
    """Return an account's sending domains with their keys, but not the private ones."""
    return with_keys(SendingDomain.objects.filter(account_id=account_id).order_by("domain"))


def with_keys(domains: QuerySet[SendingDomain]) -> QuerySet[SendingDomain]:
    """Have domains read together with their keys, but not the private ones."""
    keys = DkimKey.objects.defer("private_key").order_by("-algorithm", "created_at", "id")
    return domains.prefetch_related(Prefetch("dkim_keys", keys))


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
    pair = make_key_pair(KeyAlgorithm.RSA)
    with transaction.atomic():
        if not Account.objects.filter(pk=account_id).exists():
            raise AccountNotFound(str(account_id))
        try:
            with transaction.atomic():
                added = SendingDomain.objects.create(
                    account_id=account_id,
                    domain=name,
                    dkim_status=CheckStatus.UNVERIFIED,
                    verified_at=now if assume_verified else None,
                    created_at=now,
                )
        except IntegrityError:
            _refuse_taken(name, account_id)
            raise
        state = KeyState.ACTIVE if assume_verified else KeyState.NEW
        key = store_key(added, KeyAlgorithm.RSA, pair, state, box=box, now=now)
        audit.record(
            "add_domain",
            name,
            by=by,
            now=now,
            account_id=account_id,
            selector=key.selector,
            assume_verified=assume_verified,
        )
        policy.bump()
    return added


def verify_domain(
    account_id: int, domain: str, lookup: TxtLookup, *, by: str, now: datetime
) -> DkimCheck:
    """Look the records of the domain's keys up and note the result: only a valid domain may send.

    A key whose record is there may begin to sign; returned is the look at the one that signs then.
    Raises InvalidValue, DomainNotFound; DnsLookupFailed when DNS cannot be asked, which changes
    nothing.
    """
    checks = {  # before the transaction: network
        key.pk: check_dkim(key, lookup(dkim_name(key)))
        for key in find_domain(account_id, domain).dkim_keys.all()
        if key.state != KeyState.RETIRING
    }
    with transaction.atomic():
        found = find_domain(account_id, domain)
        published = {key_id: check.is_valid for key_id, check in checks.items()}
        if note_published(found, published, by=by, now=now):
            found = find_domain(account_id, domain)
        check = checks[found.default_key.pk]
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


def remove_domain(account_id: int, domain: str, *, by: str, now: datetime) -> None:
    """Remove a domain and its keys for good: mail from it that waits fails, with that reason.

    Raises InvalidValue, DomainNotFound.
    """
    with transaction.atomic():
        found = find_domain(account_id, domain)
        found.delete()
        audit.record("remove_domain", found.domain, by=by, now=now, account_id=account_id)
        policy.bump()


def _refuse_taken(name: str, account_id: int) -> None:
    owner = SendingDomain.objects.filter(domain=name).values_list("account_id", flat=True).first()
    if owner is None:
        return
    raise DomainExists(name) if owner == account_id else DomainOfAnotherAccount(name)
