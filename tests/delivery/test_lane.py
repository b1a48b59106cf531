"""A line alone, with a host that only remembers: what it gives to connections, and when."""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from merpati.adapters.clock import Clock, SystemClock
from merpati.contracts.sending_policy import SendingIp
from merpati.delivery.allowance import Allowance
from merpati.delivery.destinations import Destination, Host
from merpati.delivery.lane import Lane, Line
from merpati.delivery.learned_pace import CLEAN_DELIVERIES, Learned
from merpati.delivery.options import Options
from merpati.delivery.outcome import Bounced, Deferred, Delivered, Ending, Reply, Returned
from merpati.delivery.prepared import Prepared
from merpati.delivery.sending_ip import LocalIp, Warmup
from merpati.delivery.session import Session
from merpati.providers.directory import Pace
from merpati.providers.phase import Phase
from merpati.providers.replies import Reading, read
from merpati.spool.shapes import Grant

THERE = Destination("mail.example", (Host("mx.mail.example", ("127.0.0.1",)),), 25)


class Home:
    is_sick = False
    cancelled: frozenset[int] = frozenset()


class Source:
    def __init__(self) -> None:
        self.home = Home()


class Queue:
    is_retired = False
    has_mail = False

    def __init__(self) -> None:
        self.back: list[Prepared] = []

    def put_back(self, message: Prepared) -> None:
        self.back.append(message)


class Office:
    """The host of a lane."""

    def __init__(self) -> None:
        self.clock: Clock = SystemClock()
        self.options = Options(connections=3)
        self.is_stopping = False
        self.opened = 0
        self.endings: list[Ending] = []
        self.blames: list[str] = []
        self.proofs = 0

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        work.close()
        self.opened += 1

    def wake(self, queue: object) -> None:
        return

    def ended(
        self, line: Line, remote: str, message: Prepared, ending: Ending, **told: bool
    ) -> None:
        self.endings.append(ending)

    def learned(self, lane: Lane) -> Learned | None:
        return None

    def blamed(self, lane: Lane, reading: Reading, reply: Reply) -> bool:
        self.blames.append(reading.cause)
        return False

    def rests(self, lane: Lane, reading: Reading, reply: Reply) -> None:
        return

    def proven(self, lane: Lane) -> None:
        self.proofs += 1

    def wants_allowance(self, allowance: Allowance) -> None:
        return

    def ip_missing(self, ip: LocalIp) -> None:
        return


class Talk:
    """A session as far as a line looks at it."""

    remote = "mx.mail.example[127.0.0.1]:25"
    address = "127.0.0.1"
    answered = 0
    is_open = True
    tls = ""

    def quit(self) -> None:
        return


class Mail:
    returned = 0

    def __init__(self, source: Source, queue: Queue) -> None:
        self.feed = source
        self.queue = queue
        self.row = SimpleNamespace(message_id=1)


def line_with(count: int, warmup: Warmup | None = None) -> tuple[Line, Office, Queue, Source]:
    office, queue, source = Office(), Queue(), Source()
    lane = Lane(cast(Any, office), LocalIp("127.0.0.2", "mta.example", warmup), THERE)
    line = lane.line(THERE)
    for _ in range(count):
        line.assign(cast(Prepared, Mail(source, queue)))
    return line, office, queue, source


@pytest.mark.parametrize(
    ("destination", "connections", "messages", "rate"),
    [
        pytest.param(
            replace(THERE, connections=2, messages_per_connection=20, messages_per_minute=600),
            *(2, 20, 600),
            id="the provider's own",
        ),
        pytest.param(
            replace(THERE, connections=25, messages_per_connection=1_000),
            *(3, 1_000, None),
            id="the operator allows fewer",
        ),
        pytest.param(
            replace(THERE, is_route=True, connections=25),
            *(25, 100_000, None),
            id="a route as it says",
        ),
        pytest.param(
            replace(THERE, is_route=True), *(20, 100_000, None), id="a route that says nothing"
        ),
    ],
)
def test_whose_limits_hold(
    destination: Destination, connections: int, messages: int, rate: int | None
) -> None:
    lane = Lane(cast(Any, Office()), LocalIp("127.0.0.2", "mta.example", None), THERE)
    line = lane.line(THERE)
    assert lane.line(destination) is line  # a newer answer to the same question
    assert lane.connections_limit == connections
    assert lane.messages_per_connection == messages
    assert lane.messages_per_minute == rate


def talk() -> Session:
    return cast(Session, Talk())


def test_nothing_is_begun_while_outcomes_cannot_be_stored() -> None:
    line, office, _, source = line_with(2)
    source.home.is_sick = True
    assert line.next_message(talk()) is None
    line.kick()
    assert office.opened == 0
    source.home.is_sick = False
    assert line.next_message(talk()) is not None
    line.kick()
    assert office.opened == 1


def test_nothing_is_begun_while_stopping() -> None:
    line, office, _, _ = line_with(2)
    office.is_stopping = True
    assert line.next_message(talk()) is None


def test_mail_of_a_missing_ip_goes_back() -> None:
    line, office, queue, _ = line_with(2)
    line.lane.ip.is_missing = True
    line.kick()
    assert len(queue.back) == 2
    assert office.opened == 0


