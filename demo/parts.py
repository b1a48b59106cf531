"""The parts of the demonstration: Merpati, its customer's client, where the mail arrives."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from demo.mail import HTML, SUBJECT, TEXT, parcel
from demo.receiver import Receiver
from harness.customer import DOMAIN, SENDING_IPS, sign_up
from harness.service import Merpati

CALL_SIZE = 250


class Demo:
    """The processes of the demonstration, started in order and stopped together."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="merpati-demo-"))
        self.receiver = Receiver(self.folder / "received")
        self.arrivals = self.receiver.arrivals
        self.accepted = 0
        self.steps: list[str] = []
        self._api_key = ""
        self._merpati: Merpati | None = None

    @property
    def merpati(self) -> Merpati:
        """Return the service. Raises RuntimeError before its start."""
        if self._merpati is None:
            raise RuntimeError("not started")
        return self._merpati

    def start(self) -> None:
        """Start sandbox and service, and wait until all parts accept connections."""
        sandbox = self.receiver.sandbox
        sandbox.start()
        hosts = {played["host"] for played in sandbox.ready["domains"].values()}
        self.steps.append(
            f"sandbox plays {len(hosts)} mail hosts and the DNS that leads there; dkimpy verifies"
            " each signature and sets the pace"
        )
        self._merpati = Merpati(
            *(self.folder / "data", "--https", "127.0.0.1:0", "--workers", "1"),
            environment=sandbox.environment,
        )
        self.merpati.start()
        address = self.merpati.addresses["https"]
        self.steps.append(f"merpati runs: https://{address}")

    def set_up(self) -> None:
        """Create account, IPs and domain."""
        customer = sign_up(self.merpati)
        self._api_key = customer.api_key
        self.receiver.dkim_record = customer.dkim_record
        self.steps.append(f"account with sending IPs {' and '.join(SENDING_IPS)}, domain {DOMAIN}")

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
        if self._merpati is not None:
            self._merpati.stop()
        self.receiver.sandbox.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
