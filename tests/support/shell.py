"""The command line as a person uses it, in processes of its own."""

from __future__ import annotations

import io
import json
import os
import subprocess
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from harness import preloaded, programs
from merpati.cli.main import run_command_line


class Shell:
    """Gives commands on one data folder."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("MERPATI_")}

    def __call__(self, *words: str) -> subprocess.CompletedProcess[str]:
        return programs.run(
            *(*words, "--data", str(self.data)),
            environment=self.environment,
            timeout=180,  # seconds, on a machine that many share
        )

    def json(self, *words: str, code: int = 0) -> Any:
        done = self(*words, "--json")
        assert done.returncode == code, done.stderr
        return json.loads(done.stdout)

    def refused(self, *words: str, code: int = 1) -> str:
        done = self(*words, "--json")
        assert done.returncode == code, done.stderr
        assert done.stdout == ""
        return done.stderr


_SERVE = """
import contextlib, io, json, os, sys
from merpati.cli.main import run_command_line
for line in sys.stdin:
    words, environment = json.loads(line)
    os.environ.clear()
    os.environ.update(environment)
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run_command_line(words)
    print(json.dumps([code, out.getvalue(), err.getvalue()]), flush=True)
"""


class SteadyShell(Shell):
    """Gives all its commands to one process beside the test, which sets Django up once."""

    def __init__(self, data: Path) -> None:
        super().__init__(data)
        reads, writes = os.pipe()
        self._given = os.fdopen(writes, "w")
        with os.fdopen(reads) as stdin:
            self._process = preloaded.start(_SERVE, (), self.environment, stdin=stdin)

    def __call__(self, *words: str) -> subprocess.CompletedProcess[str]:
        given = [[*words, "--data", str(self.data)], self.environment]
        self._given.write(json.dumps(given) + "\n")
        self._given.flush()
        assert self._process.stdout is not None
        code, out, err = json.loads(self._process.stdout.readline())
        return subprocess.CompletedProcess(words, code, out, err)

    def close(self) -> None:
        """End the process."""
        self._given.close()
        self._process.wait()


class QuickShell(Shell):
    """Gives commands in this very process, on the test's database: a hundred times as fast.

    For commands that act on control data alone. Use it under `django_db`, with `monkeypatch`, since
    a command names its data folder in the environment.
    """

    def __init__(self, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(data)
        monkeypatch.setenv("MERPATI_DATA", str(data))  # and so forgets what a command sets

    def __call__(self, *words: str) -> subprocess.CompletedProcess[str]:
        out, err = io.StringIO(), io.StringIO()
        umask = os.umask(0o077)
        try:
            with redirect_stdout(out), redirect_stderr(err):
                code = run_command_line([*words, "--data", str(self.data)])
        finally:
            os.umask(umask)
        return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())
