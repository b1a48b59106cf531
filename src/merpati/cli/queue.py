"""`merpati queue`: what waits by pool and provider, how it moves, and why it does not."""

from __future__ import annotations

import json
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
from merpati.cli.output import Command, common_options, printable, say, show, table
from merpati.cli.which_account import account_number
from merpati.delivery.status import QueueStatus
from merpati.runtime.hold import read_hold
from merpati.runtime.paths import DataFolder
from merpati.runtime.setup import setup
from merpati.spool.files import SHARDS
from merpati.spool.reading import snapshot

ANSWER_SECONDS = 5.0
INDENTED: dict[str, Any] = {"initial_indent": " " * 9, "subsequent_indent": " " * 11}
_read_queues = unpacker(list[QueueStatus])


@click.command(cls=Command, examples=("merpati queue", "merpati queue --account 1 --json"))
@common_options
@click.option("--account", metavar="A", help="Only this account's: number or name.")
def queue(data: Path, as_json: bool, account: str | None) -> None:
    """Show what waits, how it moves and why not.

    By pool and mailbox provider, from the running workers: depth, oldest, last reply, pace. While
    Merpati is stopped, by pool and recipient domain, from the disk.
    """
    folder = setup(data)
    account_id = account_number(account)
    found = [row for row in _queues(folder) if account_id is None or row.account_id == account_id]
    found.sort(key=lambda row: (-row.depth, row.pool, row.provider))
    show(
        {"queues": [_document(row) for row in found]},
        _table(found, datetime.now(UTC)) if found else "nothing waits",
        as_json,
    )


def _queues(folder: DataFolder) -> Iterator[QueueStatus]:
    workers = _workers(folder)
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


def _workers(folder: DataFolder) -> int | None:
    """Return how many workers run; None while Merpati is stopped."""
    try:
        state = json.loads(folder.state.read_text())
    except FileNotFoundError:
        return None
    # A killed supervisor leaves its state behind.
    return int(state["workers"]) if Path(f"/proc/{state['pid']}").exists() else None


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
            last_reply="",
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
    until = f" ({_due(row.until, now)})" if row.until else ""
    said = {
        "why": row.reason and row.reason + until,
        "last reply": row.last_reply if row.last_reply != row.reason else "",
        "encrypted": row.tls,
        "pace": row.pace,
    }
    width = shutil.get_terminal_size().columns
    return "".join(
        "\n" + textwrap.fill(printable(f"{name}: {text}"), width, **INDENTED)
        for name, text in said.items()
        if text
    )


def _due(at: int | None, now: datetime) -> str:
    """Return how long ago the oldest fell due, or in how long it will."""
    if at is None:
        return ""
    seconds = now.timestamp() - at / 1000
    return f"{_span(seconds)} ago" if seconds >= 0 else f"in {_span(-seconds)}"


def _span(seconds: float) -> str:
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
