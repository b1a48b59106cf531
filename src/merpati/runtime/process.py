"""What the processes of one Merpati share: life with the supervisor, the log, clean stops."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import importlib.util
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from merpati.runtime.log_lines import JsonLines, TextLines
from merpati.settings import LogSettings

_PR_SET_PDEATHSIG, _PR_SET_NAME = 1, 15  # linux/prctl.h


def die_with_parent(parent_pid: int) -> None:
    """Have the kernel kill this process when its parent dies, even by kill -9.

    Linux only; elsewhere the supervisor's own stop is all there is. The kernel watches the
    *thread* that forked us: fork from the main thread.
    """
    if sys.platform != "linux":
        return
    failed = ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if failed or os.getppid() != parent_pid:  # nobody watches, or it died before we asked
        os._exit(1)


def name_process(name: str) -> None:
    """Tell `top` and `ps -e` what this process is; Linux only, at most 15 letters of it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_NAME, name.encode(), 0, 0, 0)


def set_up_log(process: str, settings: LogSettings) -> None:
    """Send log lines to stderr: UTC time, level, process, text."""
    lines = JsonLines if settings.format == "json" else TextLines
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(lines(process))
    logging.basicConfig(level=settings.level.upper(), handlers=[handler], force=True)


def spare_collections() -> None:
    """Keep the garbage collector from looking again and again at what start-up made for good.

    Nearly all that a request or a message makes is freed by reference counts; cycles are few, so
    that looking for them every 700 objects costs more than what it finds. Call it once, at the end
    of start-up.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def loop_runner() -> Callable[[Coroutine[Any, Any, None]], None]:
    """Return what runs the loop: uvloop's where it is installed."""
    if importlib.util.find_spec("uvloop") is None:
        return asyncio.run
    import uvloop  # noqa: PLC0415 - not on every system

    return uvloop.run


def stop_event() -> asyncio.Event:
    """Return an event that SIGTERM or SIGINT sets; call it inside the running loop."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop
