"""The control database: where it is, and whether its server takes all our connections."""

from __future__ import annotations

import asyncio

from merpati.control.errors import DatabaseUnusable
from merpati.control.opening import connect
from merpati.control.place import PostgresPlace, place_of
from merpati.settings import Settings
from merpati.upkeep.doctor.finding import Finding, fail, ok, warn
from merpati.upkeep.doctor.scene import Scene

PLACE, CONNECTIONS = "database.place", "database.connections"
# Threads that may ask at the same time: `runtime/web.py`, `runtime/receive.py`, `runtime/clock.py`;
# and two commands beside them.
WEB, RECEIVE, CLOCK, COMMANDS = 32, 40, 8, 2


async def check(scene: Scene) -> list[Finding]:
    """Connect to the server, if there is one, and count."""
    return await asyncio.to_thread(_check, scene)


def _check(scene: Scene) -> list[Finding]:
    place = place_of(scene.folder.root, scene.settings.database.url)
    if not isinstance(place, PostgresPlace):
        return [ok(PLACE, "", f"the control data are in {place}")]
    try:
        with connect(place) as db:
            (most,) = db.execute(
                "SELECT current_setting('max_connections')::int"
                " - current_setting('superuser_reserved_connections')::int"
            ).fetchone() or (0,)
            version = db.info.server_version // 10_000
    except DatabaseUnusable as error:
        return [fail(PLACE, "", error.message, "mail that waits is put off until it answers")]
    found = ok(PLACE, "", f"the control data are in {place}, PostgreSQL {version}")
    needed = connections_of(scene.settings)
    text = f"the server takes {most} connections; all our threads at once use {needed}"
    if most >= needed:
        return [found, ok(CONNECTIONS, "", text)]
    remedy = f"raise max_connections to {needed + 10}, or calls fail when all are busy"
    return [found, warn(CONNECTIONS, "", text, remedy)]


def connections_of(settings: Settings) -> int:
    """Return how many connections all processes together may hold."""
    webs = 2 if settings.listen.https else 1
    return webs * WEB + RECEIVE + CLOCK + settings.worker_count + COMMANDS
