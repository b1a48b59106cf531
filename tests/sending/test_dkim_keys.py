"""DKIM keys: new, published, active, retiring; a domain never lacks one that signs."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.db import IntegrityError, transaction

from merpati.accounts.models import AuditEntry
from merpati.adapters.crypto import SecretBox
from merpati.sending import policy
from merpati.sending.dkim_keys import PROPAGATION, RETIREMENT, next_state
from merpati.sending.dns_records import dkim_name, dkim_value
from merpati.sending.domains import add_domain, find_domain, verify_domain
from merpati.sending.errors import DkimKeyInUse, DkimKeyNotFound, DkimKeyWaits, DnsLookupFailed
from merpati.sending.key_rotation import follow_waiting_keys, remove_key, rotate_key
from merpati.sending.models import DkimKey, KeyAlgorithm, KeyState, SendingDomain
from tests.support.control import BY, NOW, make_account

pytestmark = pytest.mark.django_db

NAME = "kirim.example"
HOUR = timedelta(hours=1)


class Zone:
    """DNS as a test publishes it."""

    def __init__(self) -> None:
        self.records: dict[str, str] = {}
        self.asked: list[str] = []
        self.is_broken = False

    def publish(self, key: DkimKey) -> None:
        self.records[dkim_name(key)] = dkim_value(key)

    def remove(self, key: DkimKey) -> None:
        del self.records[dkim_name(key)]

    def __call__(self, name: str) -> list[str]:
        self.asked.append(name)
        if self.is_broken:
            raise DnsLookupFailed(name, "no server answers")
        return [self.records[name]] if name in self.records else []


@pytest.fixture
def zone() -> Zone:
    return Zone()


@pytest.fixture
def box(tmp_path: Path) -> SecretBox:
    return SecretBox(tmp_path / "secret.key")


@pytest.fixture
def domain(box: SecretBox, zone: Zone) -> SendingDomain:
    """A verified domain."""
    added = add_domain(make_account().pk, NAME, box=box, by=BY, now=NOW)
    zone.publish(added.default_key)
    verify_domain(added.account_id, NAME, zone, by=BY, now=NOW)
    return added


def states(domain: SendingDomain) -> dict[str, str]:
    keys = find_domain(domain.account_id, NAME).dkim_keys.all()
    return {key.selector: key.state for key in keys}


def signing() -> list[tuple[str, str]]:
    return [(key.selector, key.algorithm) for key in policy.build("b.example").dkim_keys]


def rotate(
    domain: SendingDomain, box: SecretBox, algorithm: KeyAlgorithm = KeyAlgorithm.RSA
) -> DkimKey:
    return rotate_key(domain.account_id, NAME, box=box, algorithm=algorithm, by=BY, now=NOW)


@pytest.mark.parametrize(
    ("state", "is_published", "is_needed", "waited", "becomes"),
    [
        ("new", False, True, 9 * HOUR, "new"),
        ("new", True, True, 0 * HOUR, "active"),
        ("new", True, False, 9 * HOUR, "published"),
        ("published", True, False, PROPAGATION - timedelta(seconds=1), "published"),
        ("published", True, False, PROPAGATION, "active"),
        ("published", True, True, 0 * HOUR, "active"),
        ("published", False, False, 9 * HOUR, "new"),
    ],
)
def test_what_becomes_of_a_key_that_waits(
    state: str, is_published: bool, is_needed: bool, waited: timedelta, becomes: str
) -> None:
    found = next_state(
        KeyState(state),
        is_published=is_published,
        is_needed=is_needed,
        since=NOW,
        now=NOW + waited,
    )
    assert found == becomes


def test_a_first_key_signs_once_its_record_is_seen(box: SecretBox, zone: Zone) -> None:
    added = add_domain(make_account().pk, NAME, box=box, by=BY, now=NOW)
    assert (states(added), signing()) == ({"mp0226": "new"}, [])
    zone.publish(added.default_key)
    verify_domain(added.account_id, NAME, zone, by=BY, now=NOW)
    assert (states(added), signing()) == ({"mp0226": "active"}, [("mp0226", "rsa")])


def test_a_rotation_goes_on_by_itself_once_the_record_is_there(
    domain: SendingDomain, box: SecretBox, zone: Zone
) -> None:
    new = rotate(domain, box)
    assert new.selector == "mp0226-2"
    assert follow_waiting_keys(zone, now=NOW) == 0
    assert states(domain) == {"mp0226": "active", "mp0226-2": "new"}
    zone.publish(new)
    assert follow_waiting_keys(zone, now=NOW) == 1
    assert follow_waiting_keys(zone, now=NOW + PROPAGATION / 2) == 0
    assert states(domain) == {"mp0226": "active", "mp0226-2": "published"}
    assert signing() == [("mp0226", "rsa")]
    before = policy.current_version()
    assert follow_waiting_keys(zone, now=NOW + PROPAGATION) == 1
    assert states(domain) == {"mp0226": "retiring", "mp0226-2": "active"}
    assert signing() == [("mp0226-2", "rsa")]
    assert policy.current_version() > before
    told = AuditEntry.objects.filter(action="change_dkim_key").order_by("pk")
    assert [(entry.subject.partition(".")[0], entry.detail["state"]) for entry in told] == [
        ("mp0226", "active"),
        ("mp0226-2", "published"),
        ("mp0226", "retiring"),
        ("mp0226-2", "active"),
    ]
    zone.asked.clear()
    assert follow_waiting_keys(zone, now=NOW + 2 * PROPAGATION) == 0
    assert zone.asked == []  # nothing waits


def test_a_record_that_is_taken_away_again_begins_anew(
    domain: SendingDomain, box: SecretBox, zone: Zone
) -> None:
    new = rotate(domain, box)
    zone.publish(new)
    follow_waiting_keys(zone, now=NOW)
    zone.remove(new)
    follow_waiting_keys(zone, now=NOW + PROPAGATION)
    assert states(domain) == {"mp0226": "active", "mp0226-2": "new"}


def test_the_new_key_signs_at_once_when_the_old_record_is_gone(
    domain: SendingDomain, box: SecretBox, zone: Zone
) -> None:
    new = rotate(domain, box)
    zone.publish(new)
    zone.remove(domain.default_key)
    assert verify_domain(domain.account_id, NAME, zone, by=BY, now=NOW).is_valid
    assert states(domain) == {"mp0226": "retiring", "mp0226-2": "active"}
    assert find_domain(domain.account_id, NAME).verified_at == NOW


def test_dns_that_cannot_be_asked_changes_no_key(
    domain: SendingDomain, box: SecretBox, zone: Zone
) -> None:
    zone.publish(rotate(domain, box))
    zone.is_broken = True
    assert follow_waiting_keys(zone, now=NOW + PROPAGATION) == 0
    assert states(domain) == {"mp0226": "active", "mp0226-2": "new"}


def test_a_second_rotation_waits_for_the_first(domain: SendingDomain, box: SecretBox) -> None:
    rotate(domain, box)
    with pytest.raises(DkimKeyWaits, match=r"mp0226-2\._domainkey\.kirim\.example waits"):
        rotate(domain, box)
    rotate(domain, box, KeyAlgorithm.ED25519)  # of another kind it may


def test_an_ed25519_key_signs_beside_the_rsa_key(
    domain: SendingDomain, box: SecretBox, zone: Zone
) -> None:
    second = rotate(domain, box, KeyAlgorithm.ED25519)
    assert dkim_value(second) == f"v=DKIM1; k=ed25519; h=sha256; p={second.public_key}"
    zone.publish(second)
    follow_waiting_keys(zone, now=NOW)
    assert states(domain) == {"mp0226": "active", "mp0226e": "active"}
    assert signing() == [("mp0226", "rsa"), ("mp0226e", "ed25519")]
    assert find_domain(domain.account_id, NAME).default_key.selector == "mp0226"
    retires = remove_key(domain.account_id, NAME, "mp0226e", by=BY, now=NOW)
    assert retires is not None
    assert signing() == [("mp0226", "rsa")]


def test_a_key_goes_once_nothing_needs_it(
    domain: SendingDomain, box: SecretBox, zone: Zone
) -> None:
    account_id = domain.account_id
    with pytest.raises(DkimKeyInUse, match="signs this domain's mail"):
        remove_key(account_id, NAME, "mp0226", by=BY, now=NOW)
    zone.publish(rotate(domain, box))
    zone.remove(domain.default_key)
    follow_waiting_keys(zone, now=NOW)
    follow_waiting_keys(zone, now=NOW + PROPAGATION)
    retired_at = NOW + PROPAGATION
    too_early = retired_at + RETIREMENT - timedelta(seconds=1)
    with pytest.raises(DkimKeyInUse, match="may be on its way until 2026-02-10 05:05 UTC"):
        remove_key(account_id, NAME, "mp0226", by=BY, now=too_early)
    assert remove_key(account_id, NAME, "mp0226", by=BY, now=retired_at + RETIREMENT) is None
    assert states(domain) == {"mp0226-2": "active"}
    with pytest.raises(DkimKeyNotFound):
        remove_key(account_id, NAME, "mp0226", by=BY, now=NOW, is_forced=True)


def test_a_key_that_waits_or_is_forced_goes_at_once(
    domain: SendingDomain, box: SecretBox, zone: Zone
) -> None:
    new = rotate(domain, box)
    remove_key(domain.account_id, NAME, new.selector, by=BY, now=NOW)
    zone.publish(rotate(domain, box))
    zone.remove(domain.default_key)
    verify_domain(domain.account_id, NAME, zone, by=BY, now=NOW)
    remove_key(domain.account_id, NAME, "mp0226", by=BY, now=NOW, is_forced=True)
    assert states(domain) == {"mp0226-2": "active"}


@pytest.mark.control_database
@pytest.mark.parametrize("state", [KeyState.ACTIVE, KeyState.NEW])
def test_the_database_keeps_one_key_of_a_kind_in_use(
    domain: SendingDomain, box: SecretBox, state: KeyState
) -> None:
    rotate(domain, box)
    with pytest.raises(IntegrityError), transaction.atomic():
        DkimKey.objects.create(
            domain=domain,
            algorithm="rsa",
            selector="other",
            state=state,
            created_at=NOW,
            state_since=NOW,
        )
