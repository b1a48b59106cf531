"""`merpati rehearse`: a whole migration on a virtual clock, against played providers."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from merpati.cli.output import Command, json_option, say, show, table
from merpati.runtime.setup import setup

if TYPE_CHECKING:
    from merpati.rehearsal.result import PlayedStream, Result
    from merpati.rehearsal.setting import Wanted
    from merpati.reputation.words import Language

DAYS = 45
MOST_DAYS = 120


@click.command(
    cls=Command,
    examples=(
        "merpati sandbox --example > providers.toml",
        "merpati rehearse traffic.csv --providers providers.toml --html rehearsal.html",
        "merpati rehearse traffic.csv --providers providers.toml --days 60 --seed 7 --json",
        "merpati rehearse 12 --data ./data --providers providers.toml --html rehearsal.html",
    ),
)
@click.argument("plan", metavar="PLAN")
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="MERPATI_DATA",
    show_envvar=True,
    metavar="DIR",
    help="The data folder that keeps the plan, where PLAN is a number; it is only read.",
)
@click.option(
    "--providers",
    "providers_path",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.toml",
    required=True,
    help="The mailbox providers to play; merpati sandbox --example prints such a file.",
)
@click.option(
    "--days",
    type=click.IntRange(1, MOST_DAYS),
    default=DAYS,
    show_default=True,
    help="How many days to play.",
)
@click.option(
    "--starts-on",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="DATE",
    help="The first day (UTC) [default: tomorrow, or a kept plan's own day if that comes later].",
)
@click.option(
    "--seed",
    type=int,
    default=1,
    show_default=True,
    help="Of all that is left to chance: the same seed gives the same result.",
)
@click.option(
    "--html",
    "html_path",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.html",
    help="Also write a report with charts.",
)
@click.option(
    "--language",
    type=click.Choice(["en", "id"]),
    default="en",
    show_default=True,
    help="Of the report.",
)
@click.option(
    "--processes",
    type=click.IntRange(1, 64),
    default=lambda: os.cpu_count() or 1,
    show_default="as many as there are cores",
    help="How many providers are played at once; the result stays the same.",
)
@click.option(
    "--count-old",
    "counts_old",
    is_flag=True,
    help="Only count what has not moved, rather than send it by a played old provider: faster.",
)
@click.option(
    "--smtp",
    "real_smtp",
    is_flag=True,
    help="Send over sockets of this machine, not in memory: some times slower, the same words.",
)
@click.option(
    "--work",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Where the spool lies meanwhile; in memory (/dev/shm) or the system's folder for "
    "temporary files unless given.",
)
@json_option
def rehearse(
    *,
    plan: str,
    data: Path | None,
    providers_path: Path,
    days: int,
    starts_on: datetime | None,
    seed: int,
    html_path: Path | None,
    language: Language,
    processes: int,
    counts_old: bool,
    real_smtp: bool,
    work: Path | None,
    as_json: bool,
) -> None:
    """Play a migration in minutes, against mailbox providers that you describe.

    PLAN is the traffic of the old provider, a CSV as a migration plan is made of, or the number of
    a plan that is kept in the data folder. The production engine, spool, warm-up controller and
    daily decisions run it day by day on a virtual clock; nothing leaves this machine, and nothing
    is changed. Prints a line for each pool and provider; --html writes day by day what was planned,
    allowed, sent and refused, and why.
    """
    from merpati.rehearsal.report import report  # noqa: PLC0415 - as all below: slow to load
    from merpati.rehearsal.run import rehearse as run  # noqa: PLC0415
    from merpati.rehearsal.run import usual_folder  # noqa: PLC0415
    from merpati.rehearsal.setting import read_wanted, scenario_of  # noqa: PLC0415

    today = datetime.now(UTC).date()
    first = starts_on.date() if starts_on else today + timedelta(days=1)
    if plan.isdecimal():
        wanted, first = _kept(int(plan), data, first, has_day=starts_on is not None)
    else:
        wanted = read_wanted(Path(plan), today)
    scenario = scenario_of(
        wanted,
        providers_path,
        first,
        today,
        days=days,
        seed=seed,
        counts_old=counts_old,
        real_smtp=real_smtp,
    )
    if html_path is not None:
        _try_to_write(html_path, "")  # now, rather than after minutes
    with _progress(quiet=not sys.stderr.isatty()) as progress:
        result, took = run(
            scenario,
            plan=wanted.name,
            providers=providers_path.name,
            processes=processes,
            folder=work or usual_folder(),
            progress=progress,
        )
    if html_path is not None:
        _try_to_write(html_path, report(result, language))
        say(f"The report is in {html_path}.")
    show(result, _text(result, scenario.starts_on), as_json)
    say(
        f"{result.messages:,} messages in {took.seconds:,.0f} s "
        f"({took.cpu_seconds:,.0f} s of CPU time)"
    )


def _kept(number: int, data: Path | None, first: date, *, has_day: bool) -> tuple[Wanted, date]:
    """Return a plan of the data folder and its first day; has_day: somebody chose that."""
    if data is None:
        raise click.UsageError(
            f"PLAN {number} is a plan's number: name the data folder that keeps it with --data, or "
            f"write ./{number} for a file"
        )
    setup(data)
    from merpati.plans.migration.finding import find_migration  # noqa: PLC0415 - needs Django
    from merpati.plans.migration.stored_plan import pools_now, ways_of  # noqa: PLC0415
    from merpati.plans.migration.stored_traffic import traffic_of  # noqa: PLC0415
    from merpati.rehearsal.setting import Wanted  # noqa: PLC0415

    migration = find_migration(number)
    if not has_day:
        first = max(first, migration.starts_on)
    traffic = traffic_of(migration.traffic)
    wanted = Wanted(
        migration.name,
        traffic,
        pools_now(migration.account_id, traffic, first),
        ways_of(migration),
        migration.seed,
    )
    return wanted, first


def _try_to_write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"{path} cannot be written: {error.strerror}") from None


@contextlib.contextmanager
def _progress(*, quiet: bool) -> Iterator[Callable[[float], None]]:
    """Give what shows the share done, as a bar on stderr where somebody looks."""
    if quiet:
        yield lambda _: None
        return
    from rich.console import Console  # noqa: PLC0415 - slow to load
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Rehearsing", total=1.0)
        yield lambda share: bar.update(task, completed=share)


def _text(result: Result, first: date) -> str:
    rows = [_row(stream, first) for stream in result.streams]
    head = ("pool", "to", "a day", "day 1", "done", "delivered", "deferred", "blocked", "worst day")
    played = f"\n{result.messages:,} messages in {result.days} days, seed {result.seed}"
    return table(head, rows) + played


def _row(stream: PlayedStream, first: date) -> tuple[str, ...]:
    days = stream.days
    attempted = max(1, sum(day.attempted for day in days))
    deferred, blocked = sum(day.deferred for day in days), sum(day.blocked for day in days)
    done = f"day {(date.fromisoformat(stream.done_on) - first).days + 1}" if stream.done_on else "-"
    worst = max(days, key=lambda day: (day.deferred + day.blocked, day.day))
    refused = worst.deferred + worst.blocked
    return (
        stream.pool,
        stream.provider,
        f"{stream.messages_per_day:,}",
        f"{days[0].delivered:,}",
        done,
        f"{sum(day.delivered for day in days):,}",
        f"{deferred:,} ({deferred / attempted:.1%})",
        f"{blocked:,} ({blocked / attempted:.1%})",
        f"{worst.day}: {refused:,} refused" if refused else "-",
    )
