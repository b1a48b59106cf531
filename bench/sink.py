"""Receivers: Debian's smtp-sink, once counting (what is measured), once writing what it gets.

The running counter of `-c` is read instead of ending the sink after N messages (`-M`), since that
option acts only at a disconnect, seconds late for senders that keep idle connections.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Self

from harness.service import answers, free_port, wait_until

SMTP_SINK = shutil.which("smtp-sink", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
_COUNT = re.compile(rb"mesg=(\d+)[ \r\n]")
_TAIL_BYTES = 400


class SinkMissing(Exception):
    """Debian's smtp-sink (package postfix) is not installed."""


class _Sink:
    def __init__(self, folder: Path, *options: str) -> None:
        if SMTP_SINK is None:
            raise SinkMissing("smtp-sink is missing; on Debian: apt-get install postfix")
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.log = folder / "sink.log"
        # smtp-sink insists on giving up root's rights.
        rights = ["-u", "nobody"] if os.geteuid() == 0 else []
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [SMTP_SINK, *rights, *options, "-m", "1000", f"127.0.0.1:{self.port}", "1000"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=folder,
            )
        wait_until(lambda: answers(self.port), "smtp-sink", 5)

    @property
    def address(self) -> str:
        """HOST:PORT at which it takes mail."""
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        return self.process.pid

    def close(self) -> None:
        """Stop the sink."""
        self.process.terminate()
        self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class CountingSink(_Sink):
    """Takes everything and counts it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "-c")

    def count(self) -> int:
        """Return how many messages have been answered with 250 so far."""
        with self.log.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - _TAIL_BYTES))
            found = _COUNT.findall(log.read())
        return int(found[-1]) if found else 0

    def wait_for(self, messages: int, seconds: float) -> float | None:
        """Return the monotonic moment at which the count was reached, or None after `seconds`."""
        ends = time.monotonic() + seconds
        while True:
            reached, now = self.count() >= messages, time.monotonic()
            if reached:
                return now
            if now > ends:
                return None
            time.sleep(0.004)


class ReadableSink(_Sink):
    """Writes each message to a file, to see what a system really sends."""

    def __init__(self, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        box = folder / "box"
        box.mkdir(parents=True)
        box.chmod(0o777)  # written by nobody
        self.box = box
        super().__init__(folder, "-d", "box/m.")

    def wait_for_one(self, seconds: float) -> tuple[dict[str, str], bytes] | None:
        """Return the session (smtp-sink's X- lines, lower case) and the message as received.

        None when nothing came within `seconds`.
        """
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            for path in self.box.iterdir():
                if message := _undumped(path.read_bytes()):
                    return message
            time.sleep(0.02)
        return None


def _undumped(dump: bytes) -> tuple[dict[str, str], bytes] | None:
    # smtp-sink puts lines of its own before the message: the session as X- headers, then Received.
    session: dict[str, str] = {}
    lines = dump.split(b"\n")
    at = 0
    while at < len(lines) and lines[at].startswith(b"X-"):
        name, _, value = lines[at].decode("latin-1").partition(": ")
        session[name.lower()] = value
        at += 1
    if at < len(lines) and lines[at].startswith(b"Received: from"):
        at += 1
        while at < len(lines) and lines[at].startswith((b"\t", b" ")):
            at += 1
    message = b"\n".join(lines[at:])
    if not message.rstrip():
        return None
    # The dump ends each message with an empty line that was not sent.
    return session, message.removesuffix(b"\n").replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
