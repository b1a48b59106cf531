"""`merpati account`: create and list customer accounts."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from merpati.cli.actor import actor, now
from merpati.cli.output import Group, common_options, say, show, table
from merpati.cli.zone import ZONES
from merpati.runtime.setup import setup


@click.group(
    cls=Group,
    examples=(
        "merpati account create 'Toko Kirim' --plan premium --service-time-zone us-eastern",
        "merpati account list",
    ),
)
def account() -> None:
    """Create and list customer accounts."""


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
            "suspended_at": found.suspended_at,
        }
        for found in Account.objects.annotate(ip_count=Count("sending_ips")).order_by("pk")
    ]
    head = ("account_id", "name", "plan", "service_time_zone", "sending_ips", "created_at")
    empty = "no accounts yet; make one: merpati account create NAME --service-time-zone uk"
    text = table(head, [[row[name] for name in head] for row in rows], empty)
    show({"accounts": rows}, text, as_json)
