"""What the demonstration shows: progress, figures by sending IP, the newest arrival."""

from __future__ import annotations

import io
import re
import time
from pathlib import Path

from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from demo.parts import Demo
from demo.receiver import Arrivals

PICTURE_WIDTH = 96


class Screen:
    """Draws the state of one demonstration; `refresh()` reads it anew."""

    def __init__(self, demo: Demo, messages: int) -> None:
        self._demo = demo
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
        )
        self._accepted = self._progress.add_task("accepted (2xx: on disk)", total=messages, rate="")
        self._arrived = self._progress.add_task("arrived and verified", total=messages, rate="")
        self._started = time.monotonic()

    def refresh(self) -> RenderableType:
        """Return the picture of this moment."""
        arrivals = self._demo.arrivals
        rate = arrivals.total / max(time.monotonic() - self._started, 0.01)
        self._progress.update(self._accepted, completed=self._demo.accepted)
        self._progress.update(self._arrived, completed=arrivals.total, rate=f"{rate:,.0f}/s")
        return self.drawn()

    def drawn(self) -> RenderableType:
        """Return the picture as it was last refreshed."""
        arrivals = self._demo.arrivals
        return Group(
            *(step_line(step) for step in self._demo.steps),
            self._progress,
            Columns([by_sending_ip(arrivals), by_mail_host(arrivals)], padding=(0, 3)),
            newest(arrivals),
        )


def step_line(step: str) -> Text:
    """Return one finished step."""
    return Text.assemble(("✓ ", "green"), step)


def by_sending_ip(arrivals: Arrivals) -> Table:
    """Return the figures by sending IP."""
    table = Table("from IP", "HELO", title="Arrived", title_justify="left")
    table.add_column("messages", justify="right")
    table.add_column("dkim=pass", justify="right")
    for sender, count in sorted(arrivals.by_ip.items()):
        table.add_row(*sender, f"{count:,}", f"{arrivals.passed[sender]:,}")
    return table


def by_mail_host(arrivals: Arrivals) -> Table:
    """Return the figures by the host that took the mail."""
    table = Table("mail host", title="Taken by", title_justify="left")
    table.add_column("messages", justify="right")
    for host, count in arrivals.by_host.most_common():
        table.add_row(host, f"{count:,}")
    return table


def newest(arrivals: Arrivals) -> Panel:
    """Return what arrived last."""
    last = arrivals.last
    text = (
        f"{last.subject}\nto {last.rcpt_to}, from {last.from_ip},"
        f" dkim={'pass' if last.is_signed else 'fail'}"
        if last
        else "…"
    )
    return Panel(Text(text), title="newest arrival")


def save_picture(file: Path, *content: RenderableType) -> None:
    """Write what was shown as an SVG file.

    Drawn anew from the same data: a recording of the live screen would keep all its versions.
    """
    console = Console(record=True, width=PICTURE_WIDTH, file=io.StringIO(), force_terminal=True)
    for part in content:
        console.print(part, highlight=False)
    picture = console.export_svg(title="make demo")
    # Without rich's web fonts: it must not fetch anything when somebody looks at it.
    file.write_text(re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL))
