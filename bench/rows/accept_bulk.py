"""Accept, 10,000 recipients a call: calls in a row on one connection, JSON built beforehand."""

from __future__ import annotations

from pathlib import Path

from bench import machine
from bench.backlog import in_the_future
from bench.load import Injector, newsletter_body
from bench.merpati_server import MerpatiServer
from bench.options import Figures, Options, say
from bench.sink import CountingSink


def measure(options: Options) -> list[Figures]:
    """Run all rounds, with the worker idle (mail for later) and delivering."""
    lines: list[Figures] = []
    for number in range(options.rounds):
        folder = options.folder("accept-bulk")
        with CountingSink(folder / "sink") as sink:
            server = MerpatiServer(folder / "data", options.workers, options.environment)
            server.start()
            try:
                server.set_up(sink.address)
                for variant in ("idle", "delivering"):
                    line = {"row": "accept-bulk", "variant": variant, "round": number}
                    line |= _stretch(options, folder, server, sink, variant)
                    say(f"accept-bulk {variant}: {line['recipients_per_second']} recipients/s")
                    lines.append(line)
            finally:
                server.stop()
    return lines


def _stretch(
    options: Options, folder: Path, server: MerpatiServer, sink: CountingSink, variant: str
) -> Figures:
    recipients = options.per_call * options.accept_calls
    when = ["--start-time", in_the_future(3600)] if variant == "idle" else []
    injector = Injector(
        folder / "injector.log",
        *("http", server.address, str(recipients), "--per-call", str(options.per_call), *when),
        key=server.key,
    )
    if variant == "delivering":
        client = server.client()
        client.submit(newsletter_body(0, options.per_call), options.per_call)
        client.close()
        if sink.wait_for(200, 30) is None:
            raise RuntimeError("delivery does not start")
    arrived = sink.count()
    prepared = machine.usage(injector.process.pid).cpu_seconds
    watch = machine.Stopwatch(server.pid, sink.pid)
    injector.go()
    report = injector.report()
    seconds = report.last_answer_at - report.first_byte_at
    foreign = watch.foreign_share(report.cpu_seconds - prepared)
    return {
        "recipients": recipients,
        "recipients_per_second": round(recipients / seconds),
        "longest_call_ms": round(report.longest_call_seconds * 1000),
        "delivered_per_second": round((sink.count() - arrived) / seconds, 1),
        "worker_peak_mb": round(server.peak_worker_bytes() / 1e6),
        "foreign_share": round(foreign, 3),
    }
