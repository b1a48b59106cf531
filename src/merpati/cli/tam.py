"""`merpati tam` and `merpati onboarding`: an account's Technical Account Manager."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from merpati.cli.actor import actor, now
from merpati.cli.output import Group, common_options, show, table
from merpati.runtime.setup import setup


@click.group(
    cls=Group,
    examples=(
        "merpati tam assign 1 tari@desk.example --deputy budi@desk.example",
        "merpati tam show 1",
    ),
)
def tam() -> None:
    """Assign accounts their Technical Account Manager (TAM), and show who it is."""


@tam.command(
    "assign",
    examples=(
        "merpati tam assign 1 tari@desk.example",
        "merpati tam assign 'Toko Kirim' tari@desk.example --deputy budi@desk.example",
    ),
)
@click.argument("account")
@click.argument("email")
@click.option("--deputy", default="", metavar="EMAIL", help="Who stands in while the TAM is away.")
@common_options
def assign(account: str, email: str, *, deputy: str, data: Path, as_json: bool) -> None:
    """Give an account its TAM; the one before becomes history."""
    setup(data)
    from merpati.accounts.actions import find_account  # noqa: PLC0415 - needs Django set up
    from merpati.desk.people import assign_tam  # noqa: PLC0415

    found = find_account(account)
    assignment = assign_tam(found.pk, email, deputy, by=actor(), now=now())
    document = {
        "account_id": found.pk,
        "tam": assignment.tam.email,
        "deputy": assignment.deputy.email if assignment.deputy else None,
    }
    show(document, f"{assignment.tam.name} is the TAM of {found.name}.", as_json)


@tam.command("show", examples=("merpati tam show 1", "merpati tam show 'Toko Kirim' --json"))
@click.argument("account")
@common_options
def show_tam(account: str, data: Path, as_json: bool) -> None:
    """Show an account's TAM, when they can be reached, and who it was before."""
    setup(data)
    from merpati.accounts.actions import find_account  # noqa: PLC0415 - needs Django set up
    from merpati.desk.case_errors import NoTam  # noqa: PLC0415
    from merpati.desk.tam import tam_document, tam_history, tam_of  # noqa: PLC0415

    owner = find_account(account)
    found = tam_of(owner, now())
    if found is None:
        raise NoTam
    document = tam_document(found)
    history = tam_history(owner.pk)
    people = [document["tam"], *([document["deputy"]] if document["deputy"] else [])]
    head = ("name", "phone", "email", "reachable")
    rows = [(p["name"], p["phone"], p["email"], _reachable(p)) for p in people]
    role = document["role"].replace("_", " ")
    text = "\n".join(
        (
            f"{owner.name}: the TAM is the {role}; hours of {document['service_time_zone']}",
            table(head, rows),
            *(f"before: {h['tam']} until {h['ended_at']:%Y-%m-%d}" for h in history),
        )
    )
    show({"account_id": owner.pk} | document | {"before": history}, text, as_json)


def _reachable(person: dict[str, Any]) -> str:
    if person["reachable_now"]:
        return f"now, until {person['reachable_until_local']:%a %H:%M %Z}"
    return f"next {person['reachable_from_local']:%a %d %b %H:%M %Z}"


@click.group("onboarding", cls=Group, examples=("merpati onboarding complete 1",))
def onboarding() -> None:
    """Record that an account's onboarding is complete."""


@onboarding.command(
    "complete",
    examples=("merpati onboarding complete 1", "merpati onboarding complete 'Toko Kirim' --json"),
)
@click.argument("account")
@common_options
def complete(account: str, data: Path, as_json: bool) -> None:
    """From now on the TAM is the escalation point: the account's cases can be escalated."""
    setup(data)
    from merpati.accounts.actions import find_account  # noqa: PLC0415 - needs Django set up
    from merpati.desk.people import complete_onboarding  # noqa: PLC0415

    found = find_account(account)
    done = complete_onboarding(found.pk, by=actor(), now=now())
    document = {"account_id": found.pk, "completed_at": done.completed_at, "by": done.completed_by}
    show(document, f"The onboarding of {found.name} is complete.", as_json)
