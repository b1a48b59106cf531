"""`merpati queue pause|resume|retry|drain`: orders to the queues, each with an end, audited."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from merpati.adapters.codec import pack, unpacker
from merpati.adapters.rpc import RpcClient
from merpati.cli.actor import actor, now
from merpati.cli.output import Command, common_options, show
from merpati.cli.which_account import account_number
from merpati.contracts.queues import Retry
from merpati.contracts.sending_policy import Order
from merpati.delivery.reasons import ordered, sentence
from merpati.runtime.setup import setup
from merpati.runtime.workers import running_workers

if TYPE_CHECKING:
    from merpati.sending.models import QueueOrder
    from merpati.sending.queue_orders import Subject

RETRY_SECONDS = 120.0  # a deep queue takes its time
_read_count = unpacker(int)


def _subject_options(function: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option("--account", metavar="A", help="Only this account's mail: number or name."),
        click.option("--pool", metavar="P", help="Only from this pool of the account."),
        click.option("--provider", metavar="P", help="Only to this one: as merpati queue says it."),
        click.option("--ip", "address", metavar="IP", help="Only what would leave from there."),
    ):
        function = option(function)
    return function


_for = click.option(
    "--for", "duration", default="1h", show_default=True, metavar="T", help="30min, 2h, 1d; to 7d."
)


@click.command(
    "pause",
    cls=Command,
    examples=(
        "merpati queue pause --provider gmail.com --for 2h --reason 'spam rate above 0.3 %'",
        "merpati queue pause --account 1 --pool marketing",
    ),
)
@_subject_options
@_for
@click.option("--reason", default="", help="Shown by merpati queue, and kept in the audit.")
@common_options
def pause(
    *,
    account: str | None,
    pool: str | None,
    provider: str | None,
    address: str | None,
    duration: str,
    reason: str,
    data: Path,
    as_json: bool,
) -> None:
    """Keep mail waiting for a time; it goes on by itself. Without options: all mail.

    Workers follow within two seconds. What is on a connection ends. With --ip the pool's other
    sending IPs go on.
    """
    setup(data)
    _give(_subject(account, pool, provider, address), duration, reason, as_json=as_json)


@click.command(
    "drain",
    cls=Command,
    examples=("merpati queue drain 192.0.2.10 --for 1d --reason 'the host is being moved'",),
)
@click.argument("address", metavar="IP")
@_for
@click.option("--reason", default="", help="Shown by merpati queue, and kept in the audit.")
@common_options
def drain(*, address: str, duration: str, reason: str, data: Path, as_json: bool) -> None:
    """Let a sending IP take no new messages for a time.

    Its pool's other IPs go on; mail that it must try again itself waits for it.
    """
    setup(data)
    _give(_subject(None, None, None, address), duration, reason, drains=True, as_json=as_json)


@click.command(
    "resume",
    cls=Command,
    examples=("merpati queue resume --provider gmail.com", "merpati queue resume --all"),
)
@_subject_options
@click.option("--all", "everything", is_flag=True, help="End all orders.")
@common_options
def resume(
    *,
    account: str | None,
    pool: str | None,
    provider: str | None,
    address: str | None,
    everything: bool,
    data: Path,
    as_json: bool,
) -> None:
    """End pauses and drains before their time; what replies paused: merpati queue retry --lift."""
    setup(data)
    from merpati.sending.queue_orders import end_orders  # noqa: PLC0415 - needs Django set up

    subject = _subject(account, pool, provider, address)
    if subject.is_everything and not everything:
        raise click.UsageError("say which: --account, --pool, --provider, --ip, or --all")
    ended = [_document(one) for one in end_orders(subject, by=actor(), now=now(), by_account=False)]
    text = "\n".join(f"ended: {one['told']}" for one in ended) or "nothing was paused there"
    show({"ended": ended}, text, as_json)


@click.command(
    "retry",
    cls=Command,
    examples=("merpati queue retry --provider t-online --lift", "merpati queue retry --account 1"),
)
@_subject_options
@click.option("--lift", is_flag=True, help="Also end the pauses and back-offs that replies caused.")
@common_options
def retry(
    *,
    account: str | None,
    pool: str | None,
    provider: str | None,
    address: str | None,
    lift: bool,
    data: Path,
    as_json: bool,
) -> None:
    """Have deferred mail tried again now. Without options: all; scheduled mail stays scheduled."""
    folder = setup(data)
    from merpati.sending.queue_orders import record_retry  # noqa: PLC0415 - needs Django set up

    subject = _subject(account, pool, provider, address)
    workers = running_workers(folder)
    if workers is None:
        raise click.ClickException("Merpati is stopped; at its start all that is due is tried.")
    record_retry(subject, lifts=lift, by=actor(), now=now())
    wanted = pack(
        Retry(subject.account_id, subject.pool_id, subject.provider, subject.sending_ip, lift)
    )
    count = 0
    for worker in range(workers):
        client = RpcClient(folder.deliver_socket(worker), RETRY_SECONDS)
        count += _read_count.decode(client.call("retry", wanted))
    lifted = "; what replies taught is forgotten" if lift else ""
    messages = "1 message is" if count == 1 else f"{count:,} messages are"
    show({"due": count, "lifted": lift}, f"{messages} due now{lifted}", as_json)


def orders_told() -> list[dict[str, Any]]:
    """Return the orders in force, each with its sentence."""
    from merpati.sending.queue_orders import orders_in_force  # noqa: PLC0415 - needs Django set up

    return [_document(order) for order in orders_in_force(now())]


def _subject(
    account: str | None, pool: str | None, provider: str | None, address: str | None
) -> Subject:
    from merpati.sending.queue_orders import (  # noqa: PLC0415 - needs Django set up
        subject_of,
        unknown_provider,
    )

    subject = subject_of(account_number(account), pool, provider, address)
    if doubt := unknown_provider(subject.provider):
        click.echo(f"warning: {doubt}", err=True)
    return subject


def _give(
    subject: Subject, duration: str, reason: str, *, as_json: bool, drains: bool = False
) -> None:
    from merpati.sending.queue_orders import (  # noqa: PLC0415 - needs Django set up
        give_order,
        parse_duration,
    )

    moment = now()
    until = moment + parse_duration(duration)
    order = give_order(subject, until, reason, by=actor(), now=moment, drains=drains)
    document = _document(order)
    show(document, document["told"], as_json)


def _document(order: QueueOrder) -> dict[str, Any]:
    from merpati.sending.policy import order_of  # noqa: PLC0415 - needs Django set up

    return {
        "account_id": order.account_id,
        "pool": order.pool.slug if order.pool else None,
        "provider": order.provider or None,
        "sending_ip": order.sending_ip or None,
        "drains": order.drains,
        "by": order.by,
        "reason": order.reason,
        "since": order.created_at.isoformat(timespec="seconds"),
        "until": order.until_at.isoformat(timespec="seconds"),
        "told": told(order_of(order)),
    }


def told(order: Order) -> str:
    """Return an order as a sentence."""
    return sentence(ordered(order), int(now().timestamp() * 1000))
