"""DKIM keys of a sending domain: new, published, active, retiring.

A key signs only while it is active, and becomes that only once its record was seen in DNS; the one
before it then retires. Its record has to stay: receivers verify mail for days after it was signed,
when they queue, forward or read it. Mail that waits here is signed with the active key of the
moment it leaves. A second key of another algorithm signs beside the first (RFC 8463).

`next_state` is the rule; the functions below write, inside the transaction of their caller.

Source: RFC 6376 3.1 (selectors: keys overlap in a change); RFC 5321 4.5.4.1 (mail is queued for
days); RFC 2308 (names that were missing are remembered as such, for an hour as a rule).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from merpati.accounts import audit
from merpati.adapters.crypto import KeyPair, SecretBox, make_ed25519_key, make_rsa_key
from merpati.sending import policy
from merpati.sending.errors import DkimKeyWaits
from merpati.sending.models import DkimKey, KeyAlgorithm, KeyState, SendingDomain

PROPAGATION = timedelta(hours=1)  # a record is published so long before its key signs
RETIREMENT = timedelta(days=7)  # a record is kept so long after its key signed last
WAITING = (KeyState.NEW, KeyState.PUBLISHED)

_MAKE = {KeyAlgorithm.RSA: make_rsa_key, KeyAlgorithm.ED25519: make_ed25519_key}


def next_state(
    state: KeyState, *, is_published: bool, is_needed: bool, since: datetime, now: datetime
) -> KeyState:
    """Return what becomes of a key that waits, after a look at its record.

    is_needed: no other key of its algorithm signs with a record that verifies. since: when it came
    into its state.
    """
    if not is_published:
        return KeyState.NEW
    if is_needed or (state == KeyState.PUBLISHED and now - since >= PROPAGATION):
        return KeyState.ACTIVE
    return KeyState.PUBLISHED


def removable_at(key: DkimKey) -> datetime | None:
    """Return from when on nothing needs a key's record, None while it signs or waits."""
    return key.state_since + RETIREMENT if key.state == KeyState.RETIRING else None


def make_key_pair(algorithm: KeyAlgorithm) -> KeyPair:
    """Return a new key pair. RSA takes a while: not inside a transaction, where writers queue."""
    return _MAKE[algorithm]()


def store_key(
    domain: SendingDomain,
    algorithm: KeyAlgorithm,
    pair: KeyPair,
    state: KeyState,
    *,
    box: SecretBox,
    now: datetime,
) -> DkimKey:
    """Keep a key for a domain, sealed by `box`. Raises DkimKeyWaits when one waits already."""
    taken = {}
    for key in DkimKey.objects.filter(domain=domain).defer("private_key"):
        if key.algorithm == algorithm and key.state in WAITING:
            raise DkimKeyWaits(domain.domain, key.selector)
        taken[key.selector] = key
    return DkimKey.objects.create(
        domain=domain,
        algorithm=algorithm,
        selector=_selector(algorithm, now, taken),
        private_key=box.encrypt(pair.private_pem),
        public_key=pair.public,
        state=state,
        created_at=now,
        state_since=now,
    )


def note_published(
    domain: SendingDomain, published: Mapping[int, bool], *, by: str, now: datetime
) -> bool:
    """Take note of which keys' records were found, by key id; return whether that changed a state.

    Keys that were not looked at count as they are.
    """
    found = DkimKey.objects.filter(domain=domain).select_related("domain")
    keys = list(found.defer("private_key"))
    active = {key.algorithm: key for key in keys if key.state == KeyState.ACTIVE}
    changed = False
    for key in keys:
        if key.state not in WAITING or key.pk not in published:
            continue
        former = active.get(key.algorithm)
        state = next_state(
            KeyState(key.state),
            is_published=published[key.pk],
            is_needed=former is None or not published.get(former.pk, True),
            since=key.state_since,
            now=now,
        )
        if state == key.state:
            continue
        if state == KeyState.ACTIVE and former is not None:
            change_state(former, KeyState.RETIRING, by=by, now=now)
        change_state(key, state, by=by, now=now)
        changed = True
    return changed


def change_state(key: DkimKey, state: KeyState, *, by: str, now: datetime) -> None:
    """Put a key into a state, with its audit entry and a new policy version."""
    key.state, key.state_since = state, now
    key.save(update_fields=["state", "state_since"])
    audit.record(
        "change_dkim_key",
        f"{key.selector}._domainkey.{key.domain.domain}",
        by=by,
        now=now,
        account_id=key.domain.account_id,
        state=state,
    )
    policy.bump()


def _selector(algorithm: KeyAlgorithm, now: datetime, taken: Mapping[str, DkimKey]) -> str:
    """Return a free selector that tells when the key was made, as `mp0226`, `mp0226-2`."""
    base = f"mp{now:%m%y}{'e' if algorithm is KeyAlgorithm.ED25519 else ''}"
    number, selector = 1, base
    while selector in taken:
        number += 1
        selector = f"{base}-{number}"
    return selector
