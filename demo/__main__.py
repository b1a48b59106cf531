"""`make demo`: mail from an unmodified SparkPost client, signed, out of two IPs, then verified.

Everything is real and on this machine: `merpati run` with its own data folder, the `sparkpost`
package from PyPI over https, SMTP connections from 127.0.0.2 and 127.0.0.3, and a receiver that is
not ours. Ctrl-C ends it and leaves nothing running.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from demo.mail import HTML, SUBJECT, TEXT, parcel
from harness.customer import DOMAIN, SENDING_IPS, sign_up
from harness.service import Merpati, answers, free_port, wait_until

CALL_SIZE = 250
QUIET_SECONDS = 60  # without a new message at the receiver for so long, the demonstration failed


@dataclass
class Arrivals:
    """What the receiver has seen so far; one thread adds, the display reads."""

    by_ip: Counter[tuple[str, str]] = field(default_factory=Counter)
    passed: Counter[tuple[str, str]] = field(default_factory=Counter)
    bytes: int = 0
    last: dict[str, Any] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """Return the number of messages received."""
        return sum(self.by_ip.values())

    def add(self, seen: dict[str, Any]) -> None:
        """Count one message."""
        sender = (seen["from_ip"], seen["helo"])
        self.by_ip[sender] += 1
        self.passed[sender] += seen["dkim"] == "pass"
        self.bytes += seen["bytes"]
        self.last = seen


class Demo:
    """The processes of the demonstration, started in order and stopped together."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.folder = Path(tempfile.mkdtemp(prefix="merpati-demo-"))
        self.merpati = Merpati(self.folder / "data", "--https", "127.0.0.1:0", "--workers", "1")
        self.arrivals = Arrivals()
        self.api_key = ""
        self._receiver: subprocess.Popen[str] | None = None

    def step(self, text: str) -> None:
        """Say what happens next."""
        self.console.print(f"[green]✓[/green] {text}", highlight=False)

    def start_service(self) -> None:
        """Start `merpati run` and wait until all parts accept connections."""
        self.merpati.start()
        address = self.merpati.addresses["https"]
        self.step(f"merpati runs: https://{address} (data in {self.merpati.data})")

    def set_up(self) -> None:
        """Create account, IPs and domain, and route all mail to the receiver."""
        customer = sign_up(self.merpati)
        self.api_key = customer.api_key
        self.step(f"account with sending IPs {' and '.join(SENDING_IPS)}, domain {DOMAIN}")
        port = free_port()
        self._receiver = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "demo.receiver",
                str(port),
                customer.dkim_name,
                customer.dkim_value,
            ],
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        threading.Thread(target=self._listen, daemon=True).start()
        wait_until(lambda: answers(port), "the receiver")
        self.merpati.command("route", "add", "*", f"127.0.0.1:{port}")
        self.step(f"receiver on port {port} (aiosmtpd) verifies each signature (dkimpy)")

    def send(self, messages: int) -> int:
        """Send through python-sparkpost; return how many recipients were accepted."""
        os.environ["REQUESTS_CA_BUNDLE"] = str(self.merpati.data / "tls" / "ca.pem")
        from sparkpost import SparkPost  # noqa: PLC0415  # reads the environment when it connects

        client = SparkPost(self.api_key, base_uri=self.merpati.addresses["https"])
        accepted = 0
        for start in range(0, messages, CALL_SIZE):
            answer = client.transmissions.send(
                recipients=[parcel(i) for i in range(start, min(start + CALL_SIZE, messages))],
                from_email=f"Toko Kirim <halo@{DOMAIN}>",
                subject=SUBJECT,
                text=TEXT,
                html=HTML,
                campaign="demo",
            )
            accepted += answer["total_accepted_recipients"]
        return accepted

    def stop(self) -> None:
        """Stop everything and remove the data folder."""
        self.merpati.stop()
        if self._receiver is not None:
            self._receiver.kill()
            self._receiver.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _listen(self) -> None:
        if self._receiver is not None:
            for line in self._receiver.stdout or ():
                self.arrivals.add(json.loads(line))


