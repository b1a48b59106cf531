"""`merpati account`: create, list, change, suspend and close customer accounts."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from merpati.cli.actor import actor, now
from merpati.cli.output import Group, common_options, say, show, table
from merpati.cli.zone import ZONES
from merpati.runtime.setup import setup

if TYPE_CHECKING:
    from merpati.accounts.models import Account


@click.group(
    cls=Group,
    examples=(
        "merpati account create 'Toko Kirim' --plan premium --service-time-zone us-eastern",
        "merpati account list",
        "merpati account suspend 1 --reason 'invoice 42 is unpaid'",
    ),
)
def account() -> None:
    """Create, list, change, suspend and close customer accounts."""


@account.command(
    "create",
    examples=(
        "merpati account create 'Toko Kirim' --plan premium --service-time-zone us-eastern",
        "merpati account create Surat --service-time-zone uk --term-months 12 --json",
    ),
)
@click.argument("name")
@click.option(
    "--plan", type=click.Choice(["premium"]), default="premium", show_default=True,
    help="Service plan on the order form.",
)  # fmt: skip
@click.option(
    "--service-time-zone",
    type=click.Choice(ZONES),
    required=True,
    help="Whose business hours the desk keeps.",
)
@click.option("--term-months", type=int, metavar="N", help="Length of the term.")
@click.option("--term-starts-on", type=click.DateTime(["%Y-%m-%d"]), help="First day of the term.")
@common_options
def create(
    name: str,
    *,
    plan: str,
    service_time_zone: str,
    term_months: int | None,
    term_starts_on: datetime | None,
    data: Path,
    as_json: bool,
) -> None:
    """Create an account from its order form; prints its number and first API key, once."""
    setup(data)
    from merpati.accounts.actions import create_account  # noqa: PLC0415 - needs Django set up

    created = create_account(
        name,
        plan,
        service_time_zone,
        term_months=term_months,
        term_starts_on=term_starts_on.date() if term_starts_on else None,
        by=actor(),
        now=now(),
    )
    document = {
        "account_id": created.account.pk,
        "name": created.account.name,
        "plan": plan,
        "service_time_zone": service_time_zone,
        "api_key": created.api_key,
    }
    text = f"account_id  {created.account.pk}\napi_key     {created.api_key}"
    show(document, text, as_json)
    say("Keep the key: it is shown this once, only its hash is stored.")


@account.command("list", examples=("merpati account list", "merpati account list --json"))
@common_options
def list_accounts(data: Path, as_json: bool) -> None:
    """List all accounts with their order forms."""
    setup(data)
    from django.db.models import Count  # noqa: PLC0415 - needs Django set up

    from merpati.accounts.models import Account  # noqa: PLC0415

    rows = [
        {
            "account_id": found.pk,
            "name": found.name,
            "plan": found.plan,
            "service_time_zone": found.service_time_zone,
            "term_months": found.term_months,
            "term_starts_on": found.term_starts_on,
            "sending_ips": found.ip_count,
            "created_at": found.created_at,
            **_state(found),
        }
        for found in Account.objects.annotate(ip_count=Count("sending_ips")).order_by("pk")
    ]
    head = ("account_id", "name", "plan", "service_time_zone", "sending_ips", "state", "created_at")
    empty = "no accounts yet; make one: merpati account create NAME --service-time-zone uk"
    text = table(head, [[row[name] for name in head] for row in rows], empty)
    show({"accounts": rows}, text, as_json)


@account.command(
    "set",
    examples=(
        "merpati account set 1 --retry-seconds 300 --expire-seconds 86400",
        "merpati account set 'Toko Kirim' --retry-seconds 0   # the operator's setting again",
    ),
)
@click.argument("reference", metavar="ACCOUNT")
@click.option(
    "--retry-seconds", type=int, metavar="N", help="Wait before the first retry; 0: as set for all."
)
@click.option(
    "--expire-seconds", type=int, metavar="N", help="Life of a message; 0: as set for all."
)
@common_options
def set_account(
    reference: str,
    retry_seconds: int | None,
    expire_seconds: int | None,
    data: Path,
    as_json: bool,
) -> None:
    """Give an account a retry schedule of its own; mail that waits follows it at once."""
    if retry_seconds is None and expire_seconds is None:
        raise click.UsageError("Nothing to set: give --retry-seconds, --expire-seconds or both.")
    setup(data)
    from merpati.accounts.actions import (  # noqa: PLC0415 - needs Django set up
        find_account,
        set_retry_schedule,
    )

    changed = set_retry_schedule(
        find_account(reference).pk,
        retry_seconds=retry_seconds,
        expire_seconds=expire_seconds,
        by=actor(),
        now=now(),
    )
    _show(changed, as_json)


@account.command("suspend", examples=("merpati account suspend 1 --reason 'invoice 42 is unpaid'",))
@click.argument("reference", metavar="ACCOUNT")
@click.option("--reason", required=True, metavar="TEXT", help="Why; merpati queue shows it.")
@common_options
def suspend(reference: str, reason: str, data: Path, as_json: bool) -> None:
    """Hold an account's mail and refuse more; `resume` lets it go on, `close` ends it."""
    setup(data)
    from merpati.accounts.actions import find_account, suspend_account  # noqa: PLC0415

    _show(suspend_account(find_account(reference).pk, reason, by=actor(), now=now()), as_json)


