"""The receive process: SMTP submission (plain with STARTTLS, and TLS first) and inbound.

`python -m merpati.runtime.receive --data DIR` listens where the settings say; `merpati run` starts
it with the addresses of its own flags.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import ssl
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from merpati.runtime.paths import DataFolder
from merpati.runtime.process import loop_runner, set_up_log, spare_collections, stop_event
from merpati.runtime.tls import certificate_in_use
from merpati.settings import Settings, load, parse_host_port

if TYPE_CHECKING:
    from merpati.smtp.server import Port
    from merpati.smtp.submission import Submission

log = logging.getLogger(__name__)

THREADS = 8  # they compute and ask the database; nobody waits for a commit in one
INBOUND_THREADS = 2  # of its own: no flood of reports keeps customers waiting
INBOUND_MESSAGES_A_MINUTE = 1_200  # of one client; a provider sends its reports from many
TRUST_POLL_SECONDS = 1.0


async def receive(folder: DataFolder, settings: Settings) -> None:
    """Serve until SIGTERM, Django being set up. Raises OSError when an address cannot be bound."""
    stop = stop_event()
    listen = settings.listen
    context = certificate_in_use(folder.tls, settings.tls).context()
    threads = ThreadPoolExecutor(THREADS, "submission")
    inbound_threads = ThreadPoolExecutor(INBOUND_THREADS, "inbound")
    customers, submission, inbound = _ports(folder, settings, threads, inbound_threads)
    await _look_for_trust(customers, submission)
    following = asyncio.create_task(_follow_trust(customers, submission))
    submission.starttls = inbound.starttls = context
    addresses: list[tuple[str, Port, ssl.SSLContext | None]] = [
        (listen.submission, submission, None),
        (listen.inbound, inbound, None),
    ]
    if listen.submission_tls:
        addresses.append((listen.submission_tls, submission, context))
    async with AsyncExitStack() as stack:
        for address, port, tls in addresses:
            server = await port.listen(parse_host_port(address), tls)
            stack.callback(server.close)
            log.info("listens address=%s service=%s tls=%s", address, port.name, tls is not None)
        spare_collections()
        await stop.wait()
    following.cancel()
    await asyncio.gather(submission.stop(), inbound.stop())
    for pool in (threads, inbound_threads):
        pool.shutdown(wait=False, cancel_futures=True)
    log.info("stopped")


async def _follow_trust(customers: Submission, port: Port) -> None:
    """Keep in memory whose clients need no password, since each connection asks."""
    while True:
        await asyncio.sleep(TRUST_POLL_SECONDS)
        await _look_for_trust(customers, port)


async def _look_for_trust(customers: Submission, port: Port) -> None:
    found = await asyncio.get_running_loop().run_in_executor(
        port.threads, customers.trusted_networks
    )
    if found is not None:
        port.trusted = found


def _ports(
    folder: DataFolder,
    settings: Settings,
    threads: ThreadPoolExecutor,
    inbound_threads: ThreadPoolExecutor,
) -> tuple[Submission, Port, Port]:
    """Return who takes customers' mail, and the submission and the inbound port."""
    from merpati.adapters.clock import SystemClock  # noqa: PLC0415 - after Django is set up
    from merpati.adapters.crypto import SecretBox  # noqa: PLC0415
    from merpati.desk.contact_links import LABEL  # noqa: PLC0415
    from merpati.desk.mail.drop import MailDrop  # noqa: PLC0415
    from merpati.sending.directory import Directory  # noqa: PLC0415
    from merpati.sending.transmission_id import TransmissionIds  # noqa: PLC0415
    from merpati.smtp import inbound, submission  # noqa: PLC0415
    from merpati.smtp.brakes import Brakes, Rate  # noqa: PLC0415
    from merpati.smtp.desk_door import DeskDoor  # noqa: PLC0415
    from merpati.smtp.server import Port, Services  # noqa: PLC0415
    from merpati.smtp.session import Door  # noqa: PLC0415
    from merpati.spool.client import LoopSpoolClient  # noqa: PLC0415

    clock = SystemClock()
    spool = LoopSpoolClient(folder.run, settings.worker_count)
    hostname = settings.mail.hostname
    customers = submission.Submission(
        directory=Directory(clock),
        spool=spool,
        transmission_ids=TransmissionIds(folder.run, clock),
        clock=clock,
        hostname=hostname,
    )
    box = SecretBox(folder.secret_key)
    reports = inbound.Inbound(
        journal=spool,
        clock=clock,
        hostname=hostname,
        bounce_domain=settings.mail.bounce_domain.lower(),
        reports=Rate(clock.elapsed, inbound.REPORTS_AN_HOUR, 3_600),
        key=box.derive("return-path"),
        desk=DeskDoor(
            MailDrop(folder.incoming),
            folder.root,
            clock,
            settings.desk.support_address,
            _own_domains(settings),
            box.derive(LABEL),
            settings.spool.reserve_mb << 20,
        ),
    )
    brakes = Brakes(clock.elapsed)
    return (
        customers,
        Port(
            "submission",
            Door(hostname, True, True, submission.recipient_refusal),
            threads,
            brakes,
            Services(customers, customers.authenticate),
        ),
        Port(
            "inbound",
            Door(hostname, False, True, reports.recipient_refusal, recipients=inbound.RECIPIENTS),
            inbound_threads,
            brakes,
            Services(reports),
            rate=Rate(clock.elapsed, INBOUND_MESSAGES_A_MINUTE, 60),
        ),
    )


def _own_domains(settings: Settings) -> frozenset[str]:
    """Return the names that mail servers know us by, and the desk's."""
    mail, support = settings.mail, settings.desk.support_address
    return frozenset(
        {mail.hostname.lower(), mail.bounce_domain.lower(), support.rpartition("@")[2]} - {""}
    )


def main() -> None:
    """Run the process."""
    parser = argparse.ArgumentParser(prog="merpati.runtime.receive", description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    data = parser.parse_args().data
    settings = load(data)
    set_up_log("receive", settings.log)
    os.environ["MERPATI_DATA"] = str(data.absolute())
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "merpati.django_settings")
    import django  # noqa: PLC0415 - only after MERPATI_DATA names the folder

    django.setup()
    loop_runner()(receive(DataFolder(data), settings))


if __name__ == "__main__":
    main()
