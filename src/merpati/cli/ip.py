"""`merpati ip`: add, list, move and remove dedicated sending IPs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from merpati.cli.actor import actor, now
from merpati.cli.output import Group, common_options, say, show, table
from merpati.runtime.setup import setup

if TYPE_CHECKING:
    from merpati.sending.models import SendingIp


@click.group(
    cls=Group,
    examples=(
        "merpati ip add 192.0.2.10 --account 1 --hostname mta1.kirim.example",
        "merpati ip list --account 1",
        "merpati ip move 192.0.2.10 --pool marketing",
        "merpati ip remove 192.0.2.10",
    ),
)
def ip() -> None:
    """Add, list, move and remove dedicated sending IPs."""


@ip.command(
    "add",
    examples=(
        "merpati ip add 192.0.2.10 --account 1 --hostname mta1.kirim.example",
        "merpati ip add 192.0.2.11 --account 'Toko Kirim' --hostname mta2.kirim.example "
        "--pool marketing --warm-up",
    ),
)
@click.argument("address")
@click.option("--account", required=True, metavar="A", help="Its number or name.")
@click.option("--hostname", required=True, metavar="H", help="Name it says in EHLO; its PTR too.")
@click.option("--pool", metavar="P", help="IP pool, made if absent [default: default].")
@click.option("--warm-up", is_flag=True, help="Begin at warm-up stage 1; else the IP is warm.")
@common_options
def add(
    address: str,
    *,
    account: str,
    hostname: str,
    pool: str | None,
    warm_up: bool,
    data: Path,
    as_json: bool,
) -> None:
    """Assign an address of this host to an account; six at most."""
    setup(data)
    from django.db import transaction  # noqa: PLC0415 - needs Django set up

    from merpati.accounts.actions import find_account  # noqa: PLC0415
    from merpati.sending.sending_ips import add_sending_ip  # noqa: PLC0415

    owner = find_account(account)
    with transaction.atomic():  # no new pool without its IP
        slug, is_new = _pool(owner.pk, pool) if pool is not None else (None, False)
        added = add_sending_ip(
            owner.pk, address, hostname, pool=slug, warm_up=warm_up, by=actor(), now=now()
        )
    if is_new:
        say(f"Pool {slug} was made: the account had none of this name.")
    _show_one(added, "assigned", as_json)


def _pool(account_id: int, name: str) -> tuple[str, bool]:
    """Return the id of the account's pool of this name, and whether it was made just now."""
    from merpati.sending.errors import PoolNotFound  # noqa: PLC0415 - needs Django set up
    from merpati.sending.pools import create_pool, find_pool, slug_of  # noqa: PLC0415

    try:
        return find_pool(account_id, slug_of(name)).slug, False
    except PoolNotFound:
        return create_pool(account_id, name, by=actor(), now=now()).slug, True


@ip.command("list", examples=("merpati ip list", "merpati ip list --account 1 --json"))
@click.option("--account", metavar="A", help="Only this account's: number or name.")
@common_options
def list_ips(account: str | None, data: Path, as_json: bool) -> None:
    """List sending IPs with their pools and warm-up stages."""
    setup(data)
    from merpati.accounts.actions import find_account  # noqa: PLC0415 - needs Django set up
    from merpati.sending.models import SendingIp  # noqa: PLC0415

    found = SendingIp.objects.select_related("pool").order_by("account_id", "slot")
    if account is not None:
        found = found.filter(account=find_account(account))
    rows = [_document(row) for row in found]
    head = (
        "external_ip",
        "hostname",
        "account_id",
        "slot",
        "ip_pool",
        "auto_warmup_stage",
        "warms_by_provider",
    )
    empty = "no sending IPs; add one: merpati ip add ADDRESS --account A --hostname H"
    text = table(head, [[row.get(name) for name in head] for row in rows], empty)
    show({"sending_ips": rows}, text, as_json)


@ip.command("move", examples=("merpati ip move 192.0.2.10 --pool marketing",))
@click.argument("address")
@click.option("--pool", required=True, metavar="P", help="A pool of the same account.")
@common_options
def move(address: str, pool: str, data: Path, as_json: bool) -> None:
    """Move an IP to another pool of its account."""
    setup(data)
    from merpati.sending.pools import slug_of  # noqa: PLC0415 - needs Django set up
    from merpati.sending.sending_ips import move_sending_ip, owner_of  # noqa: PLC0415

    moved = move_sending_ip(owner_of(address), address, slug_of(pool), by=actor(), now=now())
    _show_one(moved, "moved", as_json)


@ip.command("remove", examples=("merpati ip remove 192.0.2.10",))
@click.argument("address")
@common_options
def remove(address: str, data: Path, as_json: bool) -> None:
    """Take an address from its account; what waits for it leaves by the pool's other IPs."""
    setup(data)
    from merpati.sending.sending_ips import (  # noqa: PLC0415 - needs Django set up
        owner_of,
        remove_sending_ip,
    )

    owner = owner_of(address)
    remove_sending_ip(owner, address, by=actor(), now=now())
    show(
        {"external_ip": address, "account_id": owner},
        f"{address} is removed from account {owner}.",
        as_json,
    )


def _document(row: SendingIp) -> dict[str, Any]:
    """Return an IP in SparkPost's words, with our account and slot."""
    document = {
        "external_ip": row.address,
        "hostname": row.hostname,
        "account_id": row.account_id,
        "slot": row.slot,
        "ip_pool": row.pool.slug,
        "auto_warmup_enabled": row.auto_warmup_enabled,
    }
    if row.auto_warmup_enabled:
        document["auto_warmup_stage"] = row.auto_warmup_stage
    document["warms_by_provider"] = row.warms_by_provider
    return document


def _show_one(row: SendingIp, what_happened: str, as_json: bool) -> None:
    text = (
        f"{row.address} ({row.hostname}) is {what_happened}: account {row.account_id}, "
        f"place {row.slot} of 6, pool {row.pool.slug}, "
    )
    if row.auto_warmup_enabled:
        text += f"warm-up stage {row.auto_warmup_stage}"
    else:
        text += "warms up by provider" if row.warms_by_provider else "warm"
    show(_document(row), text, as_json)
