"""Relay: 10 KB messages by SMTP in and out, unsigned, a new connection for each; plain and TLS.

In the plain variants smtp-source hands in and smtp-sink takes; neither speaks TLS, so where both
ways are STARTTLS `bench.tls_source` and `bench.far_end` play them, for both systems alike. Rounds
alternate between the systems. CPU is that of the system alone, the last two seconds' tidying
included.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

from bench import machine, message, peers
from bench.far_end import FarEnd
from bench.merpati_server import MerpatiServer
from bench.options import Figures, Options, say
from bench.sink import CountingSink
from harness.service import free_port

BYTES = 10_240
SESSIONS = 50
SENDER, RECIPIENT = f"news@{message.SENDING_DOMAIN}", "user@relay.example.net"
_TAIL_SECONDS = 2.0
_ROOT = Path(__file__).resolve().parent.parent.parent


def measure(options: Options, row: str) -> list[Figures]:
    """Run all rounds, over TLS where the row says so."""
    with_peer = options.with_peer
    if with_peer and (reason := peers.why_missing()):
        say(f"{row} without the peer: {reason}")
        with_peer = False
    lines = []
    for number in range(options.rounds):
        for run in (_merpati, _postfix) if with_peer else (_merpati,):
            folder = options.folder(row)
            certificate = _certificate(folder) if row == "relay-tls" else None
            with _sink(folder, certificate) as sink:
                figures = run(options, folder, sink, certificate)
            lines.append({"row": row, "round": number, **figures})
            say(f"{row} {figures['variant']}: {figures.get('messages_per_second')} messages/s")
    return lines


def _merpati(
    options: Options, folder: Path, sink: CountingSink | FarEnd, certificate: Path | None
) -> Figures:
    server = MerpatiServer(folder / "data", options.workers, options.environment)
    server.start()
    try:
        server.set_up_relay(sink.address, tls=certificate is not None)
        figures = _timed(options, server.roots(), server.submission_port, sink, certificate)
        figures["worker_peak_mb"] = round(server.peak_worker_bytes() / 1e6)
    finally:
        server.stop()
    return {"variant": server.name, **figures, "durability": server.durability}


def _postfix(
    options: Options, folder: Path, sink: CountingSink | FarEnd, certificate: Path | None
) -> Figures:
    peer = peers.Postfix(folder, sink.port, certificate)
    try:
        peer.start()
        figures = _timed(options, peer.roots(), peer.port, sink, certificate)
    finally:
        peer.close()
    return {"variant": peer.name, **figures, "durability": peer.durability}


def _timed(
    options: Options,
    roots: list[int],
    port: int,
    sink: CountingSink | FarEnd,
    certificate: Path | None,
) -> Figures:
    messages = options.relay_messages
    before = machine.usage(*roots).cpu_seconds
    watch = machine.Stopwatch(*roots, sink.pid)
    started = time.monotonic()
    source = subprocess.Popen(_source(port, messages, certificate), cwd=_ROOT)
    try:
        done_at = sink.wait_for(messages, options.limit_seconds)
    finally:
        source.kill() if done_at is None else source.wait()
    if done_at is None:
        return {"error": f"only {sink.count()} of {messages} arrived"}
    time.sleep(max(0.0, done_at + _TAIL_SECONDS - time.monotonic()))
    spent = machine.usage(*roots).cpu_seconds - before
    return {
        "messages": messages,
        "messages_per_second": round(messages / (done_at - started), 1),
        "cpu_per_1000": round(spent * 1000 / messages, 3),
        "foreign_share": round(watch.foreign_share(), 3),
    }


def _source(port: int, messages: int, certificate: Path | None) -> list[str]:
    if certificate is not None:
        words = [sys.executable, "-m", "bench.tls_source", str(port), str(messages)]
        words += ["--sessions", str(SESSIONS), "--bytes", str(BYTES)]
        return [*words, "--from", SENDER, "--to", RECIPIENT]
    program = shutil.which("smtp-source") or "/usr/sbin/smtp-source"
    words = [program, "-s", str(SESSIONS), "-l", str(BYTES), "-m", str(messages)]
    return [*words, "-f", SENDER, "-t", RECIPIENT, f"127.0.0.1:{port}"]


def _sink(folder: Path, certificate: Path | None) -> CountingSink | FarEnd:
    if certificate is None:
        return CountingSink(folder / "sink")
    return FarEnd(folder / "sink", ["127.0.0.1"], free_port(), certificate=certificate)


def _certificate(folder: Path) -> Path:
    """Return a PEM file with a key and its self-signed certificate."""
    key, file = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt"),
            *("ec_paramgen_curve:prime256v1", "-nodes", "-days", "30"),
            *("-keyout", key, "-out", file, "-subj", "/CN=relay.example.net"),
        ],
        check=True,
        capture_output=True,
    )
    file.write_text(key.read_text() + file.read_text())
    return file
