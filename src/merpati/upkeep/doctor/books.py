"""The books: every accepted message is accounted for."""

from __future__ import annotations

import asyncio
import sqlite3

from merpati.events.balance import BalanceUnsteady, balance
from merpati.upkeep.doctor.finding import Finding, fail, ok, warn
from merpati.upkeep.doctor.scene import Scene

BALANCE = "books.balance"


async def check(scene: Scene) -> list[Finding]:
    """Compute the balance over all accounts."""
    return [await asyncio.to_thread(_balance, scene)]


def _balance(scene: Scene) -> Finding:
    try:
        rows = balance(scene.folder.events, scene.folder.spool)
    except BalanceUnsteady as error:
        return warn(BALANCE, "", error.message, "look again")
    except sqlite3.Error as error:
        text = f"the event store or a shard cannot be read: {error}"
        return fail(BALANCE, "", text, "look at the disk; restore the file from a backup")
    wrong = [row for row in rows if row.difference]
    if wrong:
        hours = ", ".join(f"account {r.account_id} {r.starts_at:%Y-%m-%d %H}:00" for r in wrong[:5])
        text = f"mail is unaccounted for in {len(wrong)} hours: {hours}"
        return fail(BALANCE, "", text, "keep the data folder as it is and report this")
    accepted = sum(row.accepted for row in rows)
    return ok(BALANCE, "", f"all of {accepted:,} accepted messages are accounted for")
