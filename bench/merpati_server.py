"""Merpati as the benchmark runs it: in a scratch folder, set up by its own commands."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import smtplib
from collections.abc import Mapping
from pathlib import Path

from bench import machine, message
from bench.load import ApiClient
from harness.customer import sign_up
from harness.service import Merpati, wait_until


class MerpatiServer:
    """One data folder and, between `start` and `stop`, the processes that serve it."""

    name = "Merpati"
    durability = "SQLite, synchronous=FULL, before 200"

    def __init__(
        self, data: Path, workers: int = 0, environment: Mapping[str, str] | None = None
    ) -> None:
        self.data = data
        options = ["--workers", str(workers)] if workers else []
        self._service = Merpati(data, *options, environment=environment)
        self._key = ""
        self.dkim_record = ""

    # -- running ---------------------------------------------------------------------------------

    def start(self) -> None:
        """Start all processes and wait for the ready line; raises RuntimeError."""
        self._service.start()

    def set_up(self, sink: str | None, probe_port: int | None = None) -> None:
        """Create account, key, two sending IPs, the signing domain and the routes.

        sink: HOST:PORT that takes all mail; None: it goes where DNS says.
        """
        customer = sign_up(self._service, "Bench", message.SENDING_DOMAIN)
        self._key = customer.api_key
        self.dkim_record = customer.dkim_record[1]
        if sink is not None:
            self._service.command("route", "add", "*", sink)
        if probe_port is not None:
            probe = f"127.0.0.1:{probe_port}"
            self._service.command("route", "add", message.PROBE_DOMAIN, probe)

    def set_up_relay(self, sink: str, tls: bool) -> None:
        """Create an account whose mail from this machine needs no password and gets no signature.

        tls: the sink is met with STARTTLS.
        """
        customer = sign_up(self._service, "Bench", message.SENDING_DOMAIN)
        self._service.command(
            *("key", "create", "--account", customer.account_id, "--label", "relay"),
            *("--grant", "smtp/inject", "--trust-network", "127.0.0.0/8"),
        )
        mode = "required" if tls else "none"
        self._service.command("route", "add", "*", sink, "--tls", mode, "--unsigned")
        wait_until(self._trusts_us, "trust to be followed", 5)

    def _trusts_us(self) -> bool:
        with smtplib.SMTP("127.0.0.1", self.submission_port, timeout=5) as client:
            client.ehlo()
            return client.mail(f"news@{message.SENDING_DOMAIN}")[0] == 250

    def stop(self) -> None:
        """Stop in order, by force where that fails."""
        members = machine.tree(self.pid)
        self._service.stop()
        machine.reap(members)

    def kill(self) -> None:
        """Kill all processes at once, as a power cut would (only the disk cache survives)."""
        members = machine.tree(self.pid)
        for pid in members:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._service.kill()
        machine.reap(members)

    # -- talking to it ---------------------------------------------------------------------------

    @property
    def address(self) -> str:
        """HOST:PORT of the API."""
        return self._service.addresses["http"]

    @property
    def submission_port(self) -> int:
        """The port that takes mail by SMTP."""
        return int(self._service.addresses["submission"].rpartition(":")[2])

    @property
    def key(self) -> str:
        """The customer's API key."""
        return self._key

    def client(self) -> ApiClient:
        """Return a new connection to the API."""
        return ApiClient(self.address, self._key)

    # -- figures ---------------------------------------------------------------------------------

    @property
    def pid(self) -> int:
        """The supervisor; everything else hangs below it."""
        return self._service.pid

    def roots(self) -> list[int]:
        """Return the pids whose trees are this system."""
        return [self.pid]

    def parts(self) -> dict[str, list[int]]:
        """Return the pids of each part: web, deliver, receive, clock, and run, the supervisor."""
        found: dict[str, list[int]] = {"run": [self.pid]}
        for name, pid in self._service.pids().items():
            part = re.split(r"[^a-z]", name)[0]
            found.setdefault(part, []).extend(machine.tree(pid))
        return found

    def peak_worker_bytes(self) -> int:
        """Return the most memory that the larger delivery worker ever had resident."""
        return max(map(machine.peak_resident_bytes, self.parts().get("deliver", [])), default=0)

    def part_cpu_seconds(self) -> dict[str, float]:
        """Return the CPU seconds so far of each part."""
        states = machine.processes()
        return {
            part: sum(states[pid].cpu_seconds for pid in pids if pid in states)
            for part, pids in self.parts().items()
        }

    def disk_bytes(self) -> int:
        """Return what the data folder occupies."""
        return machine.disk_bytes(self.data)
