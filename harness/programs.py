"""The `merpati` command as a program: started by the interpreter, or forked where many are."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from harness import preloaded

MERPATI = str(Path(sys.executable).with_name("merpati"))

Started = subprocess.Popen[str] | preloaded.Process

_is_forked = False


def fork_them() -> None:
    """Fork all that this process starts from now on: a command is four times as fast."""
    global _is_forked  # noqa: PLW0603 - of the whole process, and set once
    _is_forked = True


def start(*words: str, environment: Mapping[str, str], stderr: IO[bytes] | None = None) -> Started:
    """Start a command in a session of its own, so that Ctrl-C at a terminal reaches us alone."""
    if _is_forked:
        return preloaded.start(preloaded.COMMAND_LINE, words, environment, stderr=stderr)
    return subprocess.Popen(
        [MERPATI, *words],
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        env=environment,
        start_new_session=True,
    )


def run(
    *words: str, environment: Mapping[str, str], timeout: float | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; raises subprocess.TimeoutExpired."""
    if _is_forked:
        return preloaded.run(preloaded.COMMAND_LINE, words, environment, timeout=timeout)
    return _run(MERPATI, *words, environment=environment, timeout=timeout)


def start_main(module: str, *words: str, environment: Mapping[str, str] = os.environ) -> Started:
    """Start a module's `main()`, as the service starts its processes."""
    if _is_forked:
        return preloaded.start(f"from {module} import main; main()", words, environment)
    command = [sys.executable, "-m", module, *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def run_code(
    code: str, *words: str, given: str, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run Python code that has its own way with Merpati. given: what it reads."""
    if _is_forked:
        return preloaded.run(code, words, environment, given=given)
    return _run(sys.executable, "-c", code, *words, environment=environment, given=given)


def _run(
    *command: str, environment: Mapping[str, str], given: str = "", timeout: float | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        input=given,
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        timeout=timeout,
    )
