"""A running `merpati sandbox`, and what it says it received."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Callable, Mapping
from typing import Any

from harness import programs
from harness.service import START_LIMIT, uninterrupted


class Sandbox:
    """The sandbox as a process; `start()` returns when it is ready.

    tries: what it told so far, one document each; tell: hears each as it comes, in a thread.
    """

    def __init__(self, *options: str, tell: Callable[[dict[str, Any]], None] | None = None) -> None:
        self.tries: list[dict[str, Any]] = []
        self.ready: dict[str, Any] = {}
        self._tell = tell or self.tries.append
        self._command = ["sandbox", "--dns", "127.0.0.1:0", "--json", *options]
        self._process: programs.Started | None = None

    def start(self, smtp: str = "127.0.0.40:0") -> None:
        """Start it; smtp: where its first host listens. Raises RuntimeError when it does not."""
        with uninterrupted():
            self._process = programs.start(*self._command, "--smtp", smtp, environment=os.environ)
        lines = iter(self._process.stdout or ())
        self.ready = json.loads(next(lines, "{}"))
        if not self.ready:
            self.stop()
            raise RuntimeError("the sandbox did not start")
        threading.Thread(target=self._listen, args=(lines,), daemon=True).start()

    @property
    def environment(self) -> Mapping[str, str]:
        """Return the settings with which Merpati sends everything here."""
        return {
            "MERPATI_DNS__SERVERS": self.ready["dns"],
            "MERPATI_DELIVERY__PORT": str(self.ready["smtp_port"]),
            "MERPATI_SAFETY__ALLOW_PRIVATE": "127.0.0.0/8",
        }

    def stop(self) -> int:
        """Stop it as Ctrl-C does; return its exit code, 0 when it does not run."""
        if self._process is None:
            return 0
        self._process.terminate()
        try:
            return self._process.wait(START_LIMIT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def _listen(self, lines: Any) -> None:
        for line in lines:
            self._tell(json.loads(line))