@account.command("resume", examples=("merpati account resume 1",))
@click.argument("reference", metavar="ACCOUNT")
@common_options
def resume(reference: str, data: Path, as_json: bool) -> None:
    """Let a suspended account send again, with what waited."""
    setup(data)
    from merpati.accounts.actions import find_account, resume_account  # noqa: PLC0415

    _show(resume_account(find_account(reference).pk, by=actor(), now=now()), as_json)


@account.command("close", examples=("merpati account close 1 --yes",))
@click.argument("reference", metavar="ACCOUNT")
@click.option("--yes", is_flag=True, help="You are sure: this cannot be undone.")
@common_options
def close(reference: str, yes: bool, data: Path, as_json: bool) -> None:
    """End an account for good: its keys are revoked, mail that waits fails when it is due."""
    if not yes:
        raise click.UsageError("Closing cannot be undone, and mail that waits fails: give --yes.")
    setup(data)
    from merpati.accounts.actions import close_account, find_account  # noqa: PLC0415

    _show(close_account(find_account(reference).pk, by=actor(), now=now()), as_json)


@account.command(
    "acknowledge",
    examples=(
        "merpati account acknowledge 1 --by 'Sari <sari@kirim.example>' --language id",
        "merpati account acknowledge 1 --by Sari --exclusion templates --exclusion inbox_placement",
    ),
)
@click.argument("reference", metavar="ACCOUNT")
@click.option("--by", "person", required=True, metavar="PERSON", help="Who signed the order form.")
@click.option(
    "--exclusion", "exclusions", multiple=True, metavar="NAME", help="One of them; else all."
)
@click.option(
    "--language",
    type=click.Choice(["en", "id"]),
    default="en",
    show_default=True,
    help="In which they read it.",
)
@common_options
def acknowledge(
    reference: str,
    *,
    person: str,
    exclusions: tuple[str, ...],
    language: str,
    data: Path,
    as_json: bool,
) -> None:
    """Record that a customer acknowledged, on paper, what the order form excludes."""
    setup(data)
    from merpati.accounts import order_form  # noqa: PLC0415 - needs Django set up
    from merpati.accounts.actions import find_account  # noqa: PLC0415

    found = find_account(reference)
    record = order_form.acknowledge(
        found.pk,
        exclusions or list(order_form.Exclusion),
        language=language,
        acknowledged_by=person,
        by=actor(),
        now=now(),
    )
    document = {
        "account_id": found.pk,
        "acknowledged_by": record.acknowledged_by,
        "acknowledged_at": record.acknowledged_at,
        "language": record.language,
        "wordings": record.wordings,
        "outstanding": order_form.outstanding(found.pk),
    }
    show(document, "\n".join(f"- {text}" for text in record.wordings.values()), as_json)


def _state(found: Account) -> dict[str, object]:
    state = "suspended" if found.suspended_at else "active"
    return {
        "state": "closed" if found.closed_at else state,
        "suspended_at": found.suspended_at,
        "suspension_reason": found.suspension_reason or None,
        "closed_at": found.closed_at,
        "retry_seconds": found.retry_seconds,
        "expire_seconds": found.expire_seconds,
    }


def _show(found: Account, as_json: bool) -> None:
    document = {"account_id": found.pk, "name": found.name, **_state(found)}
    lines = [f"{name:<18}{value}" for name, value in document.items() if value is not None]
    show(document, "\n".join(lines), as_json)
