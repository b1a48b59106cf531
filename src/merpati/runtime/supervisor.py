"""The supervisor: starts the processes of one data folder, restarts what dies, stops in order.

The order of a stop follows a message's way: first nothing more is accepted (web, receive), then
the workers finish what is in flight (deliver), then the recorder stores what they wrote (clock).
No child outlives the supervisor, not even its kill -9: the kernel kills them (process.py), and the
folder's lock, which every child holds with it, is free only when the last of them is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import logging
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from merpati.runtime.addresses import Addresses, accepts
from merpati.runtime.nursery import Nursery, Nursling
from merpati.runtime.paths import DataFolder
from merpati.runtime.process import die_with_parent
from merpati.settings import HostPort

log = logging.getLogger(__name__)

START_LIMIT_SECONDS = 30.0
POLL_SECONDS = 0.05
FIRST_BACK_OFF_SECONDS = 0.2
LONGEST_BACK_OFF_SECONDS = 5.0
STEADY_SECONDS = 30.0  # a process that lived so long starts its back-off anew
LOCK_WAIT_SECONDS = 3.0  # children of a killed supervisor need a moment to die
LAST_LINES = 15
LAST_WORDS_SECONDS = 1.0  # from a process's end to that of its output
MOST_LINE_BYTES = 65_536


class RunError(Exception):
    """Merpati cannot run; `message` says why and what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True, slots=True)
class Program:
    """One process to keep running, and where it takes connections once it is ready."""

    name: str
    module: str  # its `main()` is run
    arguments: Sequence[str]
    answers_at: Sequence[HostPort | Path]
    stage: int  # stops come stage by stage, the lowest first
    stop_seconds: float  # from SIGTERM to SIGKILL

    @property
    def command(self) -> list[str]:
        """Return what the interpreter is to be told to run it."""
        # -P: a dns.py in the folder where somebody types `merpati run` is none of ours.
        return ["-P", "-m", self.module, *self.arguments]


@dataclass(slots=True)
class Child:
    """A program, its present process and what it said last."""

    program: Program
    process: asyncio.subprocess.Process | Nursling | None = None
    last_lines: deque[str] = field(default_factory=lambda: deque(maxlen=LAST_LINES))
    restarts: int = 0


def programs(folder: DataFolder, addresses: Addresses, workers: int) -> list[Program]:
    """Return everything that `merpati run` starts for these addresses and so many workers."""
    data = ("--data", str(folder.root))
    web = [
        Program(
            "web" if name == "http" else "web-https",
            "merpati.runtime.web",
            [*data, f"--{name}", str(address)],
            [address],
            0,
            10.0,
        )
        for name, address in addresses.named().items()
        if name in {"http", "https"}
    ]
    smtp = [addresses.named()[name] for name in addresses.named() if not name.startswith("http")]
    deliver = [
        Program(
            f"deliver-{worker}",
            "merpati.runtime.deliver",
            [*data, "--worker", str(worker), "--workers", str(workers)],
            [folder.deliver_socket(worker)],
            1,
            25.0,  # it drains for 20 s at most
        )
        for worker in range(workers)
    ]
    return [
        *deliver,  # first: they take longest to start, with a full spool
        Program("clock", "merpati.runtime.clock", data, [folder.clock_socket], 2, 10.0),
        Program("receive", "merpati.runtime.receive", data, smtp, 0, 5.0),
        *web,
    ]


def lock_folder(folder: DataFolder) -> IO[str]:
    """Take the folder for this run; it is held until this process and all its children are gone.

    Raises RunError when another run has it.
    """
    file = folder.lock.open("a+")
    deadline = time.monotonic() + LOCK_WAIT_SECONDS
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() < deadline and not _is_alive(_holder(file)):
                time.sleep(POLL_SECONDS)
                continue
            holder = _holder(file)
            file.close()
            raise RunError(
                f"merpati already runs on {folder.root} (process {holder or 'unknown'}); "
                "stop it first, or give another --data"
            ) from None
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file


