"""Plans of `merpati migration`, from a CSV or from what was sent: shown, or kept as a draft."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from merpati.cli.actor import actor, now
from merpati.cli.output import Command, common_options, json_option, say, show, table
from merpati.cli.which_migration import find, show_done, today
from merpati.runtime.setup import setup

if TYPE_CHECKING:
    from merpati.reputation.migration_plan import MigrationPlan, Traffic
    from merpati.runtime.paths import DataFolder

_BEGIN = 14  # days of a plan that are printed
_TIME_TO_PREPARE = timedelta(days=14)
_SEED = click.IntRange(0, 2**31 - 1)

Function = TypeVar("Function", bound=Callable[..., Any])


class _Day(click.ParamType[Any]):
    name = "day"

    def convert(self, value: Any, _: click.Parameter | None, ctx: click.Context | None) -> date:
        try:
            return date.fromisoformat(value)
        except (TypeError, ValueError):
            self.fail(f"{value!r} is no date: write year-month-day, 2027-01-31", None, ctx)


@click.command(
    "plan",
    cls=Command,
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

    this_day = today()
    try:
        made = plan_for(
            _traffic(csv),
            starts_on or this_day + _TIME_TO_PREPARE,
            this_day,
            directory(),
            seed=SEED if seed is None else seed,
        )
    except InvalidTraffic as error:
        return _complain(error)
    show(plan_document(made), _plan_words(made), as_json)
    return 0


_WAYS = (
    ("--on-spent", ("old", "wait", "pool"), "Where mail goes when a day's allowance is spent."),
    ("--on-block", ("wait", "old"), "What becomes of mail that a provider blocked from here."),
    (
        "--when-old-fails",
        ("wait", "move"),
        "What becomes of the old provider's mail while it takes none.",
    ),
)


def _ways(*, are_kept: bool) -> Callable[[Function], Function]:
    """Add the ways on; are_kept: those that are not given stay, else the first choice is taken."""

    def added(function: Function) -> Function:
        for name, choices, words in reversed(_WAYS):
            default = None if are_kept else choices[0]
            option = click.option(
                name, type=click.Choice(choices), default=default, show_default=True, help=words
            )
            function = option(function)
        return function

    return added


@click.command(
    "create",
    cls=Command,
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
@_ways(are_kept=False)
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
            starts_on or today() + _TIME_TO_PREPARE,
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


@click.command(
    "change",
    cls=Command,
    examples=(
        "merpati migration change 1 --starts-on 2027-02-01",
        "merpati migration change 1 traffic.csv --on-spent wait",
    ),
)
@click.argument("number", type=int)
@click.argument("csv", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--observed", is_flag=True, help="Plan from what was sent in the last two weeks.")
@click.option("--name", help="What it is called from now on.")
@click.option("--egress", metavar="NAME", help="The old provider.")
@click.option("--starts-on", type=_Day(), metavar="DAY", help="First day.")
@_ways(are_kept=True)
@common_options
def change(
    number: int,
    csv: Path | None,
    *,
    observed: bool,
    name: str | None,
    egress: str | None,
    starts_on: date | None,
    on_spent: str | None,
    on_block: str | None,
    when_old_fails: str | None,
    data: Path,
    as_json: bool,
) -> int:
    """Plan a draft anew; what is not given stays as it is, and steps that are done stay done."""
    if csv is not None and observed:
        raise click.UsageError("give a CSV or --observed, not both")
    folder = setup(data)
    from merpati.contracts.sending_policy import OnBlock, OnOldFailure, OnSpent  # noqa: PLC0415
    from merpati.plans.migration import actions  # noqa: PLC0415 - needs Django set up
    from merpati.plans.migration.deciding import Ways  # noqa: PLC0415
    from merpati.plans.migration.stored_traffic import traffic_of  # noqa: PLC0415
    from merpati.reputation.traffic_csv import InvalidTraffic  # noqa: PLC0415

    draft = find(number)
    try:
        if csv is not None:
            traffic = _traffic(csv)
        elif observed:
            traffic = _observed(folder, draft.account_id)
        else:
            traffic = traffic_of(draft.traffic)
        changed = actions.change_draft(
            draft,
            name or draft.name,
            traffic,
            starts_on or draft.starts_on,
            egress or (draft.egress.name if draft.egress else ""),
            ways=Ways(
                OnSpent(on_spent or draft.on_spent),
                OnBlock(on_block or draft.on_block),
                OnOldFailure(when_old_fails or draft.when_old_fails),
            ),
            by=actor(),
            now=now(),
        )
    except InvalidTraffic as error:
        return _complain(error)
    show_done(changed, f"is planned anew, from {changed.starts_on}", as_json)
    return 0


def _traffic(csv: Path) -> Traffic:
    from merpati.providers.directory import directory  # noqa: PLC0415 - takes a while to load
    from merpati.reputation.traffic_csv import MOST_BYTES, read_traffic  # noqa: PLC0415

    with csv.open("rb") as file:
        return read_traffic(file.read(MOST_BYTES + 1), directory(), today())


def _observed(folder: DataFolder, account_id: int) -> Traffic:
    from merpati.events.store import reading  # noqa: PLC0415 - needs Django set up
    from merpati.plans.migration.observed import observed_traffic  # noqa: PLC0415

    with reading(folder.events) as db:
        return observed_traffic(db, account_id, today())


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
