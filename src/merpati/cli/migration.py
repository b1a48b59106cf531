"""`merpati migration`: move an account's mail from its old provider, day by day."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from merpati.cli.actor import actor, now
from merpati.cli.output import Group, common_options, json_option, say, show, table
from merpati.runtime.setup import setup
from merpati.settings import load

if TYPE_CHECKING:
    from merpati.plans.models import Migration
    from merpati.reputation.migration_plan import MigrationPlan, Traffic
    from merpati.reputation.words import Language
    from merpati.runtime.paths import DataFolder

_BEGIN = 14  # days of a plan that are printed
_TIME_TO_PREPARE = timedelta(days=14)
_SEED = click.IntRange(0, 2**31 - 1)


class _Day(click.ParamType[Any]):
    name = "day"

    def convert(self, value: Any, _: click.Parameter | None, ctx: click.Context | None) -> date:
        try:
            return date.fromisoformat(value)
        except (TypeError, ValueError):
            self.fail(f"{value!r} is no date: write year-month-day, 2027-01-31", None, ctx)


class _PerCent(click.ParamType[Any]):
    name = "per cent"

    def convert(self, value: Any, _: click.Parameter | None, ctx: click.Context | None) -> int:
        match = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]{1,2})?)%?", str(value).strip())
        if match is None or float(match[1]) > 100:
            self.fail(f"{value!r} is no share: write 0 to 100 per cent, 12.5%", None, ctx)
        return round(100 * float(match[1]))


@click.group(
    cls=Group,
    examples=(
        "merpati migration plan traffic.csv --starts-on 2027-01-11",
        "merpati migration create 1 'To Merpati' traffic.csv --egress old --starts-on 2027-01-11",
        "merpati migration steps 1",
        "merpati migration start 1",
        "merpati migration show 1",
        "merpati migration report 1",
        "merpati migration cut-over 1",
    ),
)
def migration() -> None:
    """Move an account's mail from its old provider, day by day."""