def _holder(file: IO[str]) -> int:
    file.seek(0)
    text = file.read().strip()
    return int(text) if text.isdigit() else 0


def _is_alive(pid: int) -> bool:
    return pid > 0 and Path(f"/proc/{pid}").exists()


class Supervisor:
    """Runs the programs of one data folder until it is told to stop.

    lock: the open lock file, handed to every child. nursery: forks the children while it lives;
    without one each is an interpreter of its own.
    """

    def __init__(
        self,
        folder: DataFolder,
        wanted: Sequence[Program],
        *,
        addresses: Addresses,
        workers: int,
        lock: IO[str],
        nursery: Nursery | None = None,
        start_limit_seconds: float = START_LIMIT_SECONDS,
    ) -> None:
        self._folder = folder
        self._children = [Child(program) for program in wanted]
        self._addresses = addresses
        self._workers = workers
        self._lock = lock
        self._nursery = nursery
        self._start_limit_seconds = start_limit_seconds
        self._stopping = asyncio.Event()
        self._hurry = asyncio.Event()
        self._is_ready = False

    async def run(self, ready: Callable[[], None]) -> None:
        """Start everything, call `ready` once all accept connections, and stay until stopped.

        Raises RunError when something does not start; all that did is stopped then.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        for socket in self._folder.run.glob("*.sock"):  # of a run that was killed
            socket.unlink(missing_ok=True)
        keepers = [asyncio.create_task(self._keep(child)) for child in self._children]
        try:
            if await self._all_answer(keepers):
                self._is_ready = True
                self._write_state()
                ready()
                await self._until_stopped(keepers)
        finally:
            self._stopping.set()
            await self._stop_children()
            await asyncio.gather(*keepers, return_exceptions=True)
            self._folder.state.unlink(missing_ok=True)

    def stop(self) -> None:
        """Begin an orderly stop; called again, kill what is left at once."""
        if self._stopping.is_set():
            self._hurry.set()
        self._stopping.set()

    async def _all_answer(self, keepers: Sequence[asyncio.Task[None]]) -> bool:
        """Wait until every program takes connections; return False when stopped before that."""
        missing = {at: child for child in self._children for at in child.program.answers_at}
        deadline = time.monotonic() + self._start_limit_seconds
        while missing and not self._stopping.is_set():
            _raise_failures(keepers)
            for address in [at for at in missing if await accepts(at)]:
                del missing[address]
            if missing and time.monotonic() > deadline:
                slow = next(iter(missing.values()))
                raise RunError(
                    f"{slow.program.name} takes no connections after "
                    f"{self._start_limit_seconds:.0f} s{_quoted(slow.last_lines)}"
                )
            await asyncio.sleep(POLL_SECONDS)
        _raise_failures(keepers)  # an answer may have come from a stranger on that port
        return not self._stopping.is_set()

    async def _until_stopped(self, keepers: Sequence[asyncio.Task[None]]) -> None:
        stopped = asyncio.create_task(self._stopping.wait())
        await asyncio.wait([stopped, *keepers], return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        _raise_failures(keepers)

    async def _keep(self, child: Child) -> None:
        """Run one program for as long as the supervisor runs."""
        back_off = FIRST_BACK_OFF_SECONDS
        while not self._stopping.is_set():
            started = time.monotonic()
            how = await self._run_once(child)
            if self._stopping.is_set():
                return
            name = child.program.name
            if not self._is_ready:
                raise RunError(f"{name} {how} while starting{_quoted(child.last_lines)}")
            if time.monotonic() - started > STEADY_SECONDS:
                back_off = FIRST_BACK_OFF_SECONDS
            log.error("process_ended name=%s how=%s next_try_seconds=%.1f", name, how, back_off)
            await self._pause(back_off)
            back_off = min(back_off * 2, LONGEST_BACK_OFF_SECONDS)
            child.restarts += 1

    async def _run_once(self, child: Child) -> str:
        """Run one process to its end; return how it ended."""
        try:
            process = await self._start(child.program)
        except OSError as error:  # no memory, no process number: that may pass
            return f"cannot be started: {error.strerror}"
        child.process = process
        forwarding = asyncio.create_task(_forward(process, child.last_lines))
        if self._is_ready:
            self._write_state()
        code = await process.wait()
        _signal(process.pid, signal.SIGKILL, group=True)  # what it started holds its port
        await asyncio.wait([forwarding], timeout=LAST_WORDS_SECONDS)
        return _how_it_ended(code)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            pass

    async def _start(self, program: Program) -> asyncio.subprocess.Process | Nursling:
        if self._nursery is not None and self._nursery.is_alive:
            return await self._nursery.start(program.name, program.module, program.arguments)
        our_pid = os.getpid()
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *program.command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,  # our stdout carries the ready line alone
            start_new_session=True,  # Ctrl-C is for us: we stop them in order
            # Forked from the main thread, as it must be; other threads only wait for children.
            preexec_fn=lambda: die_with_parent(our_pid),
            pass_fds=[self._lock.fileno()],
        )

    async def _stop_children(self) -> None:
        for stage in sorted({child.program.stage for child in self._children}):
            concerned = [child for child in self._children if child.program.stage == stage]
            await asyncio.gather(*(self._end(child) for child in concerned))

    async def _end(self, child: Child) -> None:
        """Stop one child: ask, wait, then kill it with all it started."""
        process = child.process
        if process is None:
            return
        if process.returncode is None:
            _signal(process.pid, signal.SIGTERM, group=False)
            if not await self._ended(process, child.program.stop_seconds):
                log.error(
                    "process_killed name=%s how=did_not_stop after_seconds=%.0f",
                    child.program.name,
                    child.program.stop_seconds,
                )
        _signal(process.pid, signal.SIGKILL, group=True)
        await process.wait()

    async def _ended(self, process: asyncio.subprocess.Process | Nursling, seconds: float) -> bool:
        ended = asyncio.create_task(process.wait())
        hurry = asyncio.create_task(self._hurry.wait())
        await asyncio.wait([ended, hurry], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        return process.returncode is not None

    def _write_state(self) -> None:
        """Tell commands what runs; replaced whole, so that nobody reads half of it."""
        state = {
            "pid": os.getpid(),
            "workers": self._workers,
            "addresses": {name: str(at) for name, at in self._addresses.named().items()},
            "pids": {
                child.program.name: child.process.pid
                for child in self._children
                if child.process is not None and child.process.returncode is None
            },
            "restarts": {child.program.name: child.restarts for child in self._children},
        }
        fresh = self._folder.state.with_suffix(".new")
        fresh.write_text(json.dumps(state, indent=2) + "\n")
        fresh.replace(self._folder.state)


def _raise_failures(keepers: Sequence[asyncio.Task[None]]) -> None:
    for keeper in keepers:
        if keeper.done():
            keeper.result()


def _how_it_ended(code: int) -> str:
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with code {code}"


def _quoted(lines: Sequence[str]) -> str:
    return "".join(f"\n  {line}" for line in lines)


def _signal(pid: int, number: signal.Signals, group: bool) -> None:
    try:
        if group:
            os.killpg(pid, number)  # it leads a session of its own, so a group too
        else:
            os.kill(pid, number)
    except ProcessLookupError:
        pass


async def _forward(process: asyncio.subprocess.Process | Nursling, last_lines: deque[str]) -> None:
    """Pass a child's lines on to our stderr, and remember the last ones."""
    assert process.stdout is not None  # noqa: S101 - asked for above
    rest = b""
    while data := await process.stdout.read(MOST_LINE_BYTES):
        *lines, rest = (rest + data).split(b"\n")
        if len(rest) > MOST_LINE_BYTES:
            lines, rest = [*lines, rest], b""
        texts = [line.decode(errors="replace") for line in lines]
        last_lines.extend(texts)
        # Where our log cannot be written (a full disk, a terminal that is gone) its lines are lost:
        # were we to stop reading, the child would soon wait for room in its pipe, and never end.
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write("".join(text + "\n" for text in texts))
            sys.stderr.flush()
