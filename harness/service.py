"""One running `merpati run` with a data folder of its own, and the commands given to it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness import programs

START_LIMIT = 60.0  # seconds; generous, since tests share the machine


# Runs commands one after the other in one process, since each of its own costs a second of imports.
_SEVERAL = """
import contextlib, io, json, sys
from merpati.cli.main import run_command_line
documents = []
for words in json.load(sys.stdin):
    with contextlib.redirect_stdout(io.StringIO()) as said:
        code = run_command_line([*words, "--data", sys.argv[1], "--json"])
    if code:
        sys.stderr.write(f"after {len(documents)} commands that went well: {words}")
        sys.exit(code)
    documents.append(json.loads(said.getvalue()))
json.dump(documents, sys.stdout)
"""


class CommandFailed(Exception):
    """A `merpati` command ended with an exit code other than 0."""

    def __init__(self, words: tuple[str, ...], code: int, stdout: str, stderr: str) -> None:
        super().__init__(f"merpati {' '.join(words)} ended with {code}:\n{stderr}{stdout}")
        self.code, self.stdout, self.stderr = code, stdout, stderr


class Merpati:
    """The service under a data folder; `start()` returns when its ready line has come."""

    def __init__(
        self,
        data: Path,
        *options: str,
        http: str = "127.0.0.1:0",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.data = data
        self.log = data.with_name(data.name + ".log")
        self.addresses: dict[str, str] = {}
        self._command = ["run", "--data", str(data), "--http", http]
        self._command += ["--submission", "127.0.0.1:0", "--inbound", "127.0.0.1:0", *options]
        self._environment = {**os.environ, **(environment or {})}
        self._process: programs.Started | None = None

    def start(self) -> None:
        """Start and wait for the ready line; raises RuntimeError with the log's end."""
        with self.log.open("ab") as log, uninterrupted():
            self._process = programs.start(
                *self._command, environment=self._environment, stderr=log
            )
        line = next(iter(self._process.stdout or ()), "")
        if not line.startswith("merpati ready "):
            self.stop()
            raise RuntimeError(f"merpati did not start ({line!r}):\n{self.log.read_text()[-2000:]}")
        self.addresses = dict(word.split("=", 1) for word in line.split() if "=" in word)

    def command(self, *words: str) -> Any:
        """Run one command with --json and return its document; raises CommandFailed."""
        done = programs.run(
            *words, "--data", str(self.data), "--json", environment=self._environment
        )
        if done.returncode:
            raise CommandFailed(words, done.returncode, done.stdout, done.stderr)
        return json.loads(done.stdout)

    def commands(self, *each: Sequence[str]) -> list[Any]:
        """Run several commands in turn and return their documents; raises CommandFailed."""
        done = programs.run_code(
            _SEVERAL, str(self.data), given=json.dumps(each), environment=self._environment
        )
        if done.returncode:
            raise CommandFailed(("…",), done.returncode, done.stdout, done.stderr)
        documents: list[Any] = json.loads(done.stdout)
        return documents

    def pids(self) -> dict[str, int]:
        """Return the process ids of the children by name."""
        try:
            state = json.loads((self.data / "run" / "state.json").read_text())
        except (OSError, ValueError):
            return {}
        return {name: int(pid) for name, pid in state["pids"].items()}

    @property
    def pid(self) -> int:
        """Return the supervisor's process id."""
        if self._process is None:
            raise RuntimeError("not started")
        return self._process.pid

    def kill(self) -> None:
        """Kill the supervisor, which takes all its children along, and wait for their end."""
        children = self.pids().values()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        wait_until(lambda: not any(is_alive(pid) for pid in children), "the children to die")

    def stop(self) -> int:
        """Stop in order; return the exit code, 0 when not running."""
        process = self._process
        if process is None:
            return 0
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(START_LIMIT)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if process.stdout is not None:
            process.stdout.close()
        return process.wait()


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Put Ctrl-C and SIGTERM off while a process is started, so that none starts unnoticed.

    Between the fork and the assignment nobody could stop the child. Only the main thread is ever
    interrupted; in others this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}
    for number in numbers:
        signal.signal(number, lambda number, _: came.append(number))
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, before[number])
    if came:
        signal.raise_signal(came[0])


def wait_until(
    holds: Callable[[], Any], what: str | Callable[[], str], limit: float = START_LIMIT
) -> Any:
    """Poll until something holds and return it; raises TimeoutError naming it after `limit` s."""
    end = time.monotonic() + limit
    while not (found := holds()):
        if time.monotonic() > end:
            raise TimeoutError(f"waited {limit:.0f} s for {what() if callable(what) else what}")
        time.sleep(0.02)
    return found


def is_alive(pid: int) -> bool:
    """Return whether a process runs (a zombie does not)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def answers(port: int, host: str = "127.0.0.1") -> bool:
    """Return whether a port accepts connections."""
    with socket.socket() as probe:
        return not probe.connect_ex((host, port))


def free_port() -> int:
    """Return a port of 127.0.0.1 that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
