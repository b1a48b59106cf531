"""Changing a domain's DKIM key while its mail goes on: a new key, its record, the old key's end.

Source: sparkpost-api 10.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from merpati.accounts import audit
from merpati.adapters.crypto import SecretBox
from merpati.sending import policy
from merpati.sending.dkim_keys import (
    WAITING,
    change_state,
    make_key_pair,
    note_published,
    removable_at,
    store_key,
)
from merpati.sending.dns_records import check_dkim, dkim_name
from merpati.sending.domains import TxtLookup, find_domain
from merpati.sending.errors import DkimKeyInUse, DkimKeyNotFound, DnsLookupFailed
from merpati.sending.models import DkimKey, KeyAlgorithm, KeyState, SendingDomain

FOLLOWER = "service:dkim keys"


def rotate_key(
    account_id: int,
    domain: str,
    *,
    box: SecretBox,
    by: str,
    now: datetime,
    algorithm: KeyAlgorithm = KeyAlgorithm.RSA,
) -> DkimKey:
    """Make a new key that takes over once its record is in DNS; the present one signs until then.

    Raises InvalidValue, DomainNotFound, DkimKeyWaits.
    """
    pair = make_key_pair(algorithm)
    with transaction.atomic():
        found = find_domain(account_id, domain)
        key = store_key(found, algorithm, pair, KeyState.NEW, box=box, now=now)
        audit.record(
            "rotate_dkim_key",
            dkim_name(key),
            by=by,
            now=now,
            account_id=account_id,
            algorithm=algorithm,
        )
        policy.bump()
    return key


def follow_waiting_keys(lookup: TxtLookup, *, now: datetime) -> int:
    """Look at the records of keys that wait in domains that send; return how many domains changed.

    So a rotation needs nobody once the record is published. DNS that cannot be asked says nothing.
    """
    waiting = (
        SendingDomain.objects.filter(verified_at__isnull=False, dkim_keys__state__in=WAITING)
        .distinct()
        .order_by("domain")
    )
    changed = 0
    for domain in waiting:
        keys = DkimKey.objects.filter(domain=domain, state__in=WAITING).select_related("domain")
        try:
            published = {
                key.pk: check_dkim(key, lookup(dkim_name(key))).is_valid
                for key in keys.defer("private_key")
            }
        except DnsLookupFailed:
            continue
        with transaction.atomic():
            changed += note_published(domain, published, by=FOLLOWER, now=now)
    return changed


def remove_key(
    account_id: int,
    domain: str,
    selector: str,
    *,
    by: str,
    now: datetime,
    is_forced: bool = False,
) -> DkimKey | None:
    """Remove a key that nothing needs; an active second key stops signing and retires instead.

    is_forced: although mail signed with it may still be on its way. Returns the key that retires
    now, None when it is gone. Raises InvalidValue, DomainNotFound, DkimKeyNotFound, DkimKeyInUse.
    """
    with transaction.atomic():
        found = find_domain(account_id, domain)
        key = next((key for key in found.dkim_keys.all() if key.selector == selector), None)
        if key is None:
            raise DkimKeyNotFound(found.domain, selector)
        if key.pk == found.default_key.pk:
            raise DkimKeyInUse(
                f"{dkim_name(key)} signs this domain's mail. Rotate first: merpati domain rotate "
                f"{found.domain}"
            )
        if key.state == KeyState.ACTIVE:
            change_state(key, KeyState.RETIRING, by=by, now=now)
            return key
        ends_at = removable_at(key)
        if ends_at is not None and now < ends_at and not is_forced:
            raise DkimKeyInUse(
                f"{dkim_name(key)} is retiring: mail signed with it may be on its way until "
                f"{ends_at:%Y-%m-%d %H:%M} UTC. Wait until then, or give --force."
            )
        key.delete()
        audit.record("remove_dkim_key", dkim_name(key), by=by, now=now, account_id=account_id)
        policy.bump()
    return None
