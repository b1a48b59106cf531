"""The command line as a person uses it, in processes of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any


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
            timeout=60,
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
