"""The mail of a day: to the same recipients every day, as batches for the spool."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import date
from typing import NamedTuple

from merpati.adapters.codec import pack
from merpati.contracts.batch import Batch, Content, Mailbox, MessageRow, Recipient
from merpati.contracts.event import Injection
from merpati.rehearsal.scenario import ACCOUNT_ID, Stream
from merpati.rehearsal.steering import SENDING_DOMAIN
from merpati.sandbox.opinions import place_of
from merpati.sending.buckets import bucket_of

HOURS = range(6, 20)  # UTC, in which mail comes
BATCH = 1_000  # messages
_LATEST = ((1, 7), (2, 30), (3, 60), (4, 90))  # tiers, and within how many days they engaged
_RAW = (
    f"From: news@{SENDING_DOMAIN}\r\nTo: you@{SENDING_DOMAIN}\r\nSubject: Rehearsal\r\n"
    f"Date: Mon, 01 Jan 2024 00:00:00 +0000\r\nMessage-ID: <1@{SENDING_DOMAIN}>\r\n\r\nHalo\r\n"
).encode()
_NOBODY_KNOWS, _LONG_AGO = 0, 5


class Person(NamedTuple):
    """A recipient; bucket and tier as in `contracts.batch.MessageRow`."""

    address: str
    bucket: int
    tier: int


class Recipients:
    """Whoever gets a stream's mail: each one message on a busy day, fewer of them on others."""

    def __init__(self, stream: Stream, domains: list[str]) -> None:
        self._stream = stream
        self._domains = domains
        addresses = [self._address(n) for n in range(stream.demand.messages_per_day)]
        self._people = [
            Person(address, bucket_of(ACCOUNT_ID, address), self._tier(address))
            for address in addresses
        ]

    def known(self, today: date, unknown: Collection[str]) -> list[Person]:
        """Return who gets a day's mail. unknown: addresses that turned out not to exist."""
        busy = self._stream.demand.share_on(today)
        return [
            one
            for one in self._people
            if one.address not in unknown and (busy >= 1 or place_of("weekday", one.address) < busy)
        ]

    def moved(self, people: Collection[Person], share: int, today: date) -> list[Person]:
        """Return those whose mail is ours to send on a day."""
        within = self._stream.engaged_within(today)
        oldest = next((tier for tier, days in _LATEST if days == within), _LONG_AGO)
        return [one for one in people if one.bucket < share and one.tier <= oldest]

    def _address(self, number: int) -> str:
        domain = self._domains[number % len(self._domains)]
        return f"u{number}.{self._stream.pool_id}@{domain}"

    def _tier(self, address: str) -> int:
        engaged = self._stream.demand.engaged
        if engaged is None:
            return _NOBODY_KNOWS
        place = place_of("engaged", address)
        shares = (engaged.within_7, engaged.within_30, engaged.within_60, engaged.within_90)
        within = zip(shares, _LATEST, strict=True)
        return next((tier for share, (tier, _) in within if place < share), _LONG_AGO)


def batches(
    stream: Stream, people: Sequence[Person], policy_version: int, now: int
) -> Iterator[bytes]:
    """Yield one message to each of these people, in batches as the injection makes them."""
    content = pack(
        Content(
            account_id=ACCOUNT_ID,
            transmission_id=f"{now}",
            injected_at=now,
            pool_id=stream.pool_id,
            ip_pool=stream.demand.pool.name,
            sending_domain=SENDING_DOMAIN,
            sender=Mailbox(f"news@{SENDING_DOMAIN}"),
            subject="Rehearsal",
            raw=_RAW,
        )
    )
    injection = pack(
        Injection(ACCOUNT_ID, f"{now}", now, stream.demand.pool.name, "", SENDING_DOMAIN, "", [])
    )
    for start in range(0, len(people), BATCH):
        some = people[start : start + BATCH]
        rows = [
            MessageRow(
                index,
                address.rpartition("@")[2],
                now,
                pack(Recipient(address)),
                tier,
                bucket,
            )
            for index, (address, bucket, tier) in enumerate(some)
        ]
        yield pack(
            Batch(
                ACCOUNT_ID,
                f"{now}",
                stream.pool_id,
                policy_version,
                now,
                len(rows),
                content,
                rows,
                injection,
            )
        )
