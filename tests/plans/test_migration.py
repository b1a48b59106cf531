"""A migration as it is stored and carried out: states, shares that only rise, daily decisions."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest

from merpati.accounts.models import Account, AuditEntry
from merpati.contracts import sending_policy as contract
from merpati.events import alerts
from merpati.events.digest import Digest
from merpati.events.models import Alert
from merpati.events.provider_days import COLUMNS, number_of, old_way
from merpati.events.store import EventStore, reading
from merpati.plans.migration import actions
from merpati.plans.migration.errors import (
    CellNotFound,
    InvalidMigration,
    MigrationNotFound,
    NameTaken,
    NoSendingIps,
    NotAllMoved,
    NothingObserved,
    StepNotFound,
    WrongState,
)
from merpati.plans.migration.feed import feed
from merpati.plans.migration.finding import find_migration
from merpati.plans.migration.observed import observed_traffic
from merpati.plans.migration.progress import progress_of
from merpati.plans.migration.report import Criterion, report_of
from merpati.plans.migration.step import Migrations
from merpati.plans.migration.steps import holding_steps, states_of
from merpati.plans.migration.stored_plan import plan_of, steps_now
from merpati.plans.migration.stored_traffic import as_data, traffic_of
from merpati.plans.models import Migration, MigrationCell, MigrationState, WarmupTarget
from merpati.reputation.migration_plan import WHOLE, Engaged, Flow, Traffic
from merpati.reputation.milestones import milestones_of
from merpati.reputation.share_decision import ShareKind
from merpati.sandbox.dns_server import DnsServer
from merpati.sending import policy
from merpati.sending.egresses import add_egress
from merpati.sending.errors import EgressNotFound, PoolSplit, ShareWouldFall
from merpati.sending.ip_names import Verdict
from merpati.sending.models import SendingIp, Split
from merpati.sending.outside import Outside
from merpati.sending.sending_ips import add_sending_ip
from tests.support.control import BY, make_account

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
TODAY = NOW.date()
IP = "192.0.2.10"
SOME = Engaged(0.2, 0.4, 0.6, 0.8)
TRAFFIC = Traffic(
    (
        Flow(stream="news", provider="google", messages_per_day=900, target_per_day=1_000),
        Flow(
            stream="news", provider="t-online", messages_per_day=90, target_per_day=90, engaged=SOME
        ),
        Flow(stream="news", provider="other", messages_per_day=50, target_per_day=50),
    )
)


@pytest.fixture
def account() -> Account:
    account = make_account()
    add_sending_ip(account.pk, IP, "mta1.kirim.example", by=BY, now=NOW)
    add_egress(account.pk, "old", "smtp.old.example", 587, by=BY, now=NOW)
    return account


@pytest.fixture
def events(tmp_path: Path) -> Path:
    return tmp_path / "events.sqlite3"


def _draft(account: Account, starts_on: date = TODAY, name: str = "Move") -> Migration:
    return actions.create(account.pk, name, TRAFFIC, starts_on, "old", by=BY, now=NOW)


def _begun(account: Account) -> Migration:
    return actions.start(_draft(account), by=BY, now=NOW)


def _running(account: Account) -> Migration:
    """Begin, with the steps done for which mail would wait."""
    migration = _begun(account)
    for step in holding_steps(migration):
        actions.tick(migration, step.key, by=BY, now=NOW)
    return migration


def _cell(migration: Migration, provider: str) -> MigrationCell:
    return migration.cells.get(provider=provider)


def _at(migrations: Migrations, now: datetime) -> None:
    migrations.step(now, recorded_until=now)


def _sent(events: Path, way: str, day: date, provider: str, **counts: int) -> None:
    digest = Digest(0, 0)
    row = [counts.get(name, 0) for name in COLUMNS]
    digest.provider_days[way, number_of(day), provider] = row
    with EventStore(events) as store:
        store.add([(digest, "nonce")])


def test_a_plan_is_kept_as_a_draft_and_changes_nothing_else(account: Account) -> None:
    version = policy.current_version()
    migration = _draft(account, TODAY + timedelta(days=7))
    assert (migration.state, migration.starts_on) == ("draft", TODAY + timedelta(days=7))
    cells = {(cell.pool, cell.provider) for cell in migration.cells.all()}
    assert cells == {("default", "google"), ("default", "t-online"), ("default", "other")}
    days = list(_cell(migration, "google").days.order_by("day"))
    assert days[0].day == migration.starts_on
    assert 0 < days[0].planned_low <= days[0].planned <= days[-1].planned == 900
    assert policy.current_version() == version
    assert not Split.objects.exists()
    assert AuditEntry.objects.get(action="create_migration").subject == "Move"


def test_what_is_no_plan_is_refused_and_kept_nowhere(account: Account) -> None:
    _draft(account)
    with pytest.raises(NameTaken):
        _draft(account)
    with pytest.raises(EgressNotFound):
        actions.create(account.pk, "Two", TRAFFIC, TODAY, "new", by=BY, now=NOW)
    with pytest.raises(InvalidMigration, match="a name has"):
        actions.create(account.pk, " ", TRAFFIC, TODAY, "old", by=BY, now=NOW)
    with pytest.raises(InvalidMigration, match="more than a year"):
        actions.create(account.pk, "X", TRAFFIC, date(2028, 1, 1), "old", by=BY, now=NOW)
    assert Migration.objects.count() == 1
    with pytest.raises(MigrationNotFound):
        find_migration(Migration.objects.get().pk, make_account().pk)


def test_a_start_sends_everything_the_old_way_and_begins_the_warm_up(account: Account) -> None:
    migration = _running(account)
    (found,) = policy.build("b.example").migrations
    assert (found.shares, found.paused) == ([], "")
    ip = SendingIp.objects.get()
    assert (ip.warms_by_provider, ip.engaged_within_days) == (True, 30)
    targets = dict(WarmupTarget.objects.values_list("provider", "messages_per_day"))
    assert targets == {"google": 1_000, "t-online": 90}
    with pytest.raises(WrongState, match="is running; this is for one that is draft"):
        actions.start(migration, by=BY, now=NOW)
    other = _draft(account, name="Another")
    with pytest.raises(PoolSplit):
        actions.start(other, by=BY, now=NOW)
    assert Migration.objects.get(pk=other.pk).state == "draft"


def test_a_plan_without_sending_ips_does_not_start() -> None:
    account = make_account()
    add_egress(account.pk, "old", "smtp.old.example", 587, by=BY, now=NOW)
    migration = _draft(account)
    with pytest.raises(NoSendingIps):
        actions.start(migration, by=BY, now=NOW)
    assert Migration.objects.get().state == "draft"
    assert not Split.objects.exists()


def test_a_draft_whose_first_day_passed_starts_today(account: Account) -> None:
    migration = _draft(account)
    later = NOW + timedelta(days=10)
    migration = actions.start(migration, by=BY, now=later)
    assert migration.starts_on == later.date()
    assert _cell(migration, "google").days.order_by("day")[0].day == later.date()


def test_each_day_moves_what_the_allowance_bears_and_says_why(
    account: Account, events: Path
) -> None:
    migration = _running(account)
    clock = Migrations(events)
    _at(clock, NOW)
    google = _cell(migration, "google")
    day = google.days.get(day=TODAY)
    assert (day.kind, day.share) == (ShareKind.RISEN.value, google.share)
    assert google.share == WHOLE * day.facts["allowance"] // 900
    shares = {s.provider: s.share for s in policy.build("b.example").migrations[0].shares}
    assert shares["google"] == google.share
    assert set(shares) == {"google", "t-online", ""}
    version = policy.current_version()
    _at(clock, NOW + timedelta(hours=3))
    _at(Migrations(events), NOW + timedelta(hours=3))  # another process, or a restart
    assert policy.current_version() == version


def test_a_day_is_not_decided_before_the_day_before_is_stored(
    account: Account, events: Path
) -> None:
    migration = _running(account)
    clock = Migrations(events)
    midnight = datetime.combine(TODAY, time(), UTC)
    for recorded_until in (None, midnight - timedelta(seconds=1)):
        clock.step(NOW, recorded_until)
        assert _cell(migration, "google").share == 0
    clock.step(NOW, midnight + timedelta(minutes=3))
    assert _cell(migration, "google").share > 0


def test_a_share_holds_itself_back_after_a_block_and_others_go_on(
    account: Account, events: Path
) -> None:
    """M3."""
    migration = _running(account)
    clock = Migrations(events)
    _at(clock, NOW)
    before = _cell(migration, "google").share
    _sent(events, IP, TODAY, "google", offered=90, attempted=90, delivered=40, blocked=50)
    _sent(events, IP, TODAY, "t-online", offered=80, attempted=80, delivered=80)
    _at(clock, NOW + timedelta(days=1))
    google = _cell(migration, "google")
    day = google.days.get(day=TODAY + timedelta(days=1))
    assert (google.share, day.kind) == (before, ShareKind.BY_BLOCK.value)
    assert day.facts | {"per_cent": ""} == {"per_cent": "", "blocked": 50, "attempted": 90}
    assert _cell(migration, "t-online").share == WHOLE


def test_more_mail_than_was_planned_moves_a_smaller_share(account: Account, events: Path) -> None:
    migration = _running(account)
    _sent(events, old_way(account.pk, "default"), TODAY, "google", delivered=1_800)
    tomorrow = NOW + timedelta(days=1)
    _at(Migrations(events), tomorrow)
    day = _cell(migration, "google").days.get(day=tomorrow.date())
    assert day.share == WHOLE * day.facts["allowance"] // 1_800


def test_progress_counts_ours_and_the_old_way_by_provider_and_day(
    account: Account, events: Path
) -> None:
    migration = _running(account)
    _sent(events, IP, TODAY, "google", attempted=60, delivered=50, deferred=9, hard_bounced=1)
    _sent(events, IP, TODAY, "small.example", attempted=4, delivered=4)
    _sent(events, old_way(account.pk, "default"), TODAY, "google", attempted=800, delivered=800)
    _sent(events, old_way(account.pk + 1, "default"), TODAY, "google", attempted=7, delivered=7)
    with reading(events) as db:
        cells = {one.cell.provider: one.on(TODAY) for one in progress_of(migration, db)}
    google = cells["google"]
    assert (google.ours, google.refused, google.old) == (51, 9, 800)
    assert cells["other"].ours == 4


def test_engagement_widens_as_the_weeks_go_by(account: Account, events: Path) -> None:
    _running(account)
    clock = Migrations(events)
    seen = []
    for days in (0, 13, 14, 28, 42):
        _at(clock, NOW + timedelta(days=days))
        seen.append(SendingIp.objects.get().engaged_within_days)
    assert seen == [30, 30, 60, 90, None]


def test_a_pause_keeps_the_split_and_its_reason(account: Account, events: Path) -> None:
    migration = _running(account)
    with pytest.raises(InvalidMigration, match="say why"):
        actions.pause(migration, " ", by=BY, now=NOW)
    actions.pause(migration, "outage at the old provider", by=BY, now=NOW)
    _at(Migrations(events), NOW)
    assert _cell(migration, "google").share == 0
    assert policy.build("b.example").migrations[0].paused == "outage at the old provider"
    with pytest.raises(WrongState):
        actions.pause(migration, "again", by=BY, now=NOW)
    actions.resume(migration, by=BY, now=NOW)
    _at(Migrations(events), NOW)
    assert _cell(migration, "google").share > 0
    assert policy.build("b.example").migrations[0].paused == ""


def test_a_person_holds_and_releases_a_provider(account: Account, events: Path) -> None:
    migration = _running(account)
    actions.hold(migration, "gmail.com", "campaign looks odd", by=BY, now=NOW)
    clock = Migrations(events)
    _at(clock, NOW)
    google = _cell(migration, "google")
    assert (google.share, google.held_because, google.held_by) == (0, "campaign looks odd", BY)
    assert google.days.get(day=TODAY).kind == ShareKind.BY_HAND.value
    actions.release(migration, "google", "it was ours", by=BY, now=NOW)
    _at(clock, NOW + timedelta(days=1))
    assert _cell(migration, "google").share > 0
    with pytest.raises(CellNotFound, match="google, other, t-online"):
        actions.hold(migration, "yahoo", "why", by=BY, now=NOW)


def test_a_share_raised_by_hand_holds_at_once_with_its_reason(account: Account) -> None:
    migration = _running(account)
    actions.raise_share(migration, "google", 4_000, "warm domain", by=BY, now=NOW)
    google = _cell(migration, "google")
    assert google.share == 4_000
    assert google.days.get(day=TODAY).facts["reason"] == "warm domain"
    assert {s.provider: s.share for s in policy.build("b").migrations[0].shares}["google"] == 4_000
    with pytest.raises(ShareWouldFall):
        actions.raise_share(migration, "google", 3_999, "less", by=BY, now=NOW)
    with pytest.raises(InvalidMigration):
        actions.raise_share(migration, "google", 10_001, "more", by=BY, now=NOW)
    assert _cell(migration, "google").share == 4_000


def test_a_roll_back_of_a_provider_holds_it_there(account: Account, events: Path) -> None:
    migration = _running(account)
    actions.raise_share(migration, "google", 4_000, "warm domain", by=BY, now=NOW)
    actions.roll_back(migration, "complaints", provider="google", share=1_000, by=BY, now=NOW)
    _at(Migrations(events), NOW + timedelta(days=1))
    google = _cell(migration, "google")
    assert (google.share, google.held_because) == (1_000, "complaints")
    assert Migration.objects.get().state == MigrationState.RUNNING


def test_a_whole_roll_back_ends_the_migration_at_the_old_provider(
    account: Account, events: Path
) -> None:
    migration = _running(account)
    _at(Migrations(events), NOW)
    actions.roll_back(migration, "the campaign is off", by=BY, now=NOW)
    found = policy.build("b.example").migrations[0]
    assert {share.share for share in found.shares} == {0}
    assert Migration.objects.get().state == MigrationState.ROLLED_BACK
    _at(Migrations(events), NOW + timedelta(days=1))
    assert {cell.share for cell in migration.cells.all()} == {0}


def test_a_cut_over_needs_all_to_have_moved_or_to_be_told_so(account: Account) -> None:
    migration = _running(account)
    actions.raise_share(migration, "google", WHOLE, "done", by=BY, now=NOW)
    with pytest.raises(NotAllMoved, match="other 0 %, t-online 0 %"):
        actions.cut_over(migration, by=BY, now=NOW)
    assert Split.objects.exists()
    actions.cut_over(migration, even_if_not_all=True, by=BY, now=NOW)
    assert policy.build("b.example").migrations == []
    assert Migration.objects.get().state == MigrationState.DONE


def test_the_report_says_what_is_missing(account: Account, events: Path) -> None:
    migration = _running(account)
    actions.raise_share(migration, "", WHOLE, "done", by=BY, now=NOW)
    for days in range(7):
        day = TODAY + timedelta(days=days)
        _sent(events, IP, day, "google", attempted=1_000, delivered=985, deferred=5, hard_bounced=9)
    with reading(events) as db:
        cells = progress_of(Migration.objects.get(), db)
    report = report_of(cells, TODAY + timedelta(days=7))
    assert report.is_ready
    assert report.ours == 7 * 994
    _sent(events, old_way(account.pk, "default"), TODAY, "google", delivered=1)
    with reading(events) as db:
        cells = progress_of(Migration.objects.get(), db)
    report = report_of(cells, TODAY + timedelta(days=7))
    assert [f.criterion for f in report.findings if not f.is_met] == [Criterion.OLD_UNUSED]
    assert not report_of(cells, TODAY).is_ready  # nothing was sent before today


def test_traffic_is_taken_from_what_was_sent(account: Account, events: Path) -> None:
    with reading(events) as db, pytest.raises(NothingObserved):
        observed_traffic(db, account.pk, TODAY)
    for days, count in ((1, 80), (2, 100), (30, 999)):
        _sent(events, IP, TODAY - timedelta(days=days), "google", offered=count)
    _sent(events, old_way(account.pk, "default"), TODAY - timedelta(days=2), "google", offered=20)
    _sent(events, IP, TODAY, "route:127.0.0.1:25", offered=5)
    with reading(events) as db:
        (flow,) = observed_traffic(db, account.pk, TODAY).flows
    assert (flow.stream, flow.provider, flow.messages_per_day) == ("default", "google", 120)
    assert flow.weekdays is None  # two days tell nothing of the others


def test_the_weekdays_of_what_was_sent_are_seen(account: Account, events: Path) -> None:
    """Two weeks, of each weekday the busier; a day without mail is one."""
    for days in range(1, 14):
        day = TODAY - timedelta(days=days)
        if day.weekday() != 6:
            _sent(events, IP, day, "google", offered=100 - days if day.weekday() < 5 else 30)
    with reading(events) as db:
        (flow,) = observed_traffic(db, account.pk, TODAY).flows
    week = [TODAY - timedelta(days=days) for days in range(1, 8)]
    last = {day.weekday(): 100 - (TODAY - day).days for day in week}
    assert flow.weekdays == (*(last[number] for number in range(5)), 30, 0)
    assert flow.messages_per_day == max(flow.weekdays)
    kept = Traffic((flow,))
    assert traffic_of(json.loads(json.dumps(as_data(kept)))) == kept
    old = [{name: value for name, value in as_data(kept)[0].items() if name != "weekdays"}]
    assert traffic_of(old) == Traffic((replace(flow, weekdays=None),))


def test_the_calendar_has_steps_starts_and_expectations(account: Account) -> None:
    migration = _draft(account, TODAY + timedelta(days=10))
    milestones = milestones_of(plan_of(migration, TODAY), "en")
    assert any("tobr@rx.t-online.de" in one.title for one in milestones)
    assert [one.day for one in milestones] == sorted(one.day for one in milestones)
    text = feed(migration, milestones).decode()
    assert text.count("BEGIN:VEVENT") == len(milestones)
    assert "Half of the mail is sent from here." in text
    assert feed(migration, milestones_of(plan_of(migration, TODAY), "en")) == text.encode()


def test_nobody_moves_before_the_ptr_records_are_seen_to(account: Account, events: Path) -> None:
    migration = _begun(account)
    _at(Migrations(events), NOW)
    kinds = {cell.days.get(day=TODAY).kind for cell in migration.cells.all()}
    assert kinds == {ShareKind.NO_PTR.value}
    assert policy.build("b.example").migrations[0].shares == [
        contract.Share(name, 0) for name in ("", "google", "t-online")
    ]
    actions.tick(migration, "ptr", "set by the hosting company", by=BY, now=NOW)
    _at(Migrations(events), NOW + timedelta(days=1))
    assert _cell(migration, "google").share > 0


def test_nobody_moves_to_a_provider_that_was_not_told_of_our_ips(
    account: Account, events: Path
) -> None:
    migration = _begun(account)
    actions.tick(migration, "ptr", by=BY, now=NOW)
    _at(Migrations(events), NOW)
    assert _cell(migration, "google").share > 0
    known = _cell(migration, "t-online")
    assert (known.share, known.days.get(day=TODAY).kind) == (0, ShareKind.NOT_REGISTERED.value)
    actions.raise_share(migration, "t-online", 100, "they know us", by=BY, now=NOW)
    _at(Migrations(events), NOW + timedelta(days=1))
    assert _cell(migration, "t-online").days.get(day=TODAY + timedelta(days=1)).kind != (
        ShareKind.NOT_REGISTERED.value  # who has moved is no longer asked about
    )


def test_a_step_is_ticked_off_by_somebody_at_some_time_and_opened_again(account: Account) -> None:
    migration = _draft(account)
    row = actions.tick(migration, "register:t-online", "confirmed", by=BY, now=NOW)
    actions.tick(migration, "register:t-online", "again", by="other", now=NOW)
    assert (row.done_by, row.done_at, row.note) == (BY, NOW, "confirmed")
    states = {one.step.key: one for one in states_of(migration, steps_now(migration))}
    assert states["register:t-online"].done == row
    assert states["ptr"].holds_back
    assert not states["feedback_loop:google"].holds_back
    entry = AuditEntry.objects.get(action="tick_migration_step")
    assert (entry.actor, entry.detail["step"]) == (BY, "register:t-online")
    actions.untick(migration, "register:t-online", by=BY, now=NOW)
    assert not migration.steps.exists()
    for key in ("register:google", ""):
        with pytest.raises(StepNotFound, match="register:t-online"):
            actions.tick(migration, key, by=BY, now=NOW)
    with pytest.raises(InvalidMigration):
        actions.tick(migration, "ptr", "x" * 501, by=BY, now=NOW)


def test_the_ptr_step_is_done_when_dns_says_so(account: Account) -> None:
    migration = _draft(account)
    SendingIp.objects.update(address="8.8.4.4", hostname="mta1.kirim.example")
    with DnsServer() as dns:
        outside = Outside(dns_servers=(dns.address,))

        def verdicts() -> list[Verdict]:
            found = actions.check_names(migration, outside, by=BY, now=NOW)
            return [verdict for _, verdict in found]

        assert verdicts() == [Verdict.NO_PTR]
        dns.add("4.4.8.8.in-addr.arpa", "PTR", "other.isp.example.")
        dns.add("other.isp.example", "A", "192.0.2.1")
        assert verdicts() == [Verdict.ASTRAY]
        dns.add("other.isp.example", "A", "8.8.4.4")
        assert verdicts() == [Verdict.HELO_ASTRAY]
        dns.broken.add("4.4.8.8.in-addr.arpa")
        assert verdicts() == [Verdict.NOT_ASKED]
        assert not migration.steps.exists()
        dns.broken.clear()
        dns.add("mta1.kirim.example", "A", "8.8.4.4")
        assert verdicts() == [Verdict.RIGHT]
    assert migration.steps.get().note == "8.8.4.4 mta1.kirim.example"
    SendingIp.objects.update(address="10.0.0.5")
    assert [v for _, v in actions.check_names(migration, outside, by=BY, now=NOW)] == [
        Verdict.NOT_PUBLIC
    ]


def test_a_plan_that_holds_itself_back_raises_an_alert_until_it_goes_on(
    account: Account, events: Path
) -> None:
    """M3."""
    migration = _running(account)
    _at(Migrations(events), NOW)
    assert not Alert.objects.exists()
    _sent(events, IP, TODAY, "google", offered=90, attempted=90, delivered=40, blocked=50)
    _sent(events, IP, TODAY, "t-online", offered=5, attempted=5, delivered=5)
    _at(Migrations(events), NOW + timedelta(days=1))
    alert = Alert.objects.get()
    assert (alert.kind, alert.facts["provider"]) == ("migration_held", "google")
    words = alerts.in_words(alert)
    assert words.startswith(f"Migration {migration.pk} holds itself back at google (pool default)")
    assert "blocked 50 of 90 attempts" in words
    day = TODAY + timedelta(days=1)
    _sent(events, IP, day, "google", offered=90, attempted=90, delivered=40, blocked=50)
    _at(Migrations(events), NOW + timedelta(days=2))
    assert Alert.objects.get().ended_at is None  # one, while it lasts
    _at(Migrations(events), NOW + timedelta(days=3))
    assert Alert.objects.get().ended_at == NOW + timedelta(days=3)


@pytest.mark.parametrize("act", ["pause", "roll_back"])
def test_the_alert_ends_when_a_person_decides_about_all(
    account: Account, events: Path, act: str
) -> None:
    migration = _begun(account)
    _at(Migrations(events), NOW)
    assert Alert.objects.filter(ended_at=None).count() == 3
    getattr(actions, act)(migration, "we think", by=BY, now=NOW)
    assert not Alert.objects.filter(ended_at=None).exists()
