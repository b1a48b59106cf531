"""Recovery: kill -9 of every process with a million queued, then the time to the first delivery.

The clock runs from the start of `merpati run` to the first 250 at the sink. The disk cache is warm,
as after a crash of the program; a power cut would add reading from disk.
"""

from __future__ import annotations

import threading
import time

from bench.backlog import load_backlog
from bench.merpati_server import MerpatiServer
from bench.options import Figures, Options, say
from bench.sink import CountingSink


def measure(options: Options) -> list[Figures]:
    """Load, kill, start again; once."""
    folder = options.folder("recovery")
    with CountingSink(folder / "sink") as sink:
        server = MerpatiServer(folder / "data", options.workers, options.environment)
        server.start()
        try:
            server.set_up(sink.address)
            backlog = load_backlog(server, options.depth_messages, options.per_call)
            loaded_peak = server.peak_worker_bytes()
            server.kill()
            backlog.wait_until_due()
            arrivals: list[float | None] = []
            watcher = threading.Thread(target=lambda: arrivals.append(sink.wait_for(1, 120)))
            watcher.start()
            started = time.monotonic()
            server.start()
            ready = time.monotonic() - started
            watcher.join()
            peak = server.peak_worker_bytes()
        finally:
            server.stop()
    first = arrivals[0]
    line: Figures = {
        "row": "recovery",
        "variant": "kill -9",
        "round": 0,
        "messages": options.depth_messages,
        "worker_peak_mb_loaded": round(loaded_peak / 1e6),
        "worker_peak_mb": round(peak / 1e6),
        "ready_seconds": round(ready, 2),
        "first_delivery_seconds": None if first is None else round(first - started, 2),
    }
    say(f"recovery: first delivery after {line['first_delivery_seconds']} s")
    return [line]
