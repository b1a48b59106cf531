"""The receive process: SMTP submission (plain and TLS-first) and inbound.

`python -m merpati.runtime.receive --data DIR` listens where the settings say; `merpati run` starts
it with the addresses of its own flags.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import ssl
from contextlib import AsyncExitStack
from pathlib import Path

from merpati.runtime.paths import DataFolder
from merpati.runtime.process import set_up_log, stop_event
from merpati.runtime.tls import certificate_in_use
from merpati.settings import Settings, load, parse_host_port
from merpati.smtp.closed import serve_closed

log = logging.getLogger(__name__)


async def receive(folder: DataFolder, settings: Settings) -> None:
    """Serve until SIGTERM. Raises OSError when an address cannot be bound."""
    stop = stop_event()
    listen, hostname = settings.listen, settings.mail.hostname
    ports: list[tuple[str, str, ssl.SSLContext | None]] = [
        (listen.submission, "submission", None),
        (listen.inbound, "inbound", None),
    ]
    if listen.submission_tls:
        context = certificate_in_use(folder.tls, settings.tls).context()
        ports.append((listen.submission_tls, "submission", context))
    async with AsyncExitStack() as stack:
        for address, service, tls in ports:
            server = await serve_closed(parse_host_port(address), hostname, service, tls)
            await stack.enter_async_context(server)
            log.info("listens address=%s service=%s tls=%s", address, service, tls is not None)
        await stop.wait()
    log.info("stopped")


def main() -> None:
    """Run the process."""
    parser = argparse.ArgumentParser(prog="merpati.runtime.receive", description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    data = parser.parse_args().data
    set_up_log("receive")
    asyncio.run(receive(DataFolder(data), load(data)))


if __name__ == "__main__":
    main()
