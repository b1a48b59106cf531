"""`make chaos`: kill -9 at named points and at random, under load; lost must be 0.

Each round lets callers send without pause, kills something, and waits until it is back. At the end
the queue drains and every recipient that was answered 2xx must have arrived. Duplicates are
allowed only in the one stated window (between the receiver's 250 and our record of it), with the
same Message-ID, and are counted. With --defer and --reject the sink refuses some recipients once,
and some for good: those must bounce, and nobody else.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from chaos.fate import Manners
from chaos.load import Caller, Ledger
from chaos.service import Target
from chaos.verdict import judge, never_reached, read_arrivals

FAULT_POINTS = (
    "spool.append.before_insert",
    "spool.append.before_commit",
    "spool.append.after_commit",
    "spool.append.before_reply",
    "spool.settle.before_commit",
    "spool.settle.after_commit",
    "spool.trim.before_commit",
    "delivery.after_250_before_settle",
    "events.store.before_commit",
    "events.store.after_commit",
)
PROCESSES = ("deliver-0", "deliver-1", "clock", "web")
DRAIN_LIMIT = 180.0


def attack(target: Target, kills: list[float], tried: Counter[str], reached: Counter[str]) -> str:
    """Kill something and wait until it runs again; return what was killed.

    tried, reached: how often each fault point was armed, and how often a process died there.
    """
    if random.random() < 0.6:
        point = random.choice(FAULT_POINTS)
        tried[point] += 1
        died_at = target.kill_at(point, random.randint(1, 5), limit=8.0)
        if died_at is not None:
            kills.append(died_at)
            reached[point] += 1
            return point
        return f"{point} (not reached)"
    if random.random() < 0.15:
        kills.append(time.time())
        target.kill_everything()
        return "everything"
    name = random.choice(PROCESSES)
    kills.append(time.time())
    target.kill(name)
    return name


def drain(target: Target, promised: int) -> None:
    """Wait until nothing waits and all events are recorded."""
    end = time.monotonic() + DRAIN_LIMIT
    while time.monotonic() < end:
        rows = target.merpati.command("accounts", "balance")["rows"]
        if not sum(row["waiting"] for row in rows):
            return
        time.sleep(0.3)
    raise SystemExit(f"the queue did not drain within {DRAIN_LIMIT:.0f} s (of {promised})")


def main() -> int:
    """Run the rounds and print the balance; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--callers", type=int, default=4)
    parser.add_argument("--pause", type=float, default=0.02, help="seconds between calls")
    parser.add_argument("--defer", type=int, default=0, help="percent deferred once")
    parser.add_argument("--reject", type=int, default=0, help="percent refused for good")
    parser.add_argument("--seed", type=int, default=None, help="repeat a run's choices")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.randrange(10**9)
    random.seed(seed)
    manners = Manners(options.defer, options.reject)
    ledger, kills = Ledger(), list[float]()
    tried, reached = Counter[str](), Counter[str]()
    with tempfile.TemporaryDirectory(prefix="merpati-chaos-") as folder:
        target = Target(Path(folder), manners)
        callers = [
            Caller(target.http_port, target.api_key, ledger, options.pause)
            for _ in range(options.callers)
        ]
        for caller in callers:
            caller.start()
        for number in range(1, options.rounds + 1):
            time.sleep(random.uniform(0.05, 0.4))
            killed = attack(target, kills, tried, reached)
            print(
                f"round {number}/{options.rounds}: {killed}; promised {len(ledger.accepted)}",
                file=sys.stderr,
                flush=True,
            )
        for caller in callers:
            caller.finish.set()
        for caller in callers:
            caller.join(60)
        drain(target, len(ledger.accepted))
        balance = target.merpati.command("accounts", "balance")["rows"]
        verdict = judge(ledger.accepted, read_arrivals(target.arrivals), kills, manners)
        code = target.stop()
    recorded = sum(row["accepted"] for row in balance)
    delivered = sum(row["delivered"] for row in balance)
    bounced = sum(row["bounced"] for row in balance)
    silent = never_reached(tried, reached)
    report = {
        "seed": seed,
        "rounds": options.rounds,
        "kills_at": dict(sorted(reached.items())),
        "never_reached": silent,
        "calls": ledger.calls,
        "refused_503": ledger.refused,
        "unanswered_and_repeated": ledger.unanswered,
        "wrong_answers": ledger.wrong[:5],
        **asdict(verdict),
        "balance_accepted": recorded,
        "balance_delivered": delivered,
        "balance_bounced": bounced,
        "exit_code": code,
    }
    print(json.dumps(report, indent=2))
    balanced = recorded == delivered + bounced == verdict.promised and bounced == verdict.rejected
    return 0 if verdict.holds and balanced and not (ledger.wrong or silent or code) else 1


if __name__ == "__main__":
    sys.exit(main())
