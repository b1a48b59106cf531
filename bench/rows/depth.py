"""Depth: a million queued against ten thousand: what one message costs end to end, and holds.

The mail is loaded for a moment ahead, then all of it falls due at once and is delivered.
"""

from __future__ import annotations

import json
import time

from bench import machine, message
from bench.backlog import load_backlog
from bench.merpati_server import MerpatiServer
from bench.options import Figures, Options, say
from bench.sink import CountingSink

_TAIL_SECONDS = 2.0


def measure(options: Options) -> list[Figures]:
    """Measure the shallow queue, then the deep one; once each, since the deep one takes minutes."""
    lines = []
    for variant, messages in (("shallow", options.messages), ("deep", options.depth_messages)):
        line = {"row": "depth", "variant": variant, "round": 0}
        line |= _end_to_end(options, messages)
        say(f"depth {messages:,}: {line.get('us_per_message')} us a message")
        lines.append(line)
    return lines


def _end_to_end(options: Options, messages: int) -> Figures:
    folder = options.folder("depth")
    with CountingSink(folder / "sink") as sink:
        server = MerpatiServer(folder / "data", options.workers, options.environment)
        server.start()
        try:
            server.set_up(sink.address)
            empty = server.disk_bytes()
            before = machine.usage(server.pid).cpu_seconds
            backlog = load_backlog(server, messages, options.per_call)
            loaded_peak = server.peak_worker_bytes()
            time.sleep(max(0.0, backlog.due_at - time.monotonic() - 1))
            disk = server.disk_bytes() - empty
            loading = machine.usage(server.pid).cpu_seconds - before
            watch = machine.Stopwatch(server.pid, sink.pid)
            backlog.wait_until_due()
            done_at = sink.wait_for(messages, options.limit_seconds)
            if done_at is None:
                return {"error": f"only {sink.count()} of {messages} arrived"}
            time.sleep(_TAIL_SECONDS)
            spent = machine.usage(server.pid).cpu_seconds - before
            foreign = watch.foreign_share()
            peak = server.peak_worker_bytes()
        finally:
            server.stop()
    return {
        "messages": messages,
        "us_per_message": round(
            (backlog.accept_seconds + done_at - backlog.due_at) * 1e6 / messages
        ),
        "cpu_us_per_message": round(spent * 1e6 / messages),
        "cpu_us_per_message_loading": round(loading * 1e6 / messages),
        "loaded_per_second": round(messages / backlog.accept_seconds),
        "delivered_per_second": round(messages / (done_at - backlog.due_at), 1),
        "worker_peak_mb_loaded": round(loaded_peak / 1e6),
        "worker_peak_mb": round(peak / 1e6),
        "disk_bytes_per_recipient": round(disk / messages),
        "extra_bytes_per_recipient": round(disk / messages) - _own_bytes(),
        "foreign_share": round(foreign, 3),
    }


def _own_bytes() -> int:
    """Return the size of a recipient's own data: its entry as compact JSON, averaged."""
    sample = range(0, 1_000_000, 9_973)
    sizes = [len(json.dumps(message.recipient(n), separators=(",", ":"))) for n in sample]
    return round(sum(sizes) / len(sizes))
