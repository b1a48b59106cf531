"""`merpati key`: create, list and revoke API keys."""

from __future__ import annotations

from pathlib import Path

import click

from merpati.cli.actor import actor, now
from merpati.cli.output import Group, common_options, say, show, table
from merpati.runtime.setup import setup


@click.group(
    cls=Group,
    examples=(
        "merpati key create --account 1 --label 'Web shop'",
        "merpati key list --account 1",
        "merpati key revoke 3",
    ),
)
def key() -> None:
    """Create, list and revoke API keys."""


@key.command(
    "create",
    examples=(
        "merpati key create --account 1 --label 'Web shop'",
        "merpati key create --account 'Toko Kirim' --label Mailer "
        "--grant transmissions/modify --grant transmissions/view",
        "merpati key create --account 1 --label 'Old printer' --grant smtp/inject "
        "--trust-network 10.1.2.3",
    ),
)
@click.option("--account", required=True, metavar="A", help="Its number or name.")
@click.option("--label", required=True, help="What the key is for.")
@click.option(
    "--grant", "grants", multiple=True, metavar="GRANT",
    help="What the key may do, repeatable [default: everything].",
)  # fmt: skip
@click.option(
    "--trust-network", "networks", multiple=True, metavar="NETWORK",
    help="SMTP clients from here act as this key without a password, repeatable.",
)  # fmt: skip
@common_options
def create(
    *,
    account: str,
    label: str,
    grants: tuple[str, ...],
    networks: tuple[str, ...],
    data: Path,
    as_json: bool,
) -> None:
    """Create an API key; prints it, once."""
    setup(data)
    from merpati.accounts.actions import (  # noqa: PLC0415 - needs Django set up
        create_api_key,
        find_account,
    )
    from merpati.accounts.grants import ALL_GRANTS  # noqa: PLC0415

    owner = find_account(account)
    created = create_api_key(
        owner.pk, label, grants or ALL_GRANTS, by=actor(), now=now(), trusted_networks=networks
    )
    document = {
        "key_id": created.api_key.pk,
        "account_id": owner.pk,
        "label": created.api_key.label,
        "short_key": created.api_key.short_key,
        "grants": created.api_key.grants,
        "trusted_networks": created.api_key.trusted_networks,
        "api_key": created.key,
    }
    show(document, f"key_id   {created.api_key.pk}\napi_key  {created.key}", as_json)
    say("Keep the key: it is shown this once, only its hash is stored.")


@key.command("list", examples=("merpati key list", "merpati key list --account 1 --json"))
@click.option("--account", metavar="A", help="Only this account's: number or name.")
@common_options
def list_keys(account: str | None, data: Path, as_json: bool) -> None:
    """List API keys by their first characters, revoked ones too."""
    setup(data)
    from merpati.accounts.actions import find_account  # noqa: PLC0415 - needs Django set up
    from merpati.accounts.models import ApiKey  # noqa: PLC0415

    found = ApiKey.objects.order_by("pk")
    if account is not None:
        found = found.filter(account=find_account(account))
    rows = [
        {
            "key_id": row.pk,
            "account_id": row.account_id,
            "label": row.label,
            "short_key": row.short_key,
            "grants": row.grants,
            "trusted_networks": row.trusted_networks,
            "created_at": row.created_at,
            "revoked_at": row.revoked_at,
        }
        for row in found
    ]
    head = ("key_id", "account_id", "short_key", "label", "created_at", "revoked_at")
    empty = "no API keys; make one: merpati key create --account A --label TEXT"
    text = table(head, [[row[name] for name in head] for row in rows], empty)
    show({"keys": rows}, text, as_json)


@key.command("revoke", examples=("merpati key revoke 3",))
@click.argument("key_id", type=int)
@common_options
def revoke(key_id: int, data: Path, as_json: bool) -> None:
    """End a key, named by its number: calls with it are refused from now on."""
    setup(data)
    from merpati.accounts.actions import revoke_api_key  # noqa: PLC0415 - needs Django set up
    from merpati.accounts.errors import ApiKeyNotFound  # noqa: PLC0415
    from merpati.accounts.models import ApiKey  # noqa: PLC0415

    owner = ApiKey.objects.filter(pk=key_id).values_list("account_id", flat=True).first()
    if owner is None:
        raise ApiKeyNotFound(key_id)
    revoke_api_key(owner, key_id, by=actor(), now=now())
    show({"key_id": key_id, "account_id": owner}, f"Key {key_id} is revoked.", as_json)
