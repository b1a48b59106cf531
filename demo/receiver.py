"""Where the demonstration's mail arrives: the sandbox's mail hosts, and a check of each signature.

dkimpy checks, which is not ours, so that what it says is an independent opinion.
"""

from __future__ import annotations

import email
import email.policy
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import dkim

from harness.sandbox import Sandbox


class Arrival(NamedTuple):
    """One message as it came, and whether its signature is good."""

    host: str
    from_ip: str
    helo: str
    is_signed: bool
    rcpt_to: str
    subject: str
    size_bytes: int


@dataclass
class Arrivals:
    """What has arrived so far; one thread adds, the display reads."""

    by_ip: Counter[tuple[str, str]] = field(default_factory=Counter)
    by_host: Counter[str] = field(default_factory=Counter)
    passed: Counter[tuple[str, str]] = field(default_factory=Counter)
    last: Arrival | None = None

    @property
    def total(self) -> int:
        """Return the number of messages received."""
        return sum(self.by_ip.values())

    def add(self, arrival: Arrival) -> None:
        """Count one message."""
        sender = arrival.from_ip, arrival.helo
        self.passed[sender] += arrival.is_signed
        self.by_host[arrival.host] += 1
        self.by_ip[sender] += 1
        self.last = arrival


class Receiver:
    """The sandbox, writing what it takes to a folder; each message is read, checked and removed.

    dkim_record: name and value of the record that DNS would publish; set it before mail comes.
    """

    def __init__(self, folder: Path) -> None:
        self.arrivals = Arrivals()
        self.dkim_record = ("", "")
        self.sandbox = Sandbox("--keep", str(folder), tell=self._check)

    def _check(self, seen: dict[str, Any]) -> None:
        if not seen["file"]:
            return
        file = Path(seen["file"])
        data = file.read_bytes()
        file.unlink()
        self.arrivals.add(
            Arrival(
                host=seen["host"],
                from_ip=seen["from_ip"],
                helo=seen["helo"],
                is_signed=dkim.verify(data, dnsfunc=self._dns),
                rcpt_to=seen["rcpt_to"],
                subject=str(email.message_from_bytes(data, policy=email.policy.default)["subject"]),
                size_bytes=len(data),
            )
        )

    def _dns(self, name: bytes, timeout: int = 5) -> bytes | None:
        known, value = self.dkim_record
        return value.encode() if name.decode().rstrip(".") == known.rstrip(".") else None
