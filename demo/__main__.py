"""`make demo`: mail from an unmodified SparkPost client, signed, out of two IPs, then verified.

Everything is real and on this machine: `merpati run` with its own data folder, the `sparkpost`
package from PyPI over https, SMTP connections from 127.0.0.2 and 127.0.0.3 to the sandbox's mail
hosts, found by DNS, and a check of each signature that is not ours. Ctrl-C ends it and leaves
nothing running.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
from pathlib import Path

from rich.console import Console
from rich.live import Live

from demo.parts import Demo
from demo.screen import Screen, save_picture

QUIET_SECONDS = 60  # without a new message at the receiver for so long, the demonstration failed
CLOSING = (
    "Each message was accepted over https by an unmodified SparkPost client, made durable,"
    "\nrendered for its recipient, signed, and left from its own IP with its own HELO name."
)


def deliver(demo: Demo, screen: Screen, messages: int, console: Console) -> None:
    """Send, and show live figures until all messages have arrived."""
    failures: list[BaseException] = []

    def send() -> None:
        try:
            demo.send(messages)
        except BaseException as error:  # raised anew by the thread that shows it
            failures.append(error)

    threading.Thread(target=send, daemon=True).start()
    seen, progress_at = 0, time.monotonic()
    with Live(screen.refresh(), console=console, refresh_per_second=8) as live:
        while demo.arrivals.total < messages:
            if failures:
                raise failures[0]
            if demo.arrivals.total != seen:
                seen, progress_at = demo.arrivals.total, time.monotonic()
            if time.monotonic() - progress_at > QUIET_SECONDS:
                raise SystemExit(f"only {seen} of {messages} arrived; see {demo.merpati.log}")
            live.update(screen.refresh())
            time.sleep(0.1)
        live.update(screen.refresh())


def balance(demo: Demo, messages: int) -> tuple[bool, str]:
    """Return whether the accounts balance and every signature was good, and the line to show."""
    end = time.monotonic() + 20
    while True:  # the last outcomes reach the event store within moments
        rows = demo.merpati.command("accounts", "balance")["rows"]
        delivered = sum(row["delivered"] for row in rows)
        if delivered >= messages or time.monotonic() > end:
            break
        time.sleep(0.2)
    accepted, waiting = (sum(row[name] for row in rows) for name in ("accepted", "waiting"))
    difference = sum(abs(row["difference"]) for row in rows)
    passed = sum(demo.arrivals.passed.values())
    line = (
        f"accepted {accepted:,} = delivered {delivered:,} + waiting {waiting:,} + others,"
        f" difference {difference}; dkim=pass {passed:,} of {demo.arrivals.total:,}"
    )
    return not difference and accepted == delivered == passed == messages, line


def main() -> int:
    """Run the demonstration; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--messages", type=int, default=2000, help="how many to send (2000)")
    parser.add_argument("--picture", metavar="FILE", help="keep the last screen as an SVG file")
    options = parser.parse_args()
    console = Console()
    console.print("[bold]Merpati[/bold] sends mail from two dedicated IPs. Ctrl-C stops it.\n")
    # A service manager or a test ends us with SIGTERM: clean up as for Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    demo = Demo()
    try:
        with console.status("Starting the sandbox, Merpati and an account ..."):
            demo.start()
            demo.set_up()
        screen = Screen(demo, options.messages)
        deliver(demo, screen, options.messages, console)
        good, line = balance(demo, options.messages)
        console.print()
        console.print(line, highlight=False, soft_wrap=True)
        if not good:
            console.print("[red]The figures above do not agree: this is a defect.[/red]")
            return 1
        console.print(f"\n{CLOSING}", soft_wrap=True)
        if options.picture:
            save_picture(Path(options.picture), screen.drawn(), line)
        return 0
    except KeyboardInterrupt:
        console.print("\nStopping ...")
        return 130
    finally:
        demo.stop()


if __name__ == "__main__":
    sys.exit(main())
