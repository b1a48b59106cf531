"""`merpati warmup`: how sending IPs warm up by mailbox provider, and what people decide of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from merpati.cli.actor import actor, now
from merpati.cli.output import Group, common_options, show, table
from merpati.runtime.setup import setup

if TYPE_CHECKING:
    from merpati.plans.warmup.overview import ShownIp
    from merpati.sending.models import SendingIp


@click.group(
    cls=Group,
    examples=(
        "merpati warmup start 192.0.2.10",
        "merpati warmup status 192.0.2.10",
        "merpati warmup target 192.0.2.10 google 200000",
        "merpati warmup override 192.0.2.10 google 5000 --reason 'Google lifted the block'",
        "merpati warmup stop 192.0.2.10",
    ),
)
def warmup() -> None:
    """Warm sending IPs up by mailbox provider: start, watch, decide by hand, stop."""


@warmup.command(
    "start",
    examples=(
        "merpati warmup start 192.0.2.10",
        "merpati warmup start 192.0.2.10 --engaged-within 30",
        "merpati warmup start 192.0.2.10 --stages",
    ),
)
@click.argument("address")
@click.option("--stages", is_flag=True, help="By SparkPost's 29 stages, for all providers alike.")
@click.option(
    "--engaged-within",
    type=int,
    metavar="DAYS",
    help="Only recipients who engaged so lately are mailed from here until it is warm.",
)
@common_options
def start(
    address: str, *, stages: bool, engaged_within: int | None, data: Path, as_json: bool
) -> None:
    """Begin: each provider gets an allowance a day that follows how it takes the mail.

    What the IP sent in the last 90 days counts, so one that sends already goes on where it is.
    """
    setup(data)
    from merpati.plans.warmup import actions  # noqa: PLC0415 - needs Django set up
    from merpati.sending.sending_ips import owner_of  # noqa: PLC0415

    ip = actions.start(
        owner_of(address),
        address,
        by_stages=stages,
        engaged_within_days=engaged_within,
        by=actor(),
        now=now(),
    )
    how = f"stage {ip.auto_warmup_stage}" if stages else "an allowance for each provider"
    _show_settings(ip, f"{ip.address} warms up: {how}.", as_json)


@warmup.command("stop", examples=("merpati warmup stop 192.0.2.10",))
@click.argument("address")
@common_options
def stop(address: str, data: Path, as_json: bool) -> None:
    """End: the IP counts as warm, and nothing limits it any more."""
    setup(data)
    from merpati.plans.warmup import actions  # noqa: PLC0415 - needs Django set up
    from merpati.sending.sending_ips import owner_of  # noqa: PLC0415

    ip = actions.stop(owner_of(address), address, by=actor(), now=now())
    _show_settings(ip, f"{ip.address} counts as warm; nothing limits it any more.", as_json)


@warmup.command(
    "status",
    examples=(
        "merpati warmup status",
        "merpati warmup status 192.0.2.10",
        "merpati warmup status --account 1 --json",
    ),
)
@click.argument("address", required=False)
@click.option("--account", metavar="A", help="Only this account's: number or name.")
@common_options
def status(address: str | None, *, account: str | None, data: Path, as_json: bool) -> None:
    """Show what holds for each provider today, and why; of one IP, or of all that warm up."""
    folder = setup(data)
    from django.db.models import Q  # noqa: PLC0415 - needs Django set up

    from merpati.accounts.actions import find_account  # noqa: PLC0415
    from merpati.plans.warmup.document import ip_document  # noqa: PLC0415
    from merpati.plans.warmup.overview import overview  # noqa: PLC0415
    from merpati.sending.models import SendingIp  # noqa: PLC0415
    from merpati.sending.sending_ips import find_sending_ip, owner_of  # noqa: PLC0415

    if address is not None:
        ips = [find_sending_ip(owner_of(address), address)]
    else:
        found = SendingIp.objects.select_related("pool").order_by("account_id", "slot")
        found = found.filter(Q(warms_by_provider=True) | Q(auto_warmup_enabled=True))
        if account is not None:
            found = found.filter(account=find_account(account))
        ips = list(found)
    shown = overview(folder.events, ips, now())
    text = "\n\n".join(_as_text(one) for one in shown)
    empty = "no IP warms up; begin with: merpati warmup start ADDRESS"
    show(
        {"sending_ips": [ip_document(one, names_people=True) for one in shown]},
        text or empty,
        as_json,
    )


@warmup.command(
    "target",
    examples=(
        "merpati warmup target 192.0.2.10 google 200000",
        "merpati warmup target 192.0.2.10 google --guess",
    ),
)
@click.argument("address")
@click.argument("provider")
@click.argument("messages", type=int, required=False)
@click.option("--guess", is_flag=True, help="Go by what is sent again, which is the default.")
@common_options
def target(
    address: str, provider: str, *, messages: int | None, guess: bool, data: Path, as_json: bool
) -> None:
    """Set how many messages a day the IP is to carry to a provider in the end."""
    setup(data)
    from merpati.plans.warmup import actions  # noqa: PLC0415 - needs Django set up
    from merpati.sending.sending_ips import owner_of  # noqa: PLC0415

    if (messages is None) is not guess:
        raise click.UsageError("say either how many messages a day, or --guess")
    name = actions.set_target(owner_of(address), address, provider, messages, by=actor(), now=now())
    words = f"is to carry {messages:,} messages a day" if messages is not None else "is guessed"
    document = {"external_ip": address, "provider": name, "target": messages}
    show(document, f"{address} to {name}: {words}, from the next day on.", as_json)


@warmup.command(
    "override",
    examples=(
        "merpati warmup override 192.0.2.10 google 5000 --reason 'Google lifted the block'",
        "merpati warmup override 192.0.2.10 yahoo 0 --days 3 --reason 'Bad list, being cleaned'",
    ),
)
@click.argument("address")
@click.argument("provider")
@click.argument("messages", type=int)
@click.option("--reason", required=True, metavar="TEXT", help="Why; kept, and shown with it.")
@click.option("--days", type=int, default=1, show_default=True, help="So long, today included.")
@common_options
def override(
    address: str,
    provider: str,
    messages: int,
    *,
    reason: str,
    days: int,
    data: Path,
    as_json: bool,
) -> None:
    """Decide a provider's allowance yourself, from today on; then the controller goes on.

    It holds at once, also against today's pause or slower pace.
    """
    setup(data)
    from merpati.plans.warmup import actions  # noqa: PLC0415 - needs Django set up
    from merpati.sending.sending_ips import owner_of  # noqa: PLC0415

    made = actions.override(
        owner_of(address),
        address,
        provider,
        messages,
        reason,
        days=days,
        by=actor(),
        now=now(),
    )
    document = {
        "external_ip": address,
        "provider": made.provider,
        "messages": made.messages,
        "from": made.first_day.isoformat(),
        "until": made.last_day.isoformat(),
        "reason": made.reason,
        "by": made.by,
    }
    text = f"{address} may send {messages:,} messages a day to {made.provider} until "
    show(document, f"{text}{made.last_day} (UTC).", as_json)


def _show_settings(ip: SendingIp, text: str, as_json: bool) -> None:
    from merpati.plans.warmup.document import settings_document  # noqa: PLC0415 - needs Django

    show(settings_document(ip), text, as_json)


def _as_text(shown: ShownIp) -> str:
    from merpati.reputation.reason_words import in_words  # noqa: PLC0415 - with the others

    ip = shown.ip
    ways = [
        *(["by provider"] if ip.warms_by_provider else []),
        *([f"stage {ip.auto_warmup_stage}"] if ip.auto_warmup_enabled else []),
    ]
    head = f"{ip.address} (account {ip.account_id}, pool {ip.pool.slug}): "
    head += f"warms up, {' and '.join(ways)}" if ways else "warm"
    rows = []
    for one in shown.providers:
        why = in_words(one.reason, "en")
        if one.override is not None:
            why += f" {one.override.by}: {one.override.reason}"
        limit = one.messages if ip.warms_by_provider else None
        rows.append([one.provider, limit, one.today.sent, one.today.refused, why])
    names = ("provider", "today", "sent", "refused", "why")
    return f"{head}\n{table(names, rows, 'nothing was sent from here in the last 30 days')}"
