"""The bounce rule: who is suppressed by which bounce, and each bounce counts once."""

from __future__ import annotations

import json
import signal
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from merpati.accounts.models import AuditEntry
from merpati.contracts.event import EventType, Settlement
from merpati.events import bounce_rule
from merpati.events.bounce_rule import BounceRule
from merpati.events.digest import Digest
from merpati.events.store import EventStore
from merpati.sending.models import (
    BounceRulePosition,
    Suppression,
    SuppressionSource,
    SuppressionType,
)
from merpati.sending.suppression import suppress, suppressed_among, unsuppress
from tests.support.control import BY, NOW, PREAMBLE, make_account, run_script, start_script
from tests.support.journal import Journal, event

pytestmark = pytest.mark.django_db

ARMED = (
    """import os
os.environ["MERPATI_FAULTS"] = "suppression.bounced.before_commit=kill"
"""
    + PREAMBLE
)
SHARD = 15  # the one with the greatest numbers
T, N = "transactional", "non_transactional"


class Store:
    """An event store that records one shard's journal."""

    def __init__(self, folder: Path, account_id: int, nonce: str = "one") -> None:
        self.file = folder / "events.sqlite3"
        self.journal = Journal()
        self.account_id = account_id
        self.nonce = nonce
        self._recorded = 0

    def bounce(self, recipient: str, bounce_class: int = 10, **fields: Any) -> None:
        """Record a message and its bounce."""
        transactional = fields.pop("transactional", False)
        base = self.journal.inject(
            recipient, account_id=self.account_id, transactional=transactional
        )
        given = {
            "settlement": Settlement.BOUNCED,
            "code": 550,
            "enhanced": "5.1.1",
            "text": "No such user",
            "kind": EventType.BOUNCE,
        } | fields
        self.journal.tell(
            event(
                base,
                rcpt_to=recipient,
                account_id=self.account_id,
                bounce_class=bounce_class,
                **given,
            )
        )
        self.record()

    def record(self) -> None:
        digest = Digest(SHARD, self._recorded)
        for row in self.journal:
            digest.take(row)
        self._recorded = digest.last_seq
        with EventStore(self.file) as store:
            store.add([(digest, self.nonce)])


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path, make_account().pk)


def entries() -> set[tuple[str, str]]:
    return {(entry.recipient, entry.type) for entry in Suppression.objects.all()}


@pytest.mark.parametrize(
    ("bounce_class", "transactional", "types"),
    [
        pytest.param(10, False, {T, N}, id="invalid recipient, marketing"),
        pytest.param(10, True, {T, N}, id="invalid recipient, transactional"),
        pytest.param(30, True, {T}, id="no RCPT, transactional"),
        pytest.param(90, False, {N}, id="unsubscribe, marketing"),
        *(
            pytest.param(number, False, set(), id=f"class {number}")
            for number in (1, 20, 21, 22, 23, 24, 25, 40, 50, 51, 52, 53, 54, 60, 70, 80, 100)
        ),
    ],
)
def test_the_class_decides_and_the_type(
    store: Store, bounce_class: int, transactional: bool, types: set[str]
) -> None:
    store.bounce("Sari@Example.net", bounce_class, transactional=transactional)
    assert BounceRule(store.file).step(NOW) == len(types)
    assert entries() == {("sari@example.net", kind) for kind in types}


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"settlement": Settlement.EXPIRED}, id="expired"),
        pytest.param({"settlement": None, "kind": EventType.DELAY}, id="a delay"),
        pytest.param({"settlement": Settlement.FAILED}, id="failed here"),
    ],
)
def test_what_is_no_bounce_suppresses_nobody(store: Store, fields: dict[str, Any]) -> None:
    store.bounce("a@x.co", **fields)
    assert BounceRule(store.file).step(NOW) == 0


def test_an_entry_tells_its_reason_and_stops_the_next_mail(store: Store) -> None:
    store.bounce("a@x.co")
    BounceRule(store.file).step(NOW)
    entry = Suppression.objects.get(type=T)
    assert (entry.source, entry.description, entry.created_at) == (
        *("Bounce Rule", "550 5.1.1 No such user", NOW),
    )
    assert suppressed_among(store.account_id, ["A@x.co"], transactional=False) == {
        "A@x.co": "Bounce Rule"
    }
    (audited,) = AuditEntry.objects.filter(action="suppress")
    assert (audited.actor, audited.subject, audited.detail["source"]) == (
        *("service:bounce rule", "a@x.co", "Bounce Rule"),
    )


