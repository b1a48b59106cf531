"""Profiles the process that imports it: samples of all threads, or every call of the main one.

Python imports this module at start when its folder is on PYTHONPATH; it does nothing unless
BENCH_PROFILE_FOLDER is set.

Samples: each charges a thread's CPU time since the last one to the stack it stands in. Every second
the sums are written to FOLDER/PID.json, so a killed process is profiled too. A sample is taken when
the interpreter lock changes hands: work that keeps the lock is charged to the next place at which
it is given away. So this is right between threads and coarse within the event loop.

Calls (BENCH_PROFILE_CALLS=1): cProfile in the main thread, which runs the event loop, in CPU time;
written to FOLDER/*.pstats at a clean end. It inflates small functions: read counts and order.
"""

import atexit
import cProfile
import json
import os
import sys
import threading
import time
from functools import partial
from pathlib import Path
from types import FrameType

_INTERVAL_SECONDS = 0.003
_WRITE_SECONDS = 1.0
_DEPTH = 40


class _Sampler(threading.Thread):
    def __init__(self, folder: Path) -> None:
        super().__init__(name="bench-sampler", daemon=True)
        self.folder = folder
        self.stacks: dict[tuple[str, ...], float] = {}
        self.threads: dict[str, float] = {}
        self.used: dict[int, float] = {}

    def run(self) -> None:
        write_at = time.monotonic() + _WRITE_SECONDS
        while True:
            time.sleep(_INTERVAL_SECONDS)
            self.sample()
            if time.monotonic() > write_at:
                self.write()
                write_at = time.monotonic() + _WRITE_SECONDS

    def sample(self) -> None:
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        for ident, frame in sys._current_frames().items():
            if ident == self.ident:
                continue
            try:
                used = time.clock_gettime(time.pthread_getcpuclockid(ident))
            except OSError:
                continue
            spent = used - self.used.get(ident, used)
            self.used[ident] = used
            if spent > 0:
                name = names.get(ident) or "foreign thread"
                self.threads[name] = self.threads.get(name, 0.0) + spent
                stack = (name, *_stack(frame))
                self.stacks[stack] = self.stacks.get(stack, 0.0) + spent

    def write(self) -> None:
        found = {
            "command": Path("/proc/self/cmdline").read_bytes().replace(b"\0", b" ").decode(),
            "threads": self.threads,
            "process_seconds": time.process_time(),
            "stacks": [[list(stack), spent] for stack, spent in self.stacks.items()],
        }
        partial = self.folder / f"{os.getpid()}.partial"
        partial.write_text(json.dumps(found))
        partial.replace(partial.with_suffix(".json"))


def _stack(frame: FrameType | None) -> list[str]:
    calls: list[str] = []
    while frame is not None and len(calls) < _DEPTH:
        code = frame.f_code
        place = "/".join(code.co_filename.rsplit("/", 2)[-2:])
        calls.append(f"{place}:{code.co_qualname}:{frame.f_lineno}")
        frame = frame.f_back
    return calls[::-1]


def _start_sampling(folder: Path) -> None:
    sampler = _Sampler(folder)
    sampler.start()
    atexit.register(sampler.write)


def _count_calls(folder: Path) -> None:
    profile = cProfile.Profile(time.thread_time)  # waiting costs nothing

    def write() -> None:
        name = Path("/proc/self/comm").read_text().strip()
        profile.dump_stats(folder / f"{name}-{os.getpid()}.pstats")

    atexit.register(write)
    profile.enable()


def _count_calls_of_fork(folder: Path) -> None:
    sys.setprofile(None)  # what was counted so far is the parent's
    atexit._clear()
    _count_calls(folder)
    end = os._exit

    def write_and_end(code: int) -> None:
        atexit._run_exitfuncs()
        end(code)

    os._exit = write_and_end


_folder = os.environ.get("BENCH_PROFILE_FOLDER")
if _folder and os.environ.get("BENCH_PROFILE_CALLS"):
    _count_calls(Path(_folder))
    os.register_at_fork(after_in_child=partial(_count_calls_of_fork, Path(_folder)))
elif _folder:
    _start_sampling(Path(_folder))
    os.register_at_fork(after_in_child=partial(_start_sampling, Path(_folder)))
