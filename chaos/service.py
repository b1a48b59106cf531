"""The service under attack: one account on `merpati run`, and ways to kill parts of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from chaos.fate import Manners
from harness.customer import sign_up
from harness.service import Merpati, answers, free_port, is_alive, wait_until


class Target:
    """Starts service and sink, prepares one account, kills processes by name or fault point."""

    def __init__(self, folder: Path, manners: Manners) -> None:
        """manners: of the sink. What it defers is tried again after a second."""
        self.arrivals = folder / "arrivals.txt"
        self._faults = folder / "faults"
        self.http_port, sink_port = free_port(), free_port()
        self.merpati = Merpati(
            folder / "data",
            *("--workers", "2"),
            http=f"127.0.0.1:{self.http_port}",
            environment={
                "MERPATI_FAULTS_FILE": str(self._faults),
                "MERPATI_DELIVERY__RETRY_SECONDS": "1",
            },
        )
        self._sink = subprocess.Popen(
            [
                *(sys.executable, "-m", "chaos.sink", str(sink_port), str(self.arrivals)),
                *(str(manners.defer), str(manners.reject)),
            ]
        )
        wait_until(lambda: answers(sink_port), "the sink")
        self.merpati.start()
        self.api_key = sign_up(self.merpati).api_key
        self.merpati.command("route", "add", "*", f"127.0.0.1:{sink_port}")

    def kill(self, name: str) -> None:
        """Kill one child; the supervisor restarts it."""
        if pid := self.merpati.pids().get(name):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                return
            self._wait_for_new(name, pid)

    def kill_everything(self) -> None:
        """Kill the supervisor, which takes all children with it, and start anew."""
        self.merpati.kill()
        self.merpati.start()

    def kill_at(self, point: str, passage: int, limit: float) -> float | None:
        """Let a process kill itself at a fault point; return when, or None after `limit` s."""
        before = self.merpati.pids()
        self._arm(f"{point}=kill@{passage}")
        try:
            end = time.monotonic() + limit
            while time.monotonic() < end:
                for name, pid in before.items():
                    if not is_alive(pid):
                        died_at = time.time()
                        self._disarm()
                        self._wait_for_new(name, pid)
                        return died_at
                time.sleep(0.005)
        finally:
            self._disarm()
        return None

    def stop(self) -> int:
        """Stop in order; return the exit code of `merpati run`."""
        code = self.merpati.stop()
        self._sink.kill()
        self._sink.wait()
        return code

    def _arm(self, plan: str) -> None:
        temporary = self._faults.with_suffix(".new")
        temporary.write_text(plan)
        temporary.replace(self._faults)

    def _disarm(self) -> None:
        self._faults.unlink(missing_ok=True)

    def _wait_for_new(self, name: str, old: int) -> None:
        def replaced() -> bool:
            pid = self.merpati.pids().get(name, old)
            return pid != old and is_alive(pid)

        wait_until(replaced, f"a new {name}")
