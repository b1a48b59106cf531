"""Accept, one recipient a call: wrk on 64 connections; each 200 comes after the durable commit.

Variants: the worker idle (the mail is scheduled for later), the worker delivering newsletters at
full rate, and the same with a 10,000-recipient call every 0.6 s.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
import time
from pathlib import Path

from bench import machine, message
from bench.backlog import in_the_future
from bench.load import KEY_VARIABLE, newsletter_body
from bench.merpati_server import MerpatiServer
from bench.options import Figures, Options, say
from bench.sink import CountingSink

_SCRIPT = Path(__file__).parent.parent / "accept_one.lua"
_MARK = 10_987_654  # a recipient's number that occurs nowhere else in a body
_BULK_EVERY_SECONDS = 0.6


def measure(options: Options) -> list[Figures]:
    """Run all rounds."""
    if shutil.which("wrk") is None:
        say("accept-one skipped: wrk is missing; on Debian: apt-get install wrk")
        return []
    lines: list[Figures] = []
    for number in range(options.rounds):
        folder = options.folder("accept-one")
        with CountingSink(folder / "sink") as sink:
            server = MerpatiServer(folder / "data", options.workers, options.environment)
            server.start()
            try:
                server.set_up(sink.address)
                for variant in ("idle", "delivering", "delivering and bulk calls"):
                    line = {"row": "accept-one", "variant": variant, "round": number}
                    line |= _stretch(options, folder, server, sink, variant)
                    say(
                        f"accept-one {variant}: {line['requests_per_second']} requests/s, "
                        f"p99 {line['p99_ms']} ms"
                    )
                    lines.append(line)
            finally:
                server.stop()
    return lines


def _stretch(
    options: Options, folder: Path, server: MerpatiServer, sink: CountingSink, variant: str
) -> Figures:
    delivering = variant != "idle"
    bodies = folder / "bodies.jsonl"
    bodies.write_text(_bodies(None if delivering else in_the_future(3600)))
    if delivering:
        _start_delivery(options, server, sink)
    over = threading.Event()
    caller = threading.Thread(target=_call_in_bulk, args=(server, options.per_call, over))
    if variant.endswith("bulk calls"):
        caller.start()
    watch = machine.Stopwatch(server.pid, sink.pid)
    parts, arrived, started = server.part_cpu_seconds(), sink.count(), time.monotonic()
    try:
        wrk, wrk_cpu = _run_wrk(options, folder, server, bodies)
    finally:
        seconds = time.monotonic() - started
        over.set()
        if caller.ident is not None:
            caller.join()
    spent = server.part_cpu_seconds()
    requests = max(1, wrk["requests"])
    return {
        "requests": wrk["requests"],
        "requests_per_second": round(wrk["requests"] / wrk["seconds"], 1),
        "p50_ms": round(wrk["p50_ms"], 1),
        "p99_ms": round(wrk["p99_ms"], 1),
        "max_ms": round(wrk["max_ms"], 1),
        "refused": wrk["refused"],
        "broken": wrk["broken"],
        "delivered_per_second": round((sink.count() - arrived) / seconds, 1),
        "cpu_us_per_request_by_part": {
            part: round((spent[part] - parts.get(part, 0)) * 1e6 / requests) for part in spent
        },
        "foreign_share": round(watch.foreign_share(wrk_cpu), 3),
    }


def _bodies(start_time: str | None) -> str:
    """Return one body a line, one for each recipient domain, with @@ for the number."""
    first = _MARK - _MARK % message.RECIPIENT_DOMAINS
    lines = []
    for number in range(first, first + message.RECIPIENT_DOMAINS):
        body = json.dumps(message.receipt([number], start_time), separators=(",", ":"))
        lines.append(body.replace(str(number), "@@"))
    return "\n".join(lines) + "\n"


def _start_delivery(options: Options, server: MerpatiServer, sink: CountingSink) -> None:
    """Hand in enough newsletters to keep the worker busy, and wait until it is."""
    arrived = sink.count()
    client = server.client()
    for first in range(0, options.backlog, options.per_call):
        client.submit(newsletter_body(first, options.per_call), options.per_call)
    client.close()
    if sink.wait_for(arrived + 200, 30) is None:
        raise RuntimeError("delivery does not start")


def _call_in_bulk(server: MerpatiServer, per_call: int, over: threading.Event) -> None:
    body = newsletter_body(0, per_call)
    client = server.client()
    while not over.wait(_BULK_EVERY_SECONDS):
        client.submit(body, per_call)
    client.close()


def _run_wrk(
    options: Options, folder: Path, server: MerpatiServer, bodies: Path
) -> tuple[dict[str, float], float]:
    """Return wrk's report and its CPU seconds."""
    report = folder / "wrk.json"
    command = ["wrk", "-t1", f"-c{options.connections}", f"-d{options.accept_seconds}s"]
    with (folder / "wrk.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "-s", str(_SCRIPT), f"http://{server.address}"],
            stdout=log,
            stderr=log,
            env={
                **os.environ,
                KEY_VARIABLE: server.key,
                "BENCH_BODIES": str(bodies),
                "BENCH_REPORT": str(report),
            },
        )
        _, status, spent = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise ChildProcessError(f"wrk failed: {(folder / 'wrk.log').read_text()}")
    return json.loads(report.read_text()), spent.ru_utime + spent.ru_stime
