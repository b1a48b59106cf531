"""The addresses one Merpati listens on: resolved before anything starts, checked for being free."""

from __future__ import annotations

import asyncio
import errno
import os
import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from merpati.settings import HostPort, ListenSettings, parse_host_port

# Below Linux's ephemeral range (32768 on): no outgoing connection takes the port between our
# choosing it and the process binding it.
FREE_PORTS = range(20_000, 32_000)
ATTEMPTS = 200


class AddressError(Exception):
    """An address cannot be listened on; `message` says which one, why and what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the processes listen, with real ports; None: that service is off."""

    http: HostPort
    submission: HostPort
    inbound: HostPort
    https: HostPort | None = None
    submission_tls: HostPort | None = None

    def named(self) -> dict[str, HostPort]:
        """Return those that are on, in the order of the ready line."""
        every = {
            "http": self.http,
            "submission": self.submission,
            "inbound": self.inbound,
            "https": self.https,
            "submission_tls": self.submission_tls,
        }
        return {name: address for name, address in every.items() if address is not None}


def resolve(listen: ListenSettings) -> Addresses:
    """Return the addresses with real ports, each one free now. Raises AddressError."""
    taken: dict[HostPort, str] = {}

    def real(name: str, text: str) -> HostPort:
        address = _with_port(name, parse_host_port(text), taken)
        if address in taken:
            raise AddressError(f"{_flag(name)} and {_flag(taken[address])} are both {address}")
        taken[address] = name
        return address

    return Addresses(
        http=real("http", listen.http),
        submission=real("submission", listen.submission),
        inbound=real("inbound", listen.inbound),
        https=real("https", listen.https) if listen.https else None,
        submission_tls=(
            real("submission_tls", listen.submission_tls) if listen.submission_tls else None
        ),
    )


def _with_port(name: str, wanted: HostPort, taken: dict[HostPort, str]) -> HostPort:
    if wanted.port:
        if wanted not in taken:
            _try_to_listen(name, wanted)
        return wanted
    for port in random.sample(FREE_PORTS, ATTEMPTS):
        address = HostPort(wanted.host, port)
        try:
            if address not in taken:
                _try_to_listen(name, address)
                return address
        except AddressInUse:
            continue
    raise AddressError(f"no free port found on {wanted.host} for {_flag(name)}")


class AddressInUse(AddressError):
    """Something listens there already."""


def _try_to_listen(name: str, address: HostPort) -> None:
    try:
        family, kind, _, _, where = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(where)
            probe.listen(1)  # on Linux only listening finds out about another listener
    except OSError as error:
        reason = f"cannot listen on {address} ({_flag(name)}): {error.strerror}"
        if error.errno == errno.EADDRINUSE:
            raise AddressInUse(f"{reason}; stop what listens there, or choose another") from error
        if error.errno == errno.EACCES:
            reason += "; ports below 1024 need the right CAP_NET_BIND_SERVICE"
        raise AddressError(reason) from error


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


async def accepts(address: HostPort | Path) -> bool:
    """Return whether something takes connections there: a TCP address or a Unix socket."""
    try:
        async with asyncio.timeout(2):
            if isinstance(address, Path):
                with _short(address) as path:
                    _, writer = await asyncio.open_unix_connection(path)
            else:
                _, writer = await asyncio.open_connection(*address)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


@contextmanager
def _short(path: Path) -> Iterator[str]:
    """Give a socket's path in a form that fits a Unix address (108 bytes), however deep it is."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