async def test_what_is_assigned_counts_against_what_an_allowance_has_left() -> None:
    ip = SendingIp("127.0.0.2", "mta.example", messages_per_day=3)
    line, _, queue, source = line_with(0, Warmup(ip, granting, SystemClock()))
    (in_all, at_provider) = line.lane.allowances
    for allowance in (at_provider, in_all):
        allowance.begin_refill()
        await allowance.refill()
    assert line.room() == 1, "a block of one"
    line.assign(cast(Prepared, Mail(source, queue)))
    assert (line.room(), at_provider.promised, in_all.promised) == (0, 1, 1)
    assert line.next_message(cast(Session, Talk())) is not None
    assert (at_provider.left, at_provider.promised, in_all.promised) == (0, 0, 0)
    line.assign(cast(Prepared, Mail(source, queue)))
    line.give_back()
    assert (len(queue.back), in_all.promised) == (1, 0)


async def granting(address: str, provider: str, day: int, block: int, limit: int) -> Grant:
    return Grant(block, block)


def test_one_connection_is_tried_before_others_are_opened() -> None:
    line, office, _, _ = line_with(10)
    line.kick()
    line.kick()
    assert office.opened == 1
    line.sessions.add(talk())
    line.kick()
    assert office.opened == 3  # as many as allowed
    assert line.lane.connections == 3


def test_a_returned_message_goes_first_and_not_for_ever() -> None:
    line, office, _, _ = line_with(2)
    session = talk()
    first = line.next_message(session)
    assert first is not None
    for _ in range(3):
        line.message_ended(session, first, Returned("421 enough"))
        assert line.next_message(session) is first
    line.message_ended(session, first, Returned("421 enough"))
    assert office.endings == [Returned("421 enough")]
    assert line.in_flight == 0


async def test_a_connection_that_ends_unused_makes_the_line_wait() -> None:
    line, _, queue, _ = line_with(3)
    session = talk()
    line.sessions.add(session)
    line.lane.connections += 1
    line.session_closed(session, "421 4.7.0 go away")
    assert not line.is_usable(line.lane.host.clock.elapsed())
    assert "421 4.7.0 go away" in line.backoff.reason
    assert len(queue.back) == 3


async def test_a_connection_that_was_of_use_may_end_as_it_likes() -> None:
    line, office, queue, _ = line_with(3)
    session = talk()
    line.sessions.add(session)
    line.lane.connections += 1
    message = line.next_message(session)
    assert message is not None
    cast(Any, session).answered = 1
    line.message_ended(session, message, Delivered(Reply(250, None, "ok")))
    line.session_closed(session, "connection closed by the far end")
    assert line.is_usable(line.lane.host.clock.elapsed())
    assert office.opened == 1
    assert not queue.back


def test_the_last_reply_is_kept_for_people() -> None:
    line, _, _, _ = line_with(1)
    message = line.next_message(talk())
    assert message is not None
    line.message_ended(talk(), message, Deferred("450 4.2.0 later"))
    assert line.last_reply == "450 4.2.0 later"


# What replies taught.


LOW = read(421, "4.7.0", "[TSS04] Messages temporarily deferred", Phase.MESSAGE, "yahoo")
PAUSED = Learned(
    Pace(1, 10, None),
    Pace(3, 100_000, None),
    *(1e12, 1e12, 1e12, 0.0, "rate", "421 slow down", 0),
)
SLOWED = msgspec.structs.replace(PAUSED, paused_until=0.0)


@pytest.mark.parametrize(
    "ending",
    [
        Deferred("421 no", Reply(421, "4.7.0", "no"), LOW),
        Returned("421 no", Reply(421, "4.7.0", "no"), LOW),
        Bounced(LOW.bounce_class, Reply(550, "5.7.1", "no"), LOW),
    ],
)
def test_whatever_refusal_blames_us_is_learned_from(ending: Ending) -> None:
    line, office, _, _ = line_with(1)
    message = line.next_message(talk())
    assert message is not None
    line.message_ended(talk(), message, ending)
    assert office.blames == ["ip_reputation"]


def test_a_paused_lane_gives_its_mail_back_and_begins_nothing() -> None:
    line, office, queue, _ = line_with(2)
    line.lane.use_learned(PAUSED)
    assert len(queue.back) == 2
    assert not line.is_usable(0.0)
    line.kick()
    assert office.opened == 0


def test_a_slowed_lane_keeps_the_lower_limits_until_it_forgets() -> None:
    line, _, _, _ = line_with(1)
    line.lane.use_learned(SLOWED)
    assert (line.lane.connections_limit, line.lane.messages_per_connection) == (1, 10)
    line.lane.use_learned(None)
    assert (line.lane.connections_limit, line.lane.messages_per_connection) == (3, 100_000)


def test_connections_beyond_a_lowered_limit_take_nothing_more() -> None:
    line, _, _, _ = line_with(2)
    line.lane.connections = 2
    line.lane.use_learned(SLOWED)
    assert line.next_message(talk()) is None
    line.lane.connections = 1
    assert line.next_message(talk()) is not None


def test_enough_clean_deliveries_are_told_once() -> None:
    line, office, _, _ = line_with(0)
    line.lane.use_learned(SLOWED)
    for _ in range(CLEAN_DELIVERIES + 5):
        line.lane.has_delivered()
    assert office.proofs == 1
