"""What the delivery of one worker looks like from outside, and what it can be asked to do."""

from __future__ import annotations

import msgspec


class QueueStatus(msgspec.Struct, frozen=True, omit_defaults=False):
    """One ready queue, as `merpati queue` shows it. Times: milliseconds since the epoch, or None.

    provider: mailbox provider or route; as long as neither is known what the recipient domain
    hints at, or that domain.
    depth: messages on disk, those in flight and those that wait for a retry included.
    reason: why nothing moves, as a sentence without its full stop, "" while something does; why:
    the same as a word (see `reasons.py`); until: when that ends, if that is known.
    by: who ordered it to wait, "" when nobody did.
    slowed: sentences on sending IPs that this provider's replies slowed or paused.
    split: sentences on mail that is divided with an old provider, what one side waits for included.
    tls: protocol and cipher of the last connection, "" while none was encrypted.
    """

    account_id: int
    pool_id: int
    pool: str
    provider: str
    depth: int
    oldest_due_at: int | None
    in_flight: int
    connections: int
    last_reply: str
    pace: str
    reason: str
    until: int | None
    why: str = ""
    by: str = ""
    slowed: tuple[str, ...] = ()
    tls: str = ""
    split: tuple[str, ...] = ()


class LaneStatus(msgspec.Struct, frozen=True):
    """The pace of one sending IP at one provider; limits None while no mail went there yet.

    reason: why it is below the configured one, "" while it is not; until: when it rises next;
    since: when it was lowered last; paused_until: nothing is begun before, None while some is.
    """

    sending_ip: str
    provider: str
    connections: int
    connections_limit: int
    messages_per_connection: int
    messages_per_minute: int | None
    configured_connections: int
    configured_messages_per_minute: int | None
    reason: str = ""
    since: int | None = None
    until: int | None = None
    paused_until: int | None = None


class KnownWays(msgspec.Struct, frozen=True):
    """What a worker knows of where the mail of some domains goes; asked with their list.

    providers: by domain, of those it has looked up, as `QueueStatus.provider`; lanes: all paces.
    """

    providers: dict[str, str] = {}
    lanes: list[LaneStatus] = []


class Retry(msgspec.Struct, frozen=True):
    """Have deferred mail tried again now: of an account, pool, provider, or by one sending IP.

    None and "" stand for all. lifts: also end what replies and failed connections taught to wait.
    Answer: int, the messages that are due now and were not before.
    """

    account_id: int | None = None
    pool_id: int | None = None
    provider: str = ""
    sending_ip: str = ""
    lifts: bool = False
