"""The command line as a person uses it, in processes of its own."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from merpati.cli.main import run_command_line


class Shell:
    """Gives commands on one data folder."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("MERPATI_")}

    def __call__(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "merpati.cli.main", *words, "--data", str(self.data)],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
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
    """Gives all its commands to one process beside the test: each import is paid for once."""

    def __init__(self, data: Path) -> None:
        super().__init__(data)
        self._process = subprocess.Popen(
            [sys.executable, "-c", _SERVE],
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *words: str) -> subprocess.CompletedProcess[str]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        given = [[*words, "--data", str(self.data)], self.environment]
        self._process.stdin.write(json.dumps(given) + "\n")
        self._process.stdin.flush()
        code, out, err = json.loads(self._process.stdout.readline())
        return subprocess.CompletedProcess(words, code, out, err)

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


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
