"""Bulk by real DNS: what many domains, deferrals, refusals and dead hosts cost.

`bulk-dns`: the mail of the bulk row to 1,000 domains on five providers that defer 30 % of the
recipients once and refuse 2 %, against the same mail by one static route. A deferral is tried
again after a second here, since a run does not last twenty minutes.

`dead-mx`: five providers with two hosts each, against the same with nothing behind one of them.
"""

from __future__ import annotations

from dataclasses import dataclass

from bench.far_end import FarEnd
from bench.load import Injector
from bench.merpati_server import MerpatiServer
from bench.names import Names, addresses_of
from bench.options import Figures, Options, say
from bench.rows.bulk import timed
from harness.service import free_port

PROVIDERS, DOMAINS = 5, 1_000
ROUTED = "one route"


@dataclass(frozen=True, slots=True)
class _Scene:
    """One variant. alive: hosts of each provider that are there."""

    row: str
    variant: str
    hosts: int = 1
    alive: int = 1
    defer_permille: int = 0
    refuse_permille: int = 0
    is_routed: bool = False


SCENES = (
    _Scene("bulk-dns", ROUTED, is_routed=True),
    _Scene("bulk-dns", "1,000 domains", defer_permille=300, refuse_permille=20),
    _Scene("dead-mx", "two hosts", hosts=2, alive=2),
    _Scene("dead-mx", "one of two dead", hosts=2),
)


def measure(options: Options, row: str) -> list[Figures]:
    """Run all rounds of a row's scenes in turn."""
    lines = []
    for number in range(options.rounds):
        for scene in SCENES:
            if scene.row != row:
                continue
            line = {"row": row, "variant": scene.variant, "round": number}
            line |= _run(options, scene)
            say(f"{row} {scene.variant}: {line.get('messages_per_second')} messages/s")
            lines.append(line)
    return lines


def _run(options: Options, scene: _Scene) -> Figures:
    folder = options.folder(scene.row)
    addresses = [a for p in range(PROVIDERS) for a in addresses_of(p, scene.alive)]
    far_end = FarEnd(
        folder / "sink",
        addresses,
        free_port(),
        defer_permille=scene.defer_permille,
        refuse_permille=scene.refuse_permille,
    )
    with far_end, Names(PROVIDERS, DOMAINS, scene.hosts) as names:
        environment = {
            **options.environment,
            "MERPATI_DNS__SERVERS": names.address,
            "MERPATI_DELIVERY__PORT": str(far_end.port),
            "MERPATI_DELIVERY__RETRY_SECONDS": "1",
            "MERPATI_SAFETY__ALLOW_PRIVATE": "127.0.0.0/8",
        }
        server = MerpatiServer(folder / "data", options.workers, environment)
        server.start()
        try:
            server.set_up(far_end.address if scene.is_routed else None)
            injector = Injector(
                folder / "injector.log",
                *("http", server.address, str(options.dns_messages)),
                *("--per-call", str(options.per_call), "--domains", str(DOMAINS)),
                key=server.key,
            )
            figures = timed(options, options.dns_messages, server.roots(), injector, far_end)
        finally:
            server.stop()
    return {
        **figures,
        "deferred": far_end.deferred,
        "refused": far_end.refused,
    }
