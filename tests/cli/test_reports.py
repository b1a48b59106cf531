"""What operators look at: events, queue and balance, while nothing else runs."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import programs
from harness.programs import MERPATI
from harness.service import wait_until
from merpati.adapters.clock import SystemClock
from merpati.adapters.codec import pack
from merpati.contracts.batch import Batch, MessageRow, Recipient
from merpati.events.recorder import Recorder
from merpati.runtime.paths import DataFolder
from merpati.spool.errors import SpoolUnavailable
from merpati.spool.shard import Shard
from tests.support.journal import NINE_O_CLOCK, injection
from tests.support.prepared import made


class NoWorkers:
    def trim(self, shard: int, seq: int) -> None:
        raise SpoolUnavailable("no worker runs")


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    return made(tmp_path)


def merpati(data: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return programs.run(*words, "--data", str(data), environment=os.environ)


def accept(folder: DataFolder, *recipients: str, waiting: int) -> None:
    """Accept mail for some recipients, of whom only `waiting` get a row: the others are lost."""

    async def append() -> None:
        shard = Shard(folder.spool, 1, SystemClock())
        rows = [
            MessageRow(n, "x.example", NINE_O_CLOCK, pack(Recipient(address)))
            for n, address in enumerate(recipients[:waiting])
        ]
        told = pack(injection(*recipients))
        batch = Batch(1, "7000", 9, 1, NINE_O_CLOCK, len(recipients), pack({}), rows, told)
        await shard.append(pack(batch))
        await shard.close()

    asyncio.run(append())


def record(folder: DataFolder) -> None:
    with Recorder(folder.events, folder.spool, NoWorkers()) as recorder:
        recorder.step()


def test_a_balance_that_holds_ends_with_0(folder: DataFolder) -> None:
    accept(folder, "a@x.example", "b@x.example", waiting=2)
    done = merpati(folder.root, "accounts", "balance", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    nothing = dict.fromkeys(
        ("delivered", "bounced", "suppressed", "expired", "cancelled", "failed", "difference"), 0
    )
    assert json.loads(done.stdout) == {
        "rows": [
            {"account_id": 1, "hour": "2026-11-22T09:00:00Z", "accepted": 2, "waiting": 2} | nothing
        ]
    }


@pytest.mark.parametrize("is_recorded", [False, True])
def test_a_balance_that_does_not_hold_ends_with_1_and_names_the_hour(
    folder: DataFolder, is_recorded: bool
) -> None:
    accept(folder, "a@x.example", "b@x.example", waiting=1)
    if is_recorded:
        record(folder)
    done = merpati(folder.root, "accounts", "balance", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["rows"][0]["difference"] == 1
    assert done.stderr == ("account 1, hour 2026-11-22 09:00 UTC: 2 accepted, +1 unaccounted for\n")


def test_the_queue_of_a_stopped_merpati_is_read_from_disk(folder: DataFolder) -> None:
    accept(folder, "a@x.example", "b@x.example", waiting=2)
    done = merpati(folder.root, "queue", "--json")
    (row,) = json.loads(done.stdout)["queues"]
    assert (row["provider"], row["depth"], row["reason"]) == (
        "x.example",
        2,
        "Merpati is stopped",
    )
    assert row["oldest_due_at"] == "2026-11-22T09:00:00.000+00:00"
    assert done.stderr == "Merpati is stopped; this is what lies on disk\n"
    assert merpati(folder.root, "queue", "--account", "2").stdout == "nothing waits\n"


def test_orders_to_the_queues_have_an_end_and_are_told(folder: DataFolder) -> None:
    merpati(folder.root, "account", "create", "Toko Kirim", "--service-time-zone", "uk")
    ip = ("192.0.2.10", "--account", "1", "--hostname", "mta.kirim.example")
    merpati(folder.root, "ip", "add", *ip)
    paused = merpati(
        *(folder.root, "queue", "pause", "--provider", "gmail.com", "--for", "2h"),
        *("--reason", "the list is checked", "--json"),
    )
    order = json.loads(paused.stdout)
    assert (order["provider"], order["reason"]) == ("google", "the list is checked")
    assert merpati(folder.root, "queue", "drain", "192.0.2.10").returncode == 0
    shown = merpati(folder.root, "queue")
    assert re.search(
        r"mail to Gmail is paused by cli:\w+ until .* UTC \(\d+ \w+\): the list is checked",
        shown.stderr,
    )
    assert "192.0.2.10 (all mail) is drained by" in shown.stderr
    vague = merpati(folder.root, "queue", "resume")
    assert vague.returncode == 2
    assert "--all" in vague.stderr
    ended = merpati(folder.root, "queue", "resume", "--all", "--json")
    assert len(json.loads(ended.stdout)["ended"]) == 2
    assert json.loads(merpati(folder.root, "queue", "--json").stdout)["orders"] == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("pause", "--for", "8d"), "no duration"),
        (("pause", "--provider", "gogle"), "did you mean 'google'"),
        (("drain", "192.0.2.99"), "Sending IP does not exist"),
        (("retry",), "Merpati is stopped"),
    ],
)
def test_an_order_that_cannot_be_says_why(
    folder: DataFolder, words: tuple[str, ...], said: str
) -> None:
    done = merpati(folder.root, "queue", *words)
    assert done.returncode == 1
    assert said in done.stderr


def test_reports_fit_80_columns_and_show_all_that_was_said(folder: DataFolder) -> None:
    accept(folder, "a@x.example", "b@x.example", waiting=2)
    queue = merpati(folder.root, "queue").stdout
    assert "         why: Merpati is stopped" in queue.splitlines()
    balance = merpati(folder.root, "accounts", "balance").stdout
    assert "suppressed" not in balance  # a column of zeros
    assert "waiting" in balance
    assert max(map(len, (queue + balance).splitlines())) <= 80


def test_a_report_is_for_an_account_by_number_or_name(folder: DataFolder) -> None:
    accept(folder, "a@x.example", waiting=1)
    record(folder)
    merpati(folder.root, "account", "create", "Toko Kirim", "--service-time-zone", "uk")
    for words in (["queue"], ["events"], ["accounts", "balance"]):
        by_number = merpati(folder.root, *words, "--account", "1")
        by_name = merpati(folder.root, *words, "--account", "Toko Kirim")
        assert by_name.stdout == by_number.stdout != ""
        nobody = merpati(folder.root, *words, "--account", "Toko Kerim")
        assert nobody.returncode == 1
        assert "merpati account list" in nobody.stderr


def test_events_are_shown_one_a_line(folder: DataFolder) -> None:
    accept(folder, "a@x.example", "\x1b[31mred@x.example", waiting=2)
    record(folder)
    lines = merpati(folder.root, "events").stdout.splitlines()
    assert len(lines) == 2
    assert all("injection" in line for line in lines)
    assert "\x1b" not in "".join(lines)  # what customers send does not steer a terminal


@pytest.fixture
def follower(folder: DataFolder) -> Iterator[subprocess.Popen[str]]:
    accept(folder, "before@x.example", waiting=1)
    record(folder)
    words = [MERPATI, "events", "--follow", "--data", str(folder.root)]
    with subprocess.Popen(
        [*words, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.kill()


def test_following_prints_new_events_as_lines_of_json(
    folder: DataFolder, follower: subprocess.Popen[str]
) -> None:
    assert follower.stdout is not None
    assert follower.stderr is not None
    assert "waiting for events" in follower.stderr.readline()
    accept(folder, "after@x.example", waiting=1)
    record(folder)
    assert json.loads(follower.stdout.readline())["rcpt_to"] == "after@x.example"
    follower.send_signal(2)
    wait_until(lambda: follower.poll() is not None, "the end", 10)
    assert follower.returncode == 130
