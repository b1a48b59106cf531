"""Merpati's programs, forked from a process that has imported what they need already.

The interpreter takes a second of CPU to import what a command needs, and two for the service. The
tests start a thousand of them, so they are forked, as the service's own nursery does it: each is
still a process of its own, with its environment, files, exit code and signals. Django's models are
there already; a program that sets Django up gets the settings of the data folder it was told.

All of them end with the process that asked for them: once that is gone the forking one ends, and
the kernel kills what it forked.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib
import json
import os
import pkgutil
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import types
from collections.abc import Mapping, Sequence
from typing import IO, Any, NoReturn

from merpati.adapters import faults
from merpati.runtime.process import die_with_parent

MOST_BYTES = 1 << 18  # of a request; most of it is the environment
MOST_FILES = 4096  # that the forking process has open
COMMAND_LINE = "from merpati.cli.main import main; main()"
# Beside all of Merpati and what that imports.
ALSO = (
    "django.contrib.messages.apps",
    "django.core.management",
    "django.db.backends.sqlite3.base",
    "django.views.generic",
    "granian.server",
)


class Process:
    """A forked process, with what the tests use of `subprocess.Popen`."""

    def __init__(self, status: socket.socket, stdout: IO[str] | None) -> None:
        self.stdout = stdout
        self.returncode: int | None = None  # below 0: the signal that killed it
        self._status = status
        self.pid = self._read()

    def poll(self) -> int | None:
        """Return the exit code; None while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code once it has ended; raises subprocess.TimeoutExpired."""
        if self.returncode is None:
            self._status.settimeout(timeout)
            try:
                self.returncode = self._read()
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0) from None
            self._status.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def _read(self) -> int:
        return int(self._status.recv(32) or -signal.SIGKILL)


def start(
    code: str,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    *,
    stdin: IO[str] | None = None,
    stdout: IO[str] | None = None,
    stderr: IO[Any] | None = None,
) -> Process:
    """Run Python code as a program. stdin, stderr: ours if None; stdout: then the process's own."""
    request = json.dumps([code, list(arguments), dict(environment)])
    with contextlib.ExitStack() as theirs:
        reads = None
        if stdout is None:
            number, writes = os.pipe()
            reads, stdout = os.fdopen(number), theirs.enter_context(os.fdopen(writes, "w"))
        ours, status = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        theirs.callback(status.close)
        streams = [
            stdin.fileno() if stdin else 0,
            stdout.fileno(),
            stderr.fileno() if stderr else 2,
        ]
        socket.send_fds(_forking()[0], [request.encode()], [*streams, status.fileno()])
    return Process(ours, reads)


def run(
    code: str,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    *,
    given: str = "",
    timeout: float | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run Python code as a program to its end. given: what it reads. Raises TimeoutExpired."""
    with contextlib.ExitStack() as files:
        stdin, out, err = (files.enter_context(tempfile.TemporaryFile("w+")) for _ in range(3))
        stdin.write(given)
        stdin.seek(0)
        process = start(code, arguments, environment, stdin=stdin, stdout=out, stderr=err)
        try:
            returncode = process.wait(timeout)
        finally:
            process.kill()
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(arguments, returncode, out.read(), err.read())


@functools.cache
def _forking() -> tuple[socket.socket, subprocess.Popen[bytes]]:
    """Return the way to the process that forks, and that; it begins when first asked for."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    number = theirs.fileno()
    command = [sys.executable, "-m", __name__, str(number)]
    without_settings = {k: v for k, v in os.environ.items() if k != "DJANGO_SETTINGS_MODULE"}
    process = subprocess.Popen(command, pass_fds=[number], env=without_settings)
    theirs.close()
    return ours, process


def _preload() -> None:
    """Import everything, with Django set up without a data folder: the models ask for that."""
    import django  # noqa: PLC0415 - only where something is forked

    for name in [name for name in os.environ if name.startswith("MERPATI_")]:
        del os.environ[name]  # each program is told its own
    os.environ["DJANGO_SETTINGS_MODULE"] = "merpati.django_settings"
    django.setup()
    import merpati  # noqa: PLC0415

    found = pkgutil.walk_packages(merpati.__path__, "merpati.")
    for name in (*ALSO, *(module.name for module in found)):
        if ".migrations." not in name:
            importlib.import_module(name)
    _leave_the_rest_of_setup()


def _leave_the_rest_of_setup() -> None:
    """Have no settings until a program sets Django up, and then those of its data folder."""
    from django.utils.functional import empty  # noqa: PLC0415

    django: Any = importlib.import_module("django")
    settings: Any = importlib.import_module("django.conf").settings
    connections: Any = importlib.import_module("django.db").connections
    setup, made = django.setup, settings._wrapped

    def set_up() -> None:
        module = importlib.reload(sys.modules["merpati.django_settings"])
        settings._wrapped = made
        for name, value in vars(module).items():
            if name.isupper():
                setattr(settings, name, value)
        vars(connections).pop("settings", None)
        connections._settings = None
        for connection in connections.all(initialized_only=True):
            del connections[connection.alias]
        django.setup = setup
        setup()

    django.setup, settings._wrapped = set_up, empty


def _fork_for(asking: socket.socket) -> NoReturn:
    """Fork what is asked for, and tell of its end, until nobody is left to ask."""
    _preload()
    gc.collect()
    gc.freeze()
    waiting = selectors.DefaultSelector()
    waiting.register(asking, selectors.EVENT_READ)
    while True:
        for key, _ in waiting.select():
            if key.data is None:
                data, descriptors, _, _ = socket.recv_fds(asking, MOST_BYTES, 4)
                if not data:
                    os._exit(0)
                *streams, number = descriptors
                ours = os.getpid()
                pid = os.fork()
                if pid == 0:
                    _become(ours, streams, data)
                for stream in streams:
                    os.close(stream)
                status = socket.socket(fileno=number)
                _tell(status, pid)
                waiting.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, status))
            else:
                pid, status = key.data
                waiting.unregister(key.fd)
                os.close(key.fd)
                _tell(status, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
                status.close()


def _tell(status: socket.socket, number: int) -> None:
    with contextlib.suppress(OSError):  # nobody wants to know
        status.send(str(number).encode())


def _become(parent_pid: int, streams: Sequence[int], request: bytes) -> NoReturn:
    """Be the program."""
    code, arguments, environment = json.loads(request)
    die_with_parent(parent_pid)
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.closerange(3, MOST_FILES)
    os.environ.clear()
    os.environ.update(environment)
    importlib.reload(faults)  # the one module that reads the environment when it is imported
    sys.argv = ["merpati", *arguments]
    program = sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        exec(code, program.__dict__)
    except SystemExit as ends:
        if isinstance(ends.code, int):
            _end(ends.code)
        raise
    _end(0)


def _end(code: int) -> NoReturn:
    """End as the interpreter does, but do not take all modules apart: that costs 0.1 s."""
    from django.conf import settings  # noqa: PLC0415
    from django.db import connections  # noqa: PLC0415

    if settings.configured:
        connections.close_all()  # SQLite's log goes into its file
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _fork_for(socket.socket(fileno=int(sys.argv[1])))
