"""`merpati queue`: what waits by pool and provider, how it moves, and why it does not."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec

from merpati.adapters.codec import unpacker
from merpati.adapters.rpc import RpcClient, RpcRefused, RpcUnavailable
from merpati.cli.output import Group, common_options, printable, say, show, table
from merpati.cli.queue_orders import drain, orders_told, pause, resume, retry
from merpati.cli.queue_outlook import outlook
from merpati.cli.which_account import account_number
from merpati.contracts.queues import LaneStatus, QueueStatus
from merpati.delivery.reasons import span
from merpati.runtime.hold import read_hold
from merpati.runtime.paths import DataFolder
from merpati.runtime.setup import setup
from merpati.runtime.workers import running_workers
from merpati.spool.files import SHARDS
from merpati.spool.reading import snapshot

ANSWER_SECONDS = 5.0
INDENTED: dict[str, Any] = {"initial_indent": " " * 9, "subsequent_indent": " " * 11}
_read_queues = unpacker(list[QueueStatus])
_read_paces = unpacker(list[LaneStatus])


class QueueGroup(Group):
    """A group that shows the queues when none of its commands is named."""

    unnamed = "show"

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take options of the report for `show`."""
        if not args or (args[0].startswith("-") and args[0] not in ctx.help_option_names):
            args = [self.unnamed, *args]
        return super().parse_args(ctx, args)


@click.group(
    cls=QueueGroup,
    examples=(
        "merpati queue",
        "merpati queue --account 1 --json",
        "merpati queue --pace",
        "merpati queue outlook spring --account 1",
        "merpati queue pause --provider gmail.com --for 2h --reason 'the list is being checked'",
        "merpati queue retry --provider t-online --lift",
    ),
)
def queue() -> None:
    """Show what waits, and why; pause, retry, drain.

    Without a command: `merpati queue show`.
    """


@queue.command(
    "show",
    examples=("merpati queue show --account 1 --json", "merpati queue show --pace"),
)
@common_options
@click.option("--account", metavar="A", help="Only this account's: number or name.")
@click.option("--pace", is_flag=True, help="Show the pace by sending IP and provider instead.")
def show_queues(*, data: Path, as_json: bool, account: str | None, pace: bool) -> None:
    """Show what waits, how it moves and why not.

    By pool and mailbox provider, from the running workers: depth, oldest, last reply, pace. While
    Merpati is stopped, by pool and recipient domain, from the disk.
    """
    folder = setup(data)
    if pace:
        _show_paces(folder, as_json)
        return
    account_id = account_number(account)
    found = [row for row in _queues(folder) if account_id is None or row.account_id == account_id]
    found.sort(key=lambda row: (-row.depth, row.pool, row.provider))
    orders = orders_told()
    for order in orders:
        say(order["told"])
    show(
        {"queues": [_document(row) for row in found], "orders": orders},
        _table(found, datetime.now(UTC)) if found else "nothing waits",
        as_json,
    )


for _command in (pause, resume, retry, drain, outlook):
    queue.add_command(_command)


def _queues(folder: DataFolder) -> Iterator[QueueStatus]:
    workers = running_workers(folder)
    if hold := read_hold(folder.hold):
        say(f"all delivery is held: {hold.reason} (merpati resume ends it)")
    if workers is None:
        say("Merpati is stopped; this is what lies on disk")
    for worker in range(workers or 1):
        reason = "Merpati is stopped"
        if workers is not None:
            try:
                client = RpcClient(folder.deliver_socket(worker), ANSWER_SECONDS)
                yield from _read_queues.decode(client.call("queues", b""))
                continue
            except (RpcUnavailable, RpcRefused) as error:
                reason = f"the worker does not tell: {error}"
                say(f"worker {worker} does not answer ({error}); its queues are read from disk")
        for shard in range(worker, SHARDS, workers or 1):
            yield from _on_disk(folder, shard, reason)


