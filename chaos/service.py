"""The service under attack: `merpati run` on one data folder, and ways to kill parts of it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

MERPATI = str(Path(sys.executable).with_name("merpati"))
START_LIMIT = 60.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Service:
    """Starts the service, prepares one account, kills processes by name or at a fault point."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.arrivals = folder / "arrivals.txt"
        self.http_port = free_port()
        self._faults = folder / "faults"
        self._log = (folder / "run.log").open("ab")
        sink_port = free_port()
        self._sink = subprocess.Popen(
            [sys.executable, "-m", "chaos.sink", str(sink_port), str(self.arrivals)]
        )
        self._run: subprocess.Popen[str] | None = None
        self.start()
        account = self.merpati(
            *("account", "create", "Chaos", "--plan", "premium", "--service-time-zone", "uk")
        )
        self.api_key = str(account["api_key"])
        owner = str(account["account_id"])
        for number in (2, 3):
            self.merpati(
                *("ip", "add", f"127.0.0.{number}", "--account", owner),
                *("--hostname", f"mta-{number}.kirim.example"),
            )
        self.merpati("domain", "add", "kirim.example", "--account", owner, "--assume-verified")
        self.merpati("route", "add", "*", f"127.0.0.1:{sink_port}")

    def start(self) -> None:
        """Start `merpati run` and wait until it is ready."""
        environment = {**os.environ, "MERPATI_FAULTS_FILE": str(self._faults)}
        self._run = subprocess.Popen(
            [
                *(MERPATI, "run", "--data", str(self.data)),
                *("--http", f"127.0.0.1:{self.http_port}", "--submission", "127.0.0.1:0"),
                *("--inbound", "127.0.0.1:0", "--workers", "2"),
            ],
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env=environment,
            start_new_session=True,
        )
        line = next(iter(self._run.stdout or ()), "")
        if not line.startswith("merpati ready"):
            raise SystemExit(f"merpati did not start; see {self._log.name}")

    def merpati(self, *words: str) -> Any:
        """Run one command and return its JSON."""
        done = subprocess.run(
            [MERPATI, *words, "--data", str(self.data), "--json"],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"merpati {' '.join(words)} failed:\n{done.stderr}\n{done.stdout}")
        return json.loads(done.stdout)

    def pids(self) -> dict[str, int]:
        """Return the children's process ids by name, as the supervisor last wrote them."""
        try:
            state = json.loads((self.data / "run" / "state.json").read_text())
        except (OSError, ValueError):
            return {}
        return {name: int(pid) for name, pid in state["pids"].items()}

    def kill(self, name: str) -> None:
        """Kill one child; the supervisor restarts it."""
        before = self.pids()
        if pid := before.get(name):
            signal_process(pid)
            self.wait_for_new(name, pid)

    def kill_everything(self) -> None:
        """Kill the supervisor, which takes all children with it, and start anew."""
        children = self.pids().values()
        if self._run is not None:
            self._run.kill()
            self._run.wait()
        end = time.monotonic() + START_LIMIT
        while any(is_alive(pid) for pid in children) and time.monotonic() < end:
            time.sleep(0.02)
        self.start()

    def arm(self, plan: str) -> None:
        """Arm fault points in all processes."""
        temporary = self._faults.with_suffix(".new")
        temporary.write_text(plan)
        temporary.replace(self._faults)

    def disarm(self) -> None:
        """Disarm all fault points."""
        self._faults.unlink(missing_ok=True)

    def kill_at(self, point: str, passage: int, limit: float) -> float | None:
        """Let a process kill itself at a fault point; return when, or None after `limit` s."""
        before = self.pids()
        self.arm(f"{point}=kill@{passage}")
        try:
            end = time.monotonic() + limit
            while time.monotonic() < end:
                for name, pid in before.items():
                    if not is_alive(pid):
                        died_at = time.time()
                        self.disarm()
                        self.wait_for_new(name, pid)
                        return died_at
                time.sleep(0.005)
        finally:
            self.disarm()
        return None

    def wait_for_new(self, name: str, old: int) -> None:
        """Wait until the supervisor has replaced a dead child."""
        end = time.monotonic() + START_LIMIT
        while time.monotonic() < end:
            pid = self.pids().get(name, old)
            if pid != old and is_alive(pid):
                return
            time.sleep(0.02)
        raise SystemExit(f"{name} was not restarted within {START_LIMIT:.0f} s")

    def stop(self) -> int:
        """Stop in order; return the exit code of `merpati run`."""
        code = 0
        if self._run is not None and self._run.poll() is None:
            self._run.terminate()
            code = self._run.wait(60)
        self._sink.kill()
        self._sink.wait()
        self._log.close()
        return code


def is_alive(pid: int) -> bool:
    """Return whether a process runs (a zombie does not)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def signal_process(pid: int) -> None:
    """Send SIGKILL, whether or not it still runs."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
