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
import socket
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

MERPATI = str(Path(sys.executable).with_name("merpati"))
DOMAIN = "kirim.example"
SENDING_IPS = {"127.0.0.2": "mta-1.kirim.example", "127.0.0.3": "mta-2.kirim.example"}
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
        self.data = Path(tempfile.mkdtemp(prefix="merpati-demo-"))
        self.arrivals = Arrivals()
        self.addresses: dict[str, str] = {}
        self.api_key = ""
        self._running: list[subprocess.Popen[str]] = []

    def step(self, text: str) -> None:
        """Say what happens next."""
        self.console.print(f"[green]✓[/green] {text}", highlight=False)

    def merpati(self, *words: str) -> Any:
        """Run one `merpati` command and return its JSON."""
        done = subprocess.run(
            [MERPATI, *words, "--data", str(self.data), "--json"],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"merpati {' '.join(words)} failed:\n{done.stderr}")
        return json.loads(done.stdout)

    def start_service(self) -> None:
        """Start `merpati run` and wait for its ready line."""
        service = self._start(
            [
                *(MERPATI, "run", "--data", str(self.data), "--http", "127.0.0.1:0"),
                *("--https", "127.0.0.1:0", "--submission", "127.0.0.1:0"),
                *("--inbound", "127.0.0.1:0", "--workers", "1"),
            ],
            stderr=(self.data / "run.log").open("w"),
        )
        line = next(iter(service.stdout or ()), "")
        if not line.startswith("merpati ready"):
            raise SystemExit(f"merpati did not start:\n{(self.data / 'run.log').read_text()}")
        self.addresses = dict(word.split("=", 1) for word in line.split() if "=" in word)
        self.step(f"merpati runs: https://{self.addresses['https']} (data in {self.data})")

    def set_up(self) -> None:
        """Create account, IPs and domain, and route all mail to the receiver."""
        account = self.merpati(
            *("account", "create", "Toko Kirim", "--plan", "premium"),
            *("--service-time-zone", "uk"),
        )
        self.api_key = account["api_key"]
        owner = str(account["account_id"])
        for address, hostname in SENDING_IPS.items():
            self.merpati("ip", "add", address, "--account", owner, "--hostname", hostname)
        domain = self.merpati("domain", "add", DOMAIN, "--account", owner, "--assume-verified")
        self.step(f"account {owner} with sending IPs {' and '.join(SENDING_IPS)}, domain {DOMAIN}")
        dkim = next(r for r in domain["records"] if "_domainkey" in r["name"])
        port = free_port()
        receiver = self._start(
            [sys.executable, "-m", "demo.receiver", str(port), dkim["name"], dkim["value"]]
        )
        threading.Thread(target=self._listen, args=(receiver,), daemon=True).start()
        wait_for(port)
        self.merpati("route", "add", "*", f"127.0.0.1:{port}")
        self.step(f"receiver on port {port} (aiosmtpd) verifies each signature (dkimpy)")

    def send(self, messages: int) -> int:
        """Send through python-sparkpost; return how many recipients were accepted."""
        os.environ["REQUESTS_CA_BUNDLE"] = str(self.data / "tls" / "ca.pem")
        from sparkpost import SparkPost  # noqa: PLC0415  # reads the environment when it connects

        client = SparkPost(self.api_key, base_uri=self.addresses["https"])
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
        for process in self._running:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self._running:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
        shutil.rmtree(self.data, ignore_errors=True)

    def _start(self, command: list[str], **options: Any) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C reaches us alone; we stop the others in order
            **options,
        )
        self._running.append(process)
        return process

    def _listen(self, receiver: subprocess.Popen[str]) -> None:
        for line in receiver.stdout or ():
            self.arrivals.add(json.loads(line))


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int) -> None:
    """Wait until a local port accepts connections."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        with socket.socket() as probe:
            if not probe.connect_ex(("127.0.0.1", port)):
                return
        time.sleep(0.05)
    raise SystemExit(f"nothing answers on port {port}")


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
                raise SystemExit(f"only {total} of {messages} arrived; see {demo.data}/run.log")
            time.sleep(0.1)


def summary(demo: Demo, messages: int) -> bool:
    """Print what was shown and whether the accounts balance; return whether all is well."""
    end = time.monotonic() + 20
    while True:  # the last outcomes settle and reach the event store within moments
        rows = demo.merpati("accounts", "balance")["rows"]
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
