"""Bulk: signed newsletters from the first byte handed in to the last 250 at the sink.

Rounds alternate between the systems (A B A B). CPU counts the system with its injector, and two
seconds after the last message, in which queue files, settled rows and events are tidied up.
"""

from __future__ import annotations

import time

from bench import machine, peers
from bench.far_end import FarEnd
from bench.load import Injector
from bench.merpati_server import MerpatiServer
from bench.options import Figures, Options, say
from bench.probe import probe_merpati, probe_peer
from bench.sink import CountingSink, ReadableSink

_TAIL_SECONDS = 2.0
_SAMPLE_SECONDS = 0.5


def measure(options: Options) -> list[Figures]:
    """Run all rounds."""
    with_peer = options.with_peer
    if with_peer and (reason := peers.why_missing()):
        say(f"bulk without the peer: {reason}")
        with_peer = False
    lines = []
    for number in range(options.rounds):
        for run in (_merpati, _postfix) if with_peer else (_merpati,):
            line = {"row": "bulk", "round": number, **run(options)}
            say(f"bulk {line['variant']}: {line.get('messages_per_second')} messages/s")
            lines.append(line)
    return lines


def _merpati(options: Options) -> Figures:
    folder = options.folder("bulk-merpati")
    with CountingSink(folder / "sink") as sink, ReadableSink(folder / "probe") as reader:
        server = MerpatiServer(folder / "data", options.workers, options.environment)
        server.start()
        try:
            server.set_up(sink.address, reader.port)
            seen = probe_merpati(server, reader)
            injector = Injector(
                folder / "injector.log",
                *("http", server.address, str(options.messages)),
                *("--per-call", str(options.per_call)),
                key=server.key,
            )
            parts = server.part_cpu_seconds()
            figures = timed(options, options.messages, server.roots(), injector, sink)
            figures["cpu_per_1000_by_part"] = {
                part: round((spent - parts.get(part, 0)) * 1000 / options.messages, 3)
                for part, spent in server.part_cpu_seconds().items()
            }
            figures["worker_peak_mb"] = round(server.peak_worker_bytes() / 1e6)
        finally:
            server.stop()
    return {
        "variant": server.name,
        **figures,
        "size_bytes": seen.size_bytes,
        "durability": server.durability,
    }


def _postfix(options: Options) -> Figures:
    folder = options.folder("bulk-peer")
    with CountingSink(folder / "sink") as sink, ReadableSink(folder / "probe") as reader:
        peer = peers.PostfixOpenDkim(folder, sink, reader)
        try:
            peer.start()
            seen = probe_peer(peer, reader)
            log = folder / "injector.log"
            injector = Injector(log, "smtp", str(peer.port), str(options.messages))
            figures = timed(options, options.messages, peer.roots(), injector, sink)
        finally:
            peer.close()
    return {
        "variant": peer.name,
        **figures,
        "size_bytes": seen.size_bytes,
        "durability": peer.durability,
    }


def timed(
    options: Options,
    messages: int,
    roots: list[int],
    injector: Injector,
    sink: CountingSink | FarEnd,
) -> Figures:
    """Let the injector go, wait until the sink has had everything, and count."""
    before = machine.usage(*roots).cpu_seconds
    prepared = machine.usage(injector.process.pid).cpu_seconds
    sink_before = machine.usage(sink.pid).cpu_seconds
    watch = machine.Stopwatch(*roots, sink.pid)
    try:
        injector.go()
        done_at, peak = _watch_sink(sink, messages, roots, options.limit_seconds)
        handed_in = injector.report()
    finally:
        injector.kill()
    if done_at is None:
        return {"error": f"only {sink.count()} of {messages} arrived"}
    time.sleep(max(0.0, done_at + _TAIL_SECONDS - time.monotonic()))
    foreign = watch.foreign_share(handed_in.cpu_seconds - prepared)
    spent = machine.usage(*roots).cpu_seconds - before
    wall = done_at - handed_in.first_byte_at

    def per_1000(seconds: float) -> float:
        return round(seconds * 1000 / messages, 3)

    return {
        "messages": messages,
        "messages_per_second": round(messages / wall, 1),
        "cpu_per_1000": per_1000(spent + handed_in.cpu_seconds),
        "cpu_per_1000_system": per_1000(spent),
        "cpu_per_1000_injector": per_1000(handed_in.cpu_seconds),
        "cpu_per_1000_sink": per_1000(machine.usage(sink.pid).cpu_seconds - sink_before),
        "handing_in_seconds": round(handed_in.last_answer_at - handed_in.first_byte_at, 3),
        "preparing_seconds": round(handed_in.prepare_seconds, 3),
        "peak_rss_mb": round(peak / 1e6),
        "foreign_share": round(foreign, 3),
        "arrived": sink.count(),
    }


def _watch_sink(
    sink: CountingSink | FarEnd, messages: int, roots: list[int], limit: float
) -> tuple[float | None, int]:
    """Return when the last message was answered, or None, and the peak of resident bytes."""
    ends, peak = time.monotonic() + limit, 0
    while True:
        done_at = sink.wait_for(messages, _SAMPLE_SECONDS)
        peak = max(peak, machine.usage(*roots).resident_bytes)
        if done_at is not None or time.monotonic() > ends:
            return done_at, peak
