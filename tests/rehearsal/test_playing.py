"""Small migrations played to the end: allowances hold, blocks are contained, seeds repeat."""

from __future__ import annotations

import errno
from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from merpati.contracts.sending_policy import OnBlock, OnSpent
from merpati.delivery.old_queue import OldQueue
from merpati.delivery.ready_queue import ReadyQueue
from merpati.plans.migration.deciding import AS_USUAL, Ways
from merpati.providers.directory import directory
from merpati.rehearsal.mail import Recipients
from merpati.rehearsal.playing import play
from merpati.rehearsal.result import PlayedPart
from merpati.rehearsal.scenario import RehearsalError, Scenario, make_scenario
from merpati.reputation.migration_plan import (
    OTHER,
    Cell,
    Engaged,
    Flow,
    MigrationPlan,
    PlannedDay,
    Pool,
    Range,
    Traffic,
)
from merpati.reputation.reason import Kind
from merpati.sandbox.providers_file import PlayedProvider, ProvidersFile
from merpati.spool.store import Store

FIRST = date(2030, 1, 7)
NEVER = Range(None, None, None)


def scenario(
    messages: int = 300,
    days: int = 2,
    seed: int = 1,
    engaged: Engaged | None = None,
    ips: int = 1,
    starts_on: date = FIRST,
    ways: Ways = AS_USUAL,
    **keys: Any,
) -> Scenario:
    flow = Flow(
        stream="news",
        provider="yahoo",
        messages_per_day=messages,
        target_per_day=messages,
        engaged=engaged,
    )
    pools = (Pool("news", ("news",), ips, starts_on),)
    plan = MigrationPlan(FIRST, pools, (), NEVER, NEVER, NEVER, (), ())
    provider = PlayedProvider(name="Y", like="yahoo", domains=["y.test"], **keys)
    return make_scenario(
        Traffic((flow,)),
        plan,
        ProvidersFile([provider]),
        directory(),
        days=days,
        seed=seed,
        ways=ways,
    )


def played(scene: Scenario, folder: Path) -> PlayedPart:
    return replace_cpu(play(scene, scene.parts[0], folder, lambda _: None))


def replace_cpu(part: PlayedPart) -> PlayedPart:
    return PlayedPart(
        number=part.number, streams=part.streams, messages=part.messages, cpu_seconds=0
    )


def test_a_migration_keeps_to_its_allowances_and_loses_nothing(tmp_path: Path) -> None:
    days = played(scenario(messages=600, days=3), tmp_path).streams[0].days
    assert [date.fromisoformat(day.day) for day in days] == [
        FIRST + timedelta(number) for number in range(3)
    ]
    for day in days:
        assert 0 < day.attempted <= day.allowance
    shares = [day.share for day in days]
    assert shares == sorted(shares)  # who has moved stays moved
    assert shares[0] < shares[-1]
    ended = sum(day.delivered + day.hard_bounced + day.old for day in days)
    assert sum(day.wanted for day in days) == ended + days[-1].waiting
    assert (days[0].kind, days[1].kind) == (Kind.FIRST_DAY.value, Kind.GROWING.value)


def test_the_same_seed_gives_the_same_result(tmp_path: Path) -> None:
    few = {"messages": 80, "noise": 0.2}
    first = played(scenario(**few), tmp_path / "1")
    assert played(scenario(**few), tmp_path / "2") == first
    assert played(scenario(**few, seed=2), tmp_path / "3") != first


def test_a_warming_lane_has_its_queue_pumped_when_a_turn_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pumped: Counter[type] = Counter()
    pump = ReadyQueue.pump

    def counted(queue: ReadyQueue) -> None:
        pumped[type(queue)] += 1
        pump(queue)

    monkeypatch.setattr(ReadyQueue, "pump", counted)
    (day,) = played(scenario(messages=600, days=1), tmp_path).streams[0].days
    sweeps = 24 * 60 // 5  # of a split queue they look at both sides
    assert day.attempted > 100
    # Once to compose the message, once to assign it; not after its MAIL and its answer too.
    assert pumped[ReadyQueue] < sweeps + 2.2 * day.attempted
    assert pumped[OldQueue] < sweeps + day.old / 4  # many a pump: nothing paces them


def test_real_smtp_comes_to_the_same(tmp_path: Path) -> None:
    scene = scenario(messages=100, days=1)
    (memory,) = played(scene, tmp_path / "1").streams[0].days
    (sockets,) = played(replace(scene, real_smtp=True), tmp_path / "2").streams[0].days
    assert (sockets.attempted, sockets.delivered) == (memory.attempted, memory.delivered)


def test_a_block_stops_the_day_and_lowers_the_next(tmp_path: Path) -> None:
    """The engine rests after the first, and that one is enough for the controller (M3)."""
    scene = scenario(start_per_day=120, block_at=1.0, block_days=0.2, softness=0.0, noise=0.0)
    first, second = played(scene, tmp_path).streams[0].days
    assert (first.delivered, first.blocked) == (120, 1)
    assert [turn.kind for turn in first.turns] == [Kind.STOPPED_BY_BLOCK.value]
    assert second.allowance < first.allowance / 5
    assert second.kind == Kind.BLOCKED.value


def test_greylisting_holds_nobody_back(tmp_path: Path) -> None:
    """Each first try deferred, each second one taken: the provider asks for no less mail."""
    scene = scenario(greylist_minutes=5, days=3)
    first, second, third = played(scene, tmp_path).streams[0].days
    assert first.attempted > first.delivered + first.deferred + first.hard_bounced
    assert first.allowance < second.allowance < third.allowance or third.allowance == 300