@migration.command(
    "plan",
    examples=(
        "merpati migration plan traffic.csv",
        "merpati migration plan traffic.csv --starts-on 2027-01-11 --json",
    ),
)
@click.argument("csv", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--starts-on", type=_Day(), metavar="DAY", help="First day [default: in two weeks].")
@click.option("--seed", type=_SEED, help="Of the simulated runs, to have others.")
@json_option
def plan(csv: Path, *, starts_on: date | None, seed: int | None, as_json: bool) -> int:
    """Make a plan from a CSV of today's traffic, and keep nothing.

    How many sending IPs, which stream by which pool, how much goes from here on which day, until
    when (with the range of simulated runs), and what has to be done before.
    """
    from merpati.providers.directory import directory  # noqa: PLC0415 - take a while to load
    from merpati.reputation.plan_document import plan_document  # noqa: PLC0415
    from merpati.reputation.planning import plan_for  # noqa: PLC0415
    from merpati.reputation.provider_family import SEED  # noqa: PLC0415
    from merpati.reputation.traffic_csv import InvalidTraffic  # noqa: PLC0415

    today = _today()
    try:
        made = plan_for(
            _traffic(csv),
            starts_on or today + _TIME_TO_PREPARE,
            today,
            directory(),
            seed=SEED if seed is None else seed,
        )
    except InvalidTraffic as error:
        return _complain(error)
    show(plan_document(made), _plan_words(made), as_json)
    return 0


@migration.command(
    "create",
    examples=(
        "merpati migration create 1 'To Merpati' traffic.csv --egress old --starts-on 2027-01-11",
        "merpati migration create 'Toko Kirim' Again --observed --egress old",
    ),
)
@click.argument("account")
@click.argument("name")
@click.argument("csv", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--observed", is_flag=True, help="Plan from what was sent in the last two weeks.")
@click.option("--egress", required=True, metavar="NAME", help="The old provider.")
@click.option("--starts-on", type=_Day(), metavar="DAY", help="First day [default: in two weeks].")
@click.option(
    "--on-spent",
    type=click.Choice(["old", "wait", "pool"]),
    default="old",
    show_default=True,
    help="Where mail goes when a day's allowance is spent.",
)
@click.option(
    "--on-block",
    type=click.Choice(["wait", "old"]),
    default="wait",
    show_default=True,
    help="What becomes of mail that a provider blocked from here.",
)
@click.option(
    "--when-old-fails",
    type=click.Choice(["wait", "move"]),
    default="wait",
    show_default=True,
    help="What becomes of the old provider's mail while it takes none.",
)
@click.option("--seed", type=_SEED, help="Of the simulated runs, to have others.")
@common_options
def create(
    account: str,
    name: str,
    csv: Path | None,
    *,
    observed: bool,
    egress: str,
    starts_on: date | None,
    on_spent: str,
    on_block: str,
    when_old_fails: str,
    seed: int | None,
    data: Path,
    as_json: bool,
) -> int:
    """Keep a plan as a draft, from a CSV or from what was sent lately. It moves no mail yet."""
    if (csv is None) is not observed:
        raise click.UsageError("give a CSV or --observed, one of them")
    folder = setup(data)
    from merpati.accounts.actions import find_account  # noqa: PLC0415 - needs Django set up
    from merpati.contracts.sending_policy import OnBlock, OnOldFailure, OnSpent  # noqa: PLC0415
    from merpati.plans.migration import actions  # noqa: PLC0415
    from merpati.plans.migration.deciding import Ways  # noqa: PLC0415
    from merpati.plans.migration.documents import migration_document  # noqa: PLC0415
    from merpati.reputation.provider_family import SEED  # noqa: PLC0415
    from merpati.reputation.traffic_csv import InvalidTraffic  # noqa: PLC0415

    found = find_account(account)
    try:
        made = actions.create(
            found.pk,
            name,
            _observed(folder, found.pk) if csv is None else _traffic(csv),
            starts_on or _today() + _TIME_TO_PREPARE,
            egress,
            ways=Ways(OnSpent(on_spent), OnBlock(on_block), OnOldFailure(when_old_fails)),
            seed=SEED if seed is None else seed,
            by=actor(),
            now=now(),
        )
    except InvalidTraffic as error:
        return _complain(error)
    text = f"Migration {made.pk}, {made.name}, is a draft. Begin: merpati migration start {made.pk}"
    show(migration_document(made), text, as_json)
    return 0


@migration.command("list", examples=("merpati migration list", "merpati migration list --json"))
@click.option("--account", metavar="A", help="Only this account's.")
@common_options
def list_migrations(account: str | None, data: Path, as_json: bool) -> None:
    """List migrations, the newest first."""
    setup(data)
    from merpati.accounts.actions import find_account  # noqa: PLC0415 - needs Django set up
    from merpati.plans.migration.documents import migration_document  # noqa: PLC0415
    from merpati.plans.migration.finding import migrations_of  # noqa: PLC0415

    rows = list(migrations_of(find_account(account).pk if account else None))
    head = ("id", "account", "name", "state", "starts on", "old provider")
    text = table(
        head,
        [
            [row.pk, row.account.name, row.name, row.state, row.starts_on,
             row.egress.name if row.egress else "–"]
            for row in rows
        ],
        "no migrations; make one: merpati migration create ACCOUNT NAME CSV --egress NAME",
    )  # fmt: skip
    show({"migrations": [migration_document(row) for row in rows]}, text, as_json)


@migration.command("show", examples=("merpati migration show 1", "merpati migration show 1 --json"))
@click.argument("number", type=int)
@common_options
def show_migration(number: int, data: Path, as_json: bool) -> None:
    """Show how a migration goes: plan against sent, by provider and day, and why."""
    folder = setup(data)
    from merpati.events.store import reading  # noqa: PLC0415 - needs Django set up
    from merpati.plans.migration.documents import (  # noqa: PLC0415
        latest_decision,
        migration_document,
        progress_document,
        reason_words,
    )
    from merpati.plans.migration.finding import find_migration  # noqa: PLC0415
    from merpati.plans.migration.progress import progress_of  # noqa: PLC0415

    found, today = find_migration(number), _today()
    with reading(folder.events) as db:
        cells = progress_of(found, db)
    rows = []
    for one in cells:
        planned = next((day.planned for day in one.days if day.day == today), None)
        sent = one.on(today)
        rows.append(
            [
                one.cell.pool, one.cell.provider, f"{one.cell.share / 100:g} %", planned,
                sent.ours, sent.old, sent.refused, one.cell.done_likely or "–",
                reason_words(latest_decision(one, today), "en") or "not begun",
            ]
        )  # fmt: skip
    head = (
        "pool", "provider", "moved", "planned today", "from here", "old way", "refused",
        "done about", "why",
    )  # fmt: skip
    reason = f" ({found.reason})" if found.reason else ""
    text = f"{found.name}: {found.state}{reason}, from {found.starts_on}\n{table(head, rows)}"
    document = migration_document(found) | {"providers": progress_document(cells, today)}
    show(document, text, as_json)


@migration.command("start", examples=("merpati migration start 1",))
@click.argument("number", type=int)
@common_options
def start(number: int, data: Path, as_json: bool) -> None:
    """Begin a draft: its pools' mail goes by the old provider, and moves day by day.

    The pools' sending IPs begin to warm up by provider.
    """
    setup(data)
    from merpati.plans.migration import actions  # noqa: PLC0415 - needs Django set up
    from merpati.plans.migration.steps import holding_steps  # noqa: PLC0415

    begun = actions.start(_found(number), by=actor(), now=now())
    _shown(begun, "has begun", as_json)
    if holding := holding_steps(begun):
        say(f"Mail waits for steps that are open: {', '.join(step.key for step in holding)}.")
        say(f"See merpati migration steps {number}.")


@migration.command("steps", examples=("merpati migration steps 1",))
@click.argument("number", type=int)
@common_options
def steps(number: int, data: Path, as_json: bool) -> None:
    """List what has to be done by hand before the first day, and what is done."""
    setup(data)
    _show_steps(_found(number), as_json)


@migration.command(
    "tick",
    examples=(
        "merpati migration tick 1 register:t-online --note 'confirmed by their postmaster'",
        "merpati migration tick 1 ptr --note 'set by the hosting company'",
        "merpati migration tick 1 ptr --open",
    ),
)
@click.argument("number", type=int)
@click.argument("key", metavar="STEP")
@click.option("--note", default="", help="How it was done, or why it is gone without.")
@click.option("--open", "is_open", is_flag=True, help="It is not done after all.")
@common_options
def tick(number: int, key: str, *, note: str, is_open: bool, data: Path, as_json: bool) -> None:
    """Tick a step off; mail that waited for it moves from the next day on."""
    setup(data)
    from merpati.plans.migration import actions  # noqa: PLC0415 - needs Django set up

    found = _found(number)
    if is_open:
        actions.untick(found, key, by=actor(), now=now())
    else:
        actions.tick(found, key, note, by=actor(), now=now())
    _show_steps(found, as_json)


@migration.command("check-ptr", examples=("merpati migration check-ptr 1",))
@click.argument("number", type=int)
@common_options
def check_ptr(number: int, data: Path, as_json: bool) -> int:
    """Ask DNS for the sending IPs' PTR records; all right, that step is done. Else ends with 1."""
    setup(data)
    from merpati.plans.migration import actions  # noqa: PLC0415 - needs Django set up
    from merpati.sending.ip_names import Verdict  # noqa: PLC0415
    from merpati.sending.outside import Outside  # noqa: PLC0415

    found = actions.check_names(_found(number), Outside.of(load(data)), by=actor(), now=now())
    rows = [(ip.address, ip.hostname, verdict.value) for ip, verdict in found]
    document = [dict(zip(("external_ip", "hostname", "verdict"), row, strict=True)) for row in rows]
    text = table(
        ("sending IP", "host name", "finding"),
        [(address, name, _NAMES[verdict]) for address, name, verdict in rows],
    )
    show({"sending_ips": document}, text, as_json)
    return 0 if all(verdict is Verdict.RIGHT for _, verdict in found) else 1


@migration.command("pause", examples=("merpati migration pause 1 --reason 'sale week'",))
@click.argument("number", type=int)
@click.option("--reason", required=True, help="Why; it is kept and shown.")
@common_options
def pause(number: int, *, reason: str, data: Path, as_json: bool) -> None:
    """Let nobody move any more, for now; who has moved stays moved."""
    setup(data)
    from merpati.plans.migration import actions  # noqa: PLC0415 - needs Django set up

    _shown(actions.pause(_found(number), reason, by=actor(), now=now()), "is paused", as_json)


@migration.command("resume", examples=("merpati migration resume 1",))
@click.argument("number", type=int)
@common_options
def resume(number: int, data: Path, as_json: bool) -> None:
    """Go on after a pause."""
    setup(data)
    from merpati.plans.migration import actions  # noqa: PLC0415 - needs Django set up

    _shown(actions.resume(_found(number), by=actor(), now=now()), "goes on", as_json)


@migration.command(
    "override",
    examples=(
        "merpati migration override 1 --provider google --hold --reason 'complaints in a campaign'",
        "merpati migration override 1 --provider google --release --reason 'it was fixed'",
        "merpati migration override 1 --provider yahoo --share 40% --reason 'warm before'",
    ),
)
@click.argument("number", type=int)
@click.option("--provider", required=True, metavar="P", help="As the plan names it.")
@click.option("--pool", default="", metavar="POOL", help="Only in this pool.")
@click.option("--hold", "does", flag_value="hold", help="Keep the share where it is.")
@click.option("--release", "does", flag_value="release", help="End a hold.")
@click.option("--share", type=_PerCent(), metavar="P%", help="Raise the share to this, at once.")
@click.option("--reason", required=True, help="Why; it is kept with the decision.")
@common_options
def override(
    number: int,
    *,
    provider: str,
    pool: str,
    does: str | None,
    share: int | None,
    reason: str,
    data: Path,
    as_json: bool,
) -> None:
    """Decide by hand at a provider: hold its share, release it, or raise it."""
    if (does is None) is (share is None):
        raise click.UsageError("give one of --hold, --release and --share")
    setup(data)
    from merpati.plans.migration import actions  # noqa: PLC0415 - needs Django set up

    found, by, at = _found(number), actor(), now()
    if share is not None:
        cells = actions.raise_share(found, provider, share, reason, pool=pool, by=by, now=at)
    elif does == "hold":
        cells = actions.hold(found, provider, reason, pool=pool, by=by, now=at)
    else:
        cells = actions.release(found, provider, reason, pool=pool, by=by, now=at)
    document = [
        {
            "pool": cell.pool,
            "provider": cell.provider,
            "share_percent": cell.share / 100,
            "held_because": cell.held_because or None,
        }
        for cell in cells
    ]
    held = {"hold": ", held there", "release": ", no longer held"}.get(does or "", "")
    text = "\n".join(f"{cell}: {cell.share / 100:g} % have moved{held}." for cell in cells)
    show({"providers": document}, text, as_json)


@migration.command(
    "roll-back",
    examples=(
        "merpati migration roll-back 1 --provider google --share 10% --reason 'blocked for a day'",
        "merpati migration roll-back 1 --reason 'we stay with the old provider'",
    ),
)
@click.argument("number", type=int)
@click.option("--provider", default="", metavar="P", help="Only of this provider [default: all].")
@click.option("--pool", default="", metavar="POOL", help="Only in this pool.")
@click.option("--share", type=_PerCent(), default="0", metavar="P%", help="Down to this.")
@click.option("--reason", required=True, help="Why; it is kept with the decision.")
@common_options
def roll_back(
    number: int, *, provider: str, pool: str, share: int, reason: str, data: Path, as_json: bool
) -> None:
    """Send recipients by the old provider again; the only way a share falls.

    All of them, to 0 %, ends the migration: everything goes by the old provider.
    """
    setup(data)
    from merpati.plans.migration import actions  # noqa: PLC0415 - needs Django set up

    done = actions.roll_back(
        _found(number), reason, provider=provider, pool=pool, share=share, by=actor(), now=now()
    )
    _shown(done, f"is rolled back{f' at {provider}' if provider else ''}", as_json)


@migration.command("report", examples=("merpati migration report 1",))
@click.argument("number", type=int)
@common_options
def report(number: int, data: Path, as_json: bool) -> int:
    """Say whether the old provider can go, criterion by criterion. Ends with 1 when it cannot."""
    folder = setup(data)
    from merpati.events.store import reading  # noqa: PLC0415 - needs Django set up
    from merpati.plans.migration.documents import report_document  # noqa: PLC0415
    from merpati.plans.migration.progress import progress_of  # noqa: PLC0415
    from merpati.plans.migration.report import report_of  # noqa: PLC0415

    with reading(folder.events) as db:
        made = report_of(progress_of(_found(number), db), _today())
    document = report_document(made)
    rows = [
        [
            "yes" if one["met"] else "no",
            _CRITERIA[one["criterion"]],
            "nothing sent" if one["percent"] is None else f"{one['percent']:g} %",
            f"{one['limit_percent']:g} %",
        ]
        for one in document["criteria"]
    ]
    verdict = "The old provider can go." if made.is_ready else "The old provider is still needed."
    text = "\n".join(
        (
            f"{made.since} to {made.until}; in all {made.ours:,} from here, {made.old:,} the old "
            f"way, {made.refused:,} attempts refused",
            table(("met", "criterion", "is", "limit"), rows),
            verdict,
        )
    )
    show(document, text, as_json)
    return 0 if made.is_ready else 1


@migration.command(
    "cut-over", examples=("merpati migration cut-over 1", "merpati migration cut-over 1 --now")
)
@click.argument("number", type=int)
@click.option("--now", "at_once", is_flag=True, help="Even if not all recipients have moved.")
@common_options
def cut_over(number: int, *, at_once: bool, data: Path, as_json: bool) -> None:
    """End the split: all mail goes from here, within what the sending IPs may."""
    setup(data)
    from merpati.plans.migration import actions  # noqa: PLC0415 - needs Django set up

    done = actions.cut_over(_found(number), even_if_not_all=at_once, by=actor(), now=now())
    _shown(done, "is done: all mail goes from here", as_json)


@migration.command("remove", examples=("merpati migration remove 1",))
@click.argument("number", type=int)
@common_options
def remove(number: int, data: Path, as_json: bool) -> None:
    """Remove a draft."""
    setup(data)
    from merpati.plans.migration import actions  # noqa: PLC0415 - needs Django set up

    actions.remove_draft(_found(number), by=actor(), now=now())
    show({"id": number}, f"The draft {number} is removed.", as_json)


@migration.command(
    "calendar",
    examples=(
        "merpati migration calendar 1 > migration.ics",
        "merpati migration calendar 1 --language id > migrasi.ics",
    ),
)
@click.argument("number", type=int)
@click.option(
    "--language", type=click.Choice(["en", "id"]), default="en", show_default=True, help="Of words."
)
@common_options
def calendar(number: int, language: Language, data: Path, as_json: bool) -> None:
    """Write the milestones as an iCalendar file; with --json as a list."""
    setup(data)
    from merpati.plans.migration.feed import feed  # noqa: PLC0415 - needs Django set up
    from merpati.plans.migration.stored_plan import plan_of  # noqa: PLC0415
    from merpati.reputation.milestones import milestones_of  # noqa: PLC0415

    found = _found(number)
    milestones = milestones_of(plan_of(found, min(_today(), found.starts_on)), language)
    document = [{"day": one.day, "title": one.title, "detail": one.detail} for one in milestones]
    show({"milestones": document}, feed(found, milestones).decode().rstrip(), as_json)


_CRITERIA = {
    "all_moved": "recipients who have moved",
    "complaints": "complaints",
    "bounces": "hard bounces",
    "refused": "attempts refused",
    "old_unused": "messages by the old provider",
}


_NAMES = {
    "right": "its PTR record and host name lead to each other",
    "not_public": "not a public address: see to the PTR record of the public one, then tick it off",
    "not_asked": "DNS gave no answer: see that dns.servers answer",
    "no_ptr": "no PTR record: ask who owns the address block to set it to the host name",
    "astray": "its PTR record does not lead back to it: publish an address record for that name",
    "helo_astray": "the host name does not lead to it: publish an address record for it",
}


def _show_steps(found: Migration, as_json: bool) -> None:
    from merpati.plans.migration.steps import (  # noqa: PLC0415 - needs Django set up
        StepState,
        states_of,
        steps_document,
    )
    from merpati.plans.migration.stored_plan import steps_now  # noqa: PLC0415
    from merpati.reputation.milestones import step_words  # noqa: PLC0415

    def state(one: StepState) -> str:
        if one.done is None:
            return "OPEN, mail waits for it" if one.holds_back else "open"
        note = f": {one.done.note}" if one.done.note else ""
        return f"done {one.done.done_at:%Y-%m-%d} by {one.done.done_by}{note}"

    states = states_of(found, steps_now(found))
    rows = [
        (one.step.key, one.step.due_on, state(one), step_words(one.step, "en")) for one in states
    ]
    show({"steps": steps_document(states)}, table(("step", "due", "state", "what"), rows), as_json)


def _today() -> date:
    return datetime.now(UTC).date()


def _traffic(csv: Path) -> Traffic:
    from merpati.providers.directory import directory  # noqa: PLC0415 - takes a while to load
    from merpati.reputation.traffic_csv import MOST_BYTES, read_traffic  # noqa: PLC0415

    with csv.open("rb") as file:
        return read_traffic(file.read(MOST_BYTES + 1), directory(), _today())


def _observed(folder: DataFolder, account_id: int) -> Traffic:
    from merpati.events.store import reading  # noqa: PLC0415 - needs Django set up
    from merpati.plans.migration.observed import observed_traffic  # noqa: PLC0415

    with reading(folder.events) as db:
        return observed_traffic(db, account_id, _today())


def _found(number: int) -> Migration:
    from merpati.plans.migration.finding import find_migration  # noqa: PLC0415 - needs Django

    return find_migration(number)


def _shown(done: Migration, what: str, as_json: bool) -> None:
    from merpati.plans.migration.documents import migration_document  # noqa: PLC0415

    show(migration_document(done), f"{done.name} {what}.", as_json)


def _complain(error: Exception) -> int:
    """Tell all that is wrong with a file, a line each."""
    say("The traffic cannot be planned with; nothing was kept.")
    say(str(error))
    return 1


def _plan_words(made: MigrationPlan) -> str:
    from merpati.reputation.milestones import milestones_of, range_words  # noqa: PLC0415
    from merpati.reputation.words import say as words  # noqa: PLC0415

    pools = [[p.name, ", ".join(p.streams), p.ips, p.starts_on] for p in made.pools]
    days = []
    for number, day in enumerate(made.cells[0].days[:_BEGIN]):
        ours = sum(cell.days[number].ours for cell in made.cells)
        volume = sum(cell.days[number].volume for cell in made.cells)
        days.append([f"{day.day:%a %Y-%m-%d}", ours, volume - ours])
    cells = [
        [c.pool, c.provider, c.messages_per_day, c.done.early or "–", c.done.likely or "–",
         c.done.late or "–"]
        for c in made.cells
    ]  # fmt: skip
    return "\n".join(
        (
            table(("pool", "streams", "sending IPs", "starts on"), pools),
            "",
            f"All mail from here: {range_words(made.whole, 'en')}",
            "",
            table(("pool", "provider", "a day", "early", "done about", "late"), cells),
            "",
            table(("day", "from here", "old way"), days),
            "",
            *(f"{one.day}  {one.title}" for one in milestones_of(made, "en")),
            *(words("plan_words.toml", note.value, {}, "en") for note in made.notes),
        )
    )