def _on_disk(folder: DataFolder, number: int, reason: str) -> Iterator[QueueStatus]:
    from merpati.sending.policy import published_policy  # noqa: PLC0415 - needs Django set up

    with snapshot(folder.spool, number) as shard:
        depths = shard.depths() if shard else []
    if not depths:
        return
    policy = published_policy(folder.root)
    names = {pool.pool_id: pool.name for pool in policy.pools} if policy else {}
    for depth in depths:
        yield QueueStatus(
            account_id=depth.key.account_id,
            pool_id=depth.key.pool_id,
            pool=names.get(depth.key.pool_id, str(depth.key.pool_id)),
            provider=depth.key.domain,
            depth=depth.count,
            oldest_due_at=depth.earliest_due_at,
            in_flight=0,
            connections=0,
            last_reply=depth.note,
            pace="",
            reason=reason,
            until=None,
        )


def _document(row: QueueStatus) -> dict[str, Any]:
    return msgspec.structs.asdict(row) | {
        "oldest_due_at": _moment(row.oldest_due_at),
        "until": _moment(row.until),
    }


def _moment(at: int | None) -> str | None:
    if at is None:
        return None
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds")


def _table(rows: list[QueueStatus], now: datetime) -> str:
    """Return one line a queue, and below it, indented, what is said of it in sentences."""
    head = ("account", "pool", "provider", "depth", "due", "in flight", "conn")
    first, *lines = table(
        head,
        [
            (
                *(row.account_id, row.pool, row.provider, row.depth),
                *(_due(row.oldest_due_at, now), row.in_flight, row.connections),
            )
            for row in rows
        ],
    ).splitlines()
    for row, line in zip(rows, lines, strict=True):
        first += f"\n{line}{_sentences(row, now)}"
    return first


def _sentences(row: QueueStatus, now: datetime) -> str:
    said = [
        ("why", _why(row, now)),
        *(("slowed", sentence) for sentence in row.slowed),
        *(("split", sentence) for sentence in row.split),
        ("last reply", row.last_reply if row.last_reply not in row.reason else ""),
        ("encrypted", row.tls),
        ("pace", row.pace),
    ]
    width = shutil.get_terminal_size().columns
    return "".join(
        "\n" + textwrap.fill(printable(f"{name}: {text}"), width, **INDENTED)
        for name, text in said
        if text
    )


def _why(row: QueueStatus, now: datetime) -> str:
    """Return "Gmail refuses … then one connection; 1,204 messages wait"."""
    if not row.why:
        return row.reason
    until = f" ({_due(row.until, now)})" if row.until and " UTC (" not in row.reason else ""
    waits = "1 message waits" if row.depth == 1 else f"{row.depth:,} messages wait"
    return f"{row.reason}{until}; {waits}"


def _due(at: int | None, now: datetime) -> str:
    """Return how long ago the oldest fell due, or in how long it will."""
    if at is None:
        return ""
    seconds = now.timestamp() - at / 1000
    return f"{span(seconds)} ago" if seconds >= 0 else f"in {span(-seconds)}"


def _show_paces(folder: DataFolder, as_json: bool) -> None:
    lanes: list[LaneStatus] = []
    for worker in range(running_workers(folder) or 0):
        client = RpcClient(folder.deliver_socket(worker), ANSWER_SECONDS)
        lanes += _read_paces.decode(client.call("paces", b""))
    head = ("sending IP", "provider", "conn", "of", "configured", "a minute", "configured")
    rows = [
        (
            *(lane.sending_ip, lane.provider, lane.connections, lane.connections_limit),
            *(lane.configured_connections, lane.messages_per_minute),
            lane.configured_messages_per_minute,
        )
        for lane in lanes
    ]
    empty = "no mail goes anywhere just now, and no reply has slowed anything"
    lines = [table(head, rows, empty)]
    if rows:
        first, *others = lines[0].splitlines()
        lines = [first]
        for lane, text in zip(lanes, others, strict=True):
            lines.append(text)
            if lane.reason:
                width = shutil.get_terminal_size().columns
                lines.append(textwrap.fill(printable(f"why: {lane.reason}"), width, **INDENTED))
    documents = [
        msgspec.structs.asdict(lane) | {"since": _moment(lane.since), "until": _moment(lane.until)}
        for lane in lanes
    ]
    show({"paces": documents}, "\n".join(lines), as_json)