def test_the_engine_sends_the_others_by_the_old_provider(tmp_path: Path) -> None:
    scene = scenario(days=1, unknown_user_share=0.0, ways=Ways(on_spent=OnSpent.WAIT))
    (day,) = played(scene, tmp_path).streams[0].days
    assert 0 < day.moved < day.wanted
    assert day.old == day.wanted - day.moved
    assert day.delivered + day.waiting == day.moved


def test_what_is_only_counted_is_counted_the_same(tmp_path: Path) -> None:
    scene = scenario(days=1, unknown_user_share=0.0, ways=Ways(on_spent=OnSpent.WAIT))
    (sent,) = played(scene, tmp_path / "1").streams[0].days
    (counted,) = played(replace(scene, counts_old=True), tmp_path / "2").streams[0].days
    same = ("wanted", "moved", "old", "attempted", "delivered", "waiting")
    assert [getattr(counted, name) for name in same] == [getattr(sent, name) for name in same]


def test_blocked_mail_goes_by_the_old_provider_if_the_plan_says_so(tmp_path: Path) -> None:
    keys: dict[str, Any] = {
        "start_per_day": 50, "block_at": 1.0, "block_days": 3.0, "softness": 0.0, "noise": 0.0,
        "days": 1, "unknown_user_share": 0.0,
    }  # fmt: skip
    waits, relieved = (
        played(scenario(ways=Ways(OnSpent.WAIT, on_block), **keys), tmp_path / on_block)
        for on_block in (OnBlock.WAIT, OnBlock.OLD)
    )
    (kept,), (moved_on,) = waits.streams[0].days, relieved.streams[0].days
    assert kept.blocked == moved_on.blocked == 1
    assert moved_on.old == kept.old + 1


def test_many_deferrals_end_the_days_mail_and_the_reason_is_kept(tmp_path: Path) -> None:
    (day,) = played(scenario(days=1, background_deferral=0.4), tmp_path).streams[0].days
    (turn,) = day.turns
    assert (turn.kind, turn.messages_per_hour) == (Kind.STOPPED.value, 0)
    assert turn.facts == {"deferred": day.deferred, "attempted": day.attempted}
    assert day.attempted < day.allowance / 4


def test_who_engaged_moves_first_and_unknown_users_get_no_more_mail(tmp_path: Path) -> None:
    engaged = Engaged(0.1, 0.3, 0.5, 0.7)
    scene = scenario(messages=400, engaged=engaged, unknown_user_share=0.1)
    first, second = played(scene, tmp_path).streams[0].days
    assert first.moved <= 0.35 * 400  # within 30 days, in the first two weeks
    assert first.hard_bounced > 0
    assert second.hard_bounced < first.hard_bounced


def test_nothing_moves_before_a_pools_first_day(tmp_path: Path) -> None:
    scene = scenario(days=2, starts_on=FIRST + timedelta(days=1))
    first, second = played(scene, tmp_path).streams[0].days
    assert (first.share, first.attempted, first.share_kind) == (0, 0, "not_yet")
    assert first.old == first.wanted
    assert 0 < second.attempted <= second.moved


def test_all_hosts_that_nobody_knows_are_one_provider() -> None:
    flows = tuple(
        Flow(stream="news", provider=provider, messages_per_day=9, target_per_day=9)
        for provider in ("mx.one.test", "two.test", OTHER)
    )
    cells = tuple(
        Cell("news", flow.provider, 9, 9, (PlannedDay(FIRST, 9, 100, 2, 1, 3),), NEVER)
        for flow in flows
    )
    pools = (Pool("news", ("news",), 1, FIRST),)
    plan = MigrationPlan(FIRST, pools, cells, NEVER, NEVER, NEVER, (), ())
    file = ProvidersFile([PlayedProvider(name="All", domains=["a.test"])])
    scene = make_scenario(Traffic(flows), plan, file, directory(), days=2, seed=1)
    (stream,) = scene.parts[0].streams
    assert (stream.demand.messages_per_day, stream.planned) == (27, (6, 6))


def test_a_full_disk_ends_it_with_a_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    scene = scenario(days=1)
    monkeypatch.setattr(Store, "commit", full)
    with pytest.raises(RehearsalError, match=r"No space left on device.*--work"):
        played(scene, tmp_path)


def test_a_provider_that_is_not_described_is_named() -> None:
    flow = Flow(stream="news", provider="google", messages_per_day=9, target_per_day=9)
    pools = (Pool("news", ("news",), 1, FIRST),)
    plan = MigrationPlan(FIRST, pools, (), NEVER, NEVER, NEVER, (), ())
    file = ProvidersFile([PlayedProvider(name="Y", like="yahoo", domains=["y.test"])])
    with pytest.raises(RehearsalError, match=r'mail to google.*like = "google"'):
        make_scenario(Traffic((flow,)), plan, file, directory(), days=1, seed=1)


def test_on_quiet_weekdays_some_recipients_get_no_mail() -> None:
    (stream,) = scenario(messages=400).parts[0].streams
    half = (1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.0)
    people = Recipients(replace(stream, demand=replace(stream.demand, weekdays=half)), ["a.test"])
    monday = date(2026, 12, 7)
    of_week = [people.known(monday + timedelta(days=number), ()) for number in range(7)]
    assert [len(of_week[number]) for number in (0, 4, 6)] == [400, 400, 0]
    assert 160 < len(of_week[5]) < 240
