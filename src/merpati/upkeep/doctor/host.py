"""The host: how many files a process may open, and whether its clock can be trusted.

A wrong clock makes DKIM signatures and certificates invalid, and retries come at wrong times.
Source: adjtimex(2) (TIME_ERROR: the kernel's clock is not synchronised); RFC 4330 5 (SNTP).
"""

from __future__ import annotations

import asyncio
import ctypes
import resource
import socket
import struct
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from merpati.settings import HostPort
from merpati.upkeep.doctor.finding import Finding, fail, ok, warn
from merpati.upkeep.doctor.scene import Scene

FILES, CLOCK = "host.files", "host.clock"
FEW_FILES, AMPLE_FILES = 1_024, 4_096
DISK_LAG_SECONDS = 2.0  # file systems keep time in ticks
WRONG_SECONDS, VAGUE_SECONDS = 5.0, 1.0  # against a time server
FUTURE = timedelta(minutes=1)
NTP_SECONDS = 3.0

_TIME_ERROR = 5
_NTP_EPOCH = 2_208_988_800  # seconds from 1900 to 1970
_NTP_QUERY = b"\x23" + bytes(47)  # version 4, client
_SYNCHRONISE = "synchronise the clock: chrony, systemd-timesyncd or ntpd"


async def check(scene: Scene) -> list[Finding]:
    """Look at limits and clock."""
    asked = await asyncio.to_thread(_time_server, scene.ntp)
    return [_files(scene), *_clock(scene), asked]


def _files(scene: Scene) -> Finding:
    limits = {"this shell": resource.getrlimit(resource.RLIMIT_NOFILE)[0]}
    if scene.running:
        limits = {name: n for name, pid in scene.running.pids.items() if (n := _limit_of(pid))}
    name, least = min(limits.items(), key=lambda item: item[1])
    text = f"at most {least:,} open files; each connection takes one"
    remedy = "raise it: LimitNOFILE=65536 in the service's unit, or `ulimit -n 65536` before it"
    if least < FEW_FILES:
        return fail(FILES, name, text, remedy)
    return warn(FILES, name, text, remedy) if least < AMPLE_FILES else ok(FILES, name, text)


def _limit_of(pid: int) -> int:
    """Return a process's soft limit of open files; 0 when it is gone or another user's."""
    try:
        lines = Path(f"/proc/{pid}/limits").read_text().splitlines()
    except OSError:
        return 0
    for line in lines:
        if line.startswith("Max open files"):
            soft = line.split()[3]
            return sys.maxsize if soft == "unlimited" else int(soft)
    return 0


def _clock(scene: Scene) -> Iterator[Finding]:
    with tempfile.NamedTemporaryFile(dir=scene.folder.run) as file:
        lag = abs(Path(file.name).stat().st_mtime - time.time())
    if lag > DISK_LAG_SECONDS:
        yield warn(
            CLOCK,
            "disk",
            f"the disk's clock and the host's differ by {lag:.0f} s",
            "keep the data folder on a local disk; a network file system is not safe for SQLite",
        )
    latest = max(_last_written(scene), default=0.0)
    if latest > (scene.now + FUTURE).timestamp():
        ahead = latest - scene.now.timestamp()
        yield fail(
            CLOCK,
            "data",
            f"the data folder was written {ahead:,.0f} s in the future: the clock was set back",
            _SYNCHRONISE,
        )
    match _is_synchronised():
        case True:
            yield ok(CLOCK, "kernel", "the kernel says that the clock is synchronised")
        case False:
            text = "the kernel says that the clock is not synchronised"
            yield warn(CLOCK, "kernel", text, _SYNCHRONISE)
        case None:
            text = "this kernel cannot be asked whether the clock is synchronised"
            yield warn(CLOCK, "kernel", text, "name a time server: --ntp HOST")


def _last_written(scene: Scene) -> Iterator[float]:
    for path in (scene.folder.control, scene.folder.events, scene.folder.policy):
        if path.exists():
            yield path.stat().st_mtime


def _is_synchronised() -> bool | None:
    """Return what the kernel says, None when it cannot be asked."""
    try:
        state = int(ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(512)))
    except (OSError, AttributeError):
        return None
    return None if state < 0 else state != _TIME_ERROR


def _time_server(ntp: HostPort | None) -> Finding:
    if ntp is None:
        text = "no time server was asked"
        return ok(CLOCK, "time server", f"{text}; --ntp HOST compares with one")
    try:
        offset = _offset(ntp)
    except OSError as error:
        text = f"{ntp} could not be asked: {error.strerror or 'no answer'}"
        return warn(CLOCK, "time server", text, "name another one, or let UDP port 123 out")
    text = f"the clock differs from {ntp} by {offset:+.2f} s"
    if abs(offset) > WRONG_SECONDS:
        return fail(CLOCK, "time server", text, _SYNCHRONISE)
    if abs(offset) > VAGUE_SECONDS:
        return warn(CLOCK, "time server", text, _SYNCHRONISE)
    return ok(CLOCK, "time server", text)


def _offset(ntp: HostPort) -> float:
    """Return by how many seconds our clock is ahead of a time server. Raises OSError."""
    family, kind, _, _, where = socket.getaddrinfo(*ntp, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind) as query:
        query.settimeout(NTP_SECONDS)
        query.connect(where)
        sent = time.time()
        query.send(_NTP_QUERY)
        answer = query.recv(512)
        received = time.time()
    if len(answer) < 48:
        raise TimeoutError
    whole, fraction = struct.unpack("!II", answer[40:48])
    told = whole - _NTP_EPOCH + fraction / 2**32
    return (sent + received) / 2 - float(told)
