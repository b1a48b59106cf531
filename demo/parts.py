"""The parts of the demonstration: Merpati, its customer's client, a receiver that is not ours."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from demo.mail import HTML, SUBJECT, TEXT, parcel
from harness.customer import DOMAIN, SENDING_IPS, sign_up
from harness.service import Merpati, answers, free_port, uninterrupted, wait_until

CALL_SIZE = 250


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

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="merpati-demo-"))
        self.merpati = Merpati(self.folder / "data", "--https", "127.0.0.1:0", "--workers", "1")
        self.arrivals = Arrivals()
        self.accepted = 0
        self.steps: list[str] = []
        self._api_key = ""
        self._receiver: subprocess.Popen[str] | None = None

    def start_service(self) -> None:
        """Start `merpati run` and wait until all parts accept connections."""
        self.merpati.start()
        address = self.merpati.addresses["https"]
        self.steps.append(f"merpati runs: https://{address}")

    def set_up(self) -> None:
        """Create account, IPs and domain, and route all mail to the receiver."""
        customer = sign_up(self.merpati)
        self._api_key = customer.api_key
        self.steps.append(f"account with sending IPs {' and '.join(SENDING_IPS)}, domain {DOMAIN}")
        port = free_port()
        with uninterrupted():
            self._receiver = subprocess.Popen(
                [sys.executable, "-m", "demo.receiver", str(port), *customer.dkim_record],
                stdout=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        threading.Thread(target=self._listen, daemon=True).start()
        wait_until(lambda: answers(port), "the receiver")
        self.merpati.command("route", "add", "*", f"127.0.0.1:{port}")
        self.steps.append(
            f"receiver on port {port} (aiosmtpd) verifies each signature (dkimpy); it sets the pace"
        )

    def send(self, messages: int) -> None:
        """Send through python-sparkpost; `accepted` counts what was answered 2xx."""
        os.environ["REQUESTS_CA_BUNDLE"] = str(self.merpati.data / "tls" / "ca.pem")
        from sparkpost import SparkPost  # noqa: PLC0415  # reads the environment when it connects

        client = SparkPost(self._api_key, base_uri=self.merpati.addresses["https"])
        for start in range(0, messages, CALL_SIZE):
            answer = client.transmissions.send(
                recipients=[parcel(i) for i in range(start, min(start + CALL_SIZE, messages))],
                from_email=f"Toko Kirim <halo@{DOMAIN}>",
                subject=SUBJECT,
                text=TEXT,
                html=HTML,
                campaign="demo",
            )
            self.accepted += answer["total_accepted_recipients"]

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