def test_what_is_on_the_list_stays_as_it_is(store: Store) -> None:
    source = SuppressionSource.SPAM_COMPLAINT
    suppress(
        store.account_id, "a@x.co", [SuppressionType.NON_TRANSACTIONAL], source, by=BY, now=NOW
    )
    store.bounce("a@x.co")
    assert BounceRule(store.file).step(NOW + timedelta(days=1)) == 1
    assert dict(Suppression.objects.values_list("type", "source")) == {
        T: "Bounce Rule",
        N: "Spam Complaint",
    }


def test_an_entry_taken_off_stays_off_whoever_looks_again(store: Store) -> None:
    store.bounce("a@x.co")
    rule = BounceRule(store.file)
    assert rule.step(NOW) == 2
    unsuppress(store.account_id, "a@x.co", by=BY, now=NOW)
    assert rule.step(NOW) == 0
    assert BounceRule(store.file).step(NOW) == 0  # as after a restart
    store.bounce("a@x.co")
    assert rule.step(NOW) == 2


def test_entries_and_position_come_together_or_not_at_all(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.bounce("a@x.co")
    rule = BounceRule(store.file)

    def fail(_: str) -> None:
        raise OSError

    with monkeypatch.context() as patched:
        patched.setattr("merpati.sending.suppression.fault", fail)
        with pytest.raises(OSError):
            rule.step(NOW)
    assert entries() == set()
    assert not BounceRulePosition.objects.exists()
    assert rule.step(NOW) == 2


def test_many_bounces_are_taken_in_steps(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounce_rule, "BOUNCES_PER_STEP", 2)
    for number in range(5):
        store.bounce(f"u{number}@x.co")
    rule = BounceRule(store.file)
    assert [rule.step(NOW) for _ in range(4)] == [4, 4, 2, 0]


def test_a_position_without_entries_is_kept_once_a_minute(store: Store) -> None:
    rule = BounceRule(store.file)
    kept = []
    for seconds in (0, 1, 59, 60):
        store.bounce("a@x.co", 22)
        rule.step(NOW + timedelta(seconds=seconds))
        kept.append(BounceRulePosition.objects.get().event)
    assert kept[0] == kept[1] == kept[2] < kept[3]


def test_a_shard_that_counts_anew_is_followed_and_its_old_bounces_are_not_repeated(
    store: Store, tmp_path: Path
) -> None:
    for number in range(3):
        store.bounce(f"old{number}@x.co")
    rule = BounceRule(store.file)
    rule.step(NOW)
    for number in range(3):
        unsuppress(store.account_id, f"old{number}@x.co", by=BY, now=NOW)
    replaced = Store(tmp_path, store.account_id, nonce="two")
    replaced.bounce("new@x.co")
    assert rule.step(NOW) == 2
    assert entries() == {("new@x.co", T), ("new@x.co", N)}


def test_no_mail_and_a_removed_account_trouble_nobody(store: Store) -> None:
    assert BounceRule(store.file).step(NOW) == 0
    store.account_id = 4711
    store.bounce("a@x.co")
    assert BounceRule(store.file).step(NOW) == 0
    assert BounceRulePosition.objects.count() == 1


def test_a_kill_before_the_commit_neither_loses_a_bounce_nor_counts_it_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = run_script(
        tmp_path,
        "from merpati.accounts.actions import create_account\n"
        "print(create_account('a', 'premium', 'uk', by=BY, now=NOW).account.pk)",
    )
    store = Store(tmp_path, int(made))
    store.bounce("a@x.co")
    step = (
        "from merpati.events.bounce_rule import BounceRule\n"
        "from merpati.sending.models import Suppression\n"
        "made = BounceRule(DATA / 'events.sqlite3').step(NOW)\n"
        "print(json.dumps([made, Suppression.objects.count()]))"
    )
    with monkeypatch.context() as patched:
        patched.setattr("tests.support.control.PREAMBLE", ARMED)
        killed = start_script(tmp_path, step)
        killed.communicate(timeout=60)
        assert killed.returncode == -signal.SIGKILL
    assert json.loads(run_script(tmp_path, step)) == [2, 2]
    assert json.loads(run_script(tmp_path, step)) == [0, 2]
