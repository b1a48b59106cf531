"""`merpati contact`: the people at customers who may write to the desk."""

from __future__ import annotations

from pathlib import Path

import click

from merpati.cli.actor import actor, now
from merpati.cli.output import Group, common_options, show, table
from merpati.runtime.setup import setup


@click.group(
    cls=Group,
    examples=(
        "merpati contact add Sari sari@kirim.example --account 1",
        "merpati contact list --account 1",
    ),
)
def contact() -> None:
    """Add and list the people at customers who may write to the desk."""


@contact.command(
    "add",
    examples=(
        "merpati contact add Sari sari@kirim.example --account 1",
        "merpati contact add 'Wati Putri' wati@kirim.example --account 'Toko Kirim' --json",
    ),
)
@click.argument("name")
@click.argument("email")
@click.option("--account", required=True, metavar="A", help="Of this account: number or name.")
@common_options
def add(name: str, email: str, account: str, data: Path, as_json: bool) -> None:
    """Let somebody open cases by email and answer them; mail from others waits for a person."""
    setup(data)
    from merpati.accounts.actions import find_account  # noqa: PLC0415 - needs Django set up
    from merpati.desk.people import add_contact  # noqa: PLC0415

    owner = find_account(account)
    added = add_contact(owner.pk, name, email, by=actor(), now=now())
    document = {"account_id": owner.pk, "name": added.name, "email": added.email}
    show(document, f"{added.name} <{added.email}> may write for {owner.name}.", as_json)


@contact.command(
    "list", examples=("merpati contact list", "merpati contact list --account 1 --json")
)
@click.option("--account", metavar="A", help="Only this account's: number or name.")
@common_options
def list_contacts(account: str | None, data: Path, as_json: bool) -> None:
    """List the contacts, by account."""
    setup(data)
    from merpati.accounts.actions import find_account  # noqa: PLC0415 - needs Django set up
    from merpati.desk.models import Contact  # noqa: PLC0415

    found = Contact.objects.select_related("account").order_by("account_id", "email")
    if account is not None:
        found = found.filter(account=find_account(account))
    contacts = [{"account": c.account.name, "name": c.name, "email": c.email} for c in found]
    rows = [(c["account"], c["name"], c["email"]) for c in contacts]
    show({"contacts": contacts}, table(("account", "name", "email"), rows, "no contacts"), as_json)
