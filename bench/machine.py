"""What the machine says of itself: CPU time and memory of process trees, load of others, its parts.

CPU is user and system seconds as the kernel counts them (ticks of 10 ms); memory is bytes.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True, slots=True)
class ProcessState:
    """One process as /proc shows it; cpu_seconds includes children that it has waited for."""

    parent: int
    cpu_seconds: float
    resident_bytes: int


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds spent so far and bytes resident now, of one or several process trees."""

    cpu_seconds: float
    resident_bytes: int


def adopt_orphans() -> None:
    """Make this process the parent of daemons whose parents end, so that they stay counted."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def processes() -> dict[int, ProcessState]:
    """Return all processes of the machine by pid."""
    found = {}
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        try:
            stat = Path(entry.path, "stat").read_text()
        except OSError:
            continue  # it ended meanwhile
        fields = stat[stat.rindex(")") + 2 :].split()  # the command's name may hold anything
        found[int(entry.name)] = ProcessState(
            parent=int(fields[1]),
            cpu_seconds=sum(map(int, fields[11:15])) / _TICKS,
            resident_bytes=int(fields[21]) * _PAGE,
        )
    return found


def tree(*roots: int) -> list[int]:
    """Return the pids of the roots and of everything below them."""
    return _descendants(processes(), roots)


def _descendants(states: dict[int, ProcessState], roots: tuple[int, ...]) -> list[int]:
    children: dict[int, list[int]] = {}
    for pid, state in states.items():
        children.setdefault(state.parent, []).append(pid)
    found: list[int] = []
    waiting = [pid for pid in roots if pid in states]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += children.get(pid, [])
    return found


def usage(*roots: int) -> Usage:
    """Return the sum over the trees below the roots."""
    states = processes()
    members = [states[pid] for pid in _descendants(states, roots)]
    return Usage(sum(m.cpu_seconds for m in members), sum(m.resident_bytes for m in members))


def peak_resident_bytes(pid: int) -> int:
    """Return the most memory that one process ever had resident; 0 when it is gone."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def reap(pids: Iterable[int]) -> None:
    """Wait for processes that are ending and may have become our children; 5 s at most."""
    left = set(pids)
    ends = time.monotonic() + 5
    while left and time.monotonic() < ends:
        for pid in list(left):
            try:
                if os.waitpid(pid, os.WNOHANG)[0]:
                    left.discard(pid)
            except ChildProcessError:  # not ours, or known to have ended
                left.discard(pid)
        time.sleep(0.01)


def busy_seconds() -> float:
    """Return the CPU seconds that the whole machine has worked since it started."""
    user, nice, system, _idle, _iowait, irq, softirq, *_ = map(
        int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    )
    return (user + nice + system + irq + softirq) / _TICKS


def own_cpu_seconds() -> float:
    """Return what this very process has spent, its children not counted."""
    spent = os.times()
    return spent.user + spent.system


def disk_bytes(folder: Path) -> int:
    """Return the bytes that a folder's files occupy on disk."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.lstat().st_blocks * 512
        except OSError:
            continue  # a journal file that was just removed
    return total


def describe(folder: Path) -> dict[str, str]:
    """Return CPU, cores, memory, kernel and the file system that holds `folder`."""
    info = Path("/proc/cpuinfo").read_text()
    model = next((x.split(":", 1)[1] for x in info.splitlines() if x.startswith("model name")), "?")
    memory = os.sysconf("SC_PHYS_PAGES") * _PAGE / 2**30
    system = next(
        (
            line.split("=", 1)[1].strip('"')
            for line in Path("/etc/os-release").read_text().splitlines()
            if line.startswith("PRETTY_NAME=")
        ),
        "?",
    )
    return {
        "cpu": f"{os.cpu_count()} × {model.strip()}",
        "memory": f"{memory:.0f} GiB",
        "system": f"{system}, Linux {os.uname().release}",
        "file_system": _file_system(folder),
        "load_before": f"{os.getloadavg()[0]:.2f}",
    }


def _file_system(folder: Path) -> str:
    if shutil.which("df") is None:
        return "?"
    answer = subprocess.run(
        ["df", "-T", folder], capture_output=True, text=True, check=False
    ).stdout.splitlines()
    device, kind = answer[-1].split()[:2] if len(answer) > 1 else ("?", "?")
    return f"{kind} on {device}"


class Stopwatch:
    """CPU of the machine, of the measured trees and of nobody we know, over one stretch of time."""

    def __init__(self, *roots: int) -> None:
        self.roots = roots
        self._machine = busy_seconds()
        self._own = own_cpu_seconds()
        self._known = usage(*roots).cpu_seconds
        self._started = time.monotonic()

    def foreign_share(self, also_known_seconds: float = 0.0) -> float:
        """Return the part (0 to 1) of the machine's CPU that other programs took since the start.

        also_known_seconds: CPU of measured processes that have ended meanwhile.
        """
        wall = time.monotonic() - self._started
        known = usage(*self.roots).cpu_seconds - self._known + also_known_seconds
        foreign = busy_seconds() - self._machine - known - (own_cpu_seconds() - self._own)
        return max(0.0, foreign / (wall * (os.cpu_count() or 1)))
