"""The nursery: a process that has imported all there is, and forks the service's processes.

Each process of the service imports a thousand modules, a second of CPU and tens of megabytes.
Forked from one that has them already it starts at once, also after a crash, and shares that memory.

The nursery is forked from the supervisor before that has a loop, a thread or a connection. It does
nothing but fork and wait, holds the folder's lock as all its children do, and ends with the
supervisor; its children end with it. Should it die, its children end too and the supervisor starts
them by the interpreter, as it does where there is no Linux.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import logging
import os
import selectors
import signal
import socket
import sys
import traceback
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn

import msgspec

from merpati.adapters import codec
from merpati.runtime.process import die_with_parent, name_process

MODULES = (
    "merpati.runtime.deliver",
    "merpati.runtime.clock",
    "merpati.runtime.receive",
    "merpati.runtime.web",
    "merpati.runtime.api_handler",
    "merpati.api.urls",
    "granian.server",
)
MOST_BYTES = 1 << 18  # of a message; most of it is the environment
KILLED = -signal.SIGKILL


class _Request(msgspec.Struct, frozen=True):
    """What to fork: a process by name, for a module's `main()` with arguments and environment."""

    name: str
    module: str
    arguments: list[str]
    environment: dict[str, str]


class _Message(msgspec.Struct, frozen=True):
    """What became of it. pid 0: nothing was forked, for `reason`; code: it ended so."""

    pid: int = 0
    reason: str = ""
    code: int | None = None


_read_request = codec.unpacker(_Request).decode
_read_message = codec.unpacker(_Message).decode


class Nursling:
    """A process forked from the nursery, as its supervisor sees it. stdout: with its stderr."""

    def __init__(self, stdout: asyncio.StreamReader) -> None:
        self.pid = 0
        self.stdout = stdout
        self.returncode: int | None = None  # below 0: the signal that killed it
        self._ended = asyncio.Event()

    async def wait(self) -> int:
        """Return its exit code, once it has ended."""
        await self._ended.wait()
        return self.returncode or 0

    def end(self, code: int) -> None:
        """Learn that it ended."""
        self.returncode = code
        self._ended.set()


class Nursery:
    """The supervisor's end of it.

    Make it in the main thread, with Django set up, before there is a loop or another thread.
    """

    def __init__(self, modules: Sequence[str]) -> None:
        from django.db import connections  # noqa: PLC0415 - only after MERPATI_DATA names a folder

        self.is_alive = True
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._children: dict[int, Nursling] = {}
        self._begun: deque[tuple[Nursling, asyncio.Future[None]]] = deque()
        connections.close_all()  # SQLite's locks do not survive a fork
        parent = os.getpid()
        self._pid = os.fork()
        if self._pid == 0:
            self._socket.close()
            _fork_for(theirs, parent, modules)
        theirs.close()
        self._socket.setblocking(False)

    async def start(self, name: str, module: str, arguments: Sequence[str]) -> Nursling:
        """Run a module's `main()` in a process of its own. Raises OSError when none can be made."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._socket, self._hear)
        request = _Request(name, module, [*arguments], {**os.environ})
        reads, writes = os.pipe()
        child, started = Nursling(asyncio.StreamReader()), loop.create_future()
        try:
            socket.send_fds(self._socket, [codec.pack(request)], [writes])
        except OSError:
            os.close(reads)
            raise
        finally:
            os.close(writes)
        self._begun.append((child, started))
        await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(child.stdout), os.fdopen(reads, "rb", 0)
        )
        await started
        return child

    def close(self) -> None:
        """Let the nursery end. Its children have ended, or do so now."""
        self._socket.close()
        os.waitpid(self._pid, 0)

    def _hear(self) -> None:
        """Read one message of the nursery, or that it is gone."""
        try:
            data = self._socket.recv(MOST_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._is_gone()
            return
        message = _read_message(data)
        if message.code is not None:
            self._children.pop(message.pid).end(message.code)
            return
        child, started = self._begun.popleft()
        if message.pid:
            child.pid = message.pid
            self._children[child.pid] = child
            started.set_result(None)
        else:
            started.set_exception(OSError(0, message.reason))

    def _is_gone(self) -> None:
        self.is_alive = False
        asyncio.get_running_loop().remove_reader(self._socket)
        for _, started in self._begun:
            started.set_exception(OSError(0, "the nursery died"))
        for child in self._children.values():
            child.end(KILLED)
        self._begun.clear()
        self._children.clear()


@contextmanager
def nursery_where_possible(modules: Sequence[str] = MODULES) -> Iterator[Nursery | None]:
    """Have a nursery on Linux; elsewhere forking is not safe, or nothing ends it with us.

    modules: those it imports before it forks.
    """
    nursery = Nursery(modules) if sys.platform == "linux" else None
    try:
        yield nursery
    finally:
        if nursery is not None:
            nursery.close()


def _fork_for(supervisor: socket.socket, parent_pid: int, modules: Sequence[str]) -> NoReturn:
    """Be the nursery: fork whatever the supervisor asks for, until it is gone."""
    die_with_parent(parent_pid)
    name_process("nursery")
    os.setsid()  # Ctrl-C at the terminal is for the supervisor
    for number in (signal.SIGINT, signal.SIGTERM):  # a service manager tells all processes
        signal.signal(number, signal.SIG_IGN)
    for module in modules:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()  # what is shared stays shared: no collection writes to it
    waiting = selectors.DefaultSelector()
    waiting.register(supervisor, selectors.EVENT_READ)
    while True:
        for key, _ in waiting.select():
            if key.data is None:
                _start_one(supervisor, waiting)
            else:
                pid: int = key.data
                waiting.unregister(key.fd)
                os.close(key.fd)
                code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                _say(supervisor, _Message(pid, code=code))


def _start_one(supervisor: socket.socket, waiting: selectors.BaseSelector) -> None:
    data, descriptors, _, _ = socket.recv_fds(supervisor, MOST_BYTES, 1)
    if not data:
        os._exit(0)
    request, (stdout,) = _read_request(data), descriptors
    nursery_pid = os.getpid()
    try:
        pid = os.fork()
    except OSError as error:
        os.close(stdout)
        _say(supervisor, _Message(reason=error.strerror or str(error)))
        return
    if pid == 0:
        supervisor.close()
        waiting.close()
        _grow_up(request, stdout, nursery_pid)
    os.close(stdout)
    waiting.register(os.pidfd_open(pid), selectors.EVENT_READ, pid)
    _say(supervisor, _Message(pid))


def _say(supervisor: socket.socket, message: _Message) -> None:
    try:
        supervisor.send(codec.pack(message))
    except OSError:
        os._exit(0)  # nobody is left to hear it


def _grow_up(request: _Request, stdout: int, parent_pid: int) -> NoReturn:
    """Be a process of the service."""
    die_with_parent(parent_pid)
    name_process(request.name)
    os.setsid()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(stdout, 1)
    os.dup2(stdout, 2)
    os.environ.clear()
    os.environ.update(request.environment)
    sys.argv = [request.module, *request.arguments]
    code = 0
    try:
        importlib.import_module(request.module).main()
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
        if isinstance(error.code, str):
            sys.stderr.write(f"{error.code}\n")
    except BaseException:
        traceback.print_exc()
        code = 1
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)