def arrivals_table(arrivals: Arrivals) -> Table:
    """Return the figures by sending IP."""
    table = Table(title="At the receiver", title_justify="left")
    for heading, justify in (("from IP", "left"), ("HELO", "left"), ("messages", "right")):
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]
    table.add_column("dkim=pass", justify="right")
    for sender, count in sorted(arrivals.by_ip.items()):
        table.add_row(*sender, f"{count:,}", f"{arrivals.passed[sender]:,}")
    return table


def watch(demo: Demo, messages: int) -> None:
    """Show live figures until all messages have arrived."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        console=demo.console,
    )
    accepted = bar.add_task("accepted (2xx: on disk)", total=messages, rate="")
    arrived = bar.add_task("arrived and verified   ", total=messages, rate="")
    outcome: list[int | BaseException] = []

    def send() -> None:
        try:
            outcome.append(demo.send(messages))
        except BaseException as error:  # shown by the main thread
            outcome.append(error)

    started = time.monotonic()
    threading.Thread(target=send, daemon=True).start()
    progress_at, seen = started, 0
    with Live(console=demo.console, refresh_per_second=8) as live:
        while True:
            if outcome and isinstance(outcome[0], BaseException):
                raise outcome[0]
            total = demo.arrivals.total
            now = time.monotonic()
            if total != seen:
                progress_at, seen = now, total
            if outcome and isinstance(outcome[0], int):
                bar.update(accepted, completed=outcome[0])
            rate = f"{total / max(now - started, 0.01):,.0f}/s"
            bar.update(arrived, completed=total, rate=rate)
            last = demo.arrivals.last
            latest = (
                f"{last['subject']}\nto {last['to']}, from {last['from_ip']}, dkim={last['dkim']}"
                if last
                else "…"
            )
            live.update(
                Group(bar, arrivals_table(demo.arrivals), Panel(latest, title="newest arrival"))
            )
            if total >= messages:
                return
            if now - progress_at > QUIET_SECONDS:
                raise SystemExit(f"only {total} of {messages} arrived; see {demo.merpati.log}")
            time.sleep(0.1)


def summary(demo: Demo, messages: int) -> bool:
    """Print what was shown and whether the accounts balance; return whether all is well."""
    end = time.monotonic() + 20
    while True:  # the last outcomes settle and reach the event store within moments
        rows = demo.merpati.command("accounts", "balance")["rows"]
        delivered = sum(row["delivered"] for row in rows)
        if delivered >= messages or time.monotonic() > end:
            break
        time.sleep(0.2)
    difference = sum(abs(row["difference"]) for row in rows)
    passed = sum(demo.arrivals.passed.values())
    demo.console.print(
        f"accepted {sum(row['accepted'] for row in rows):,} = delivered {delivered:,}"
        f" + waiting {sum(row['waiting'] for row in rows):,}"
        f" + others, difference {difference}; dkim=pass {passed:,} of {demo.arrivals.total:,}",
        highlight=False,
    )
    return not difference and delivered == messages == passed


def main() -> int:
    """Run the demonstration; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--messages", type=int, default=2000, help="how many to send (2000)")
    options = parser.parse_args()
    console = Console()
    console.print("[bold]Merpati[/bold] sends mail from two dedicated IPs. Ctrl-C stops it.\n")
    # A service manager or a test ends us with SIGTERM: clean up as for Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    demo = Demo(console)
    try:
        demo.start_service()
        demo.set_up()
        watch(demo, options.messages)
        if not summary(demo, options.messages):
            console.print("[red]The figures above do not agree: this is a defect.[/red]")
            return 1
        console.print(
            "\nEach message was accepted over https by an unmodified SparkPost client, made\n"
            "durable, rendered for its recipient, signed, and left from its own IP and HELO name."
        )
        return 0
    except KeyboardInterrupt:
        console.print("\nStopping ...")
        return 130
    finally:
        demo.stop()


if __name__ == "__main__":
    sys.exit(main())
