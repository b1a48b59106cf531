"""`merpati run`: the whole service from one command, on one data folder."""

from __future__ import annotations

import asyncio
import logging
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from merpati import settings
from merpati.cli.output import Command, data_option
from merpati.control.claim import claimed
from merpati.runtime.addresses import Addresses, resolve
from merpati.runtime.claim_keeper import keep_claim
from merpati.runtime.nursery import nursery_where_possible
from merpati.runtime.process import set_up_log
from merpati.runtime.setup import setup
from merpati.runtime.supervisor import Supervisor, lock_folder, programs
from merpati.runtime.tls import ensure_certificate

log = logging.getLogger(__name__)


@click.command(
    cls=Command,
    examples=(
        "merpati run --data ./data",
        "merpati run --data ./data --http 127.0.0.1:8080 --https 127.0.0.1:8443",
        "merpati run --data /var/lib/merpati --http [::1]:8080 --submission 0.0.0.0:587 "
        "--submission-tls 0.0.0.0:465 --inbound 0.0.0.0:25 --workers 4",
    ),
)
@data_option
@click.option("--http", metavar="HOST:PORT", help="HTTP API and console [default: 127.0.0.1:8080].")
@click.option("--https", metavar="HOST:PORT", help="HTTP API and console over TLS [default: off].")
@click.option(
    "--submission", metavar="HOST:PORT", help="SMTP submission [default: 127.0.0.1:2587]."
)
@click.option(
    "--submission-tls", metavar="HOST:PORT", help="SMTP submission, TLS first [default: off]."
)
@click.option("--inbound", metavar="HOST:PORT", help="SMTP for bounces [default: 127.0.0.1:2525].")
@click.option("--workers", type=int, metavar="N", help="Delivery processes [default: CPU cores].")
def run(data: Path, workers: int | None, **listen: str | None) -> None:
    """Start all processes and watch over them.

    Everything lives in the data folder, made at first start. Once all parts take connections one
    line is printed: merpati ready http=… submission=… inbound=… (port 0 takes a free port). A
    process that dies is restarted. SIGTERM or Ctrl-C finishes what is in flight and stops.
    """
    overrides: dict[str, Any] = {f"listen.{name}": value for name, value in listen.items()}
    overrides["delivery.workers"] = workers
    current = settings.load(data, overrides=overrides)
    folder = setup(data)
    with (
        lock_folder(folder) as lock,
        nursery_where_possible() as nursery,  # holds the lock, and no claim
        claimed(settings.control_place(data)) as claim,
    ):
        addresses = resolve(current.listen)
        names = [current.mail.hostname, *(at.host for at in addresses.named().values())]
        ensure_certificate(folder.tls, current.tls, names, datetime.now(UTC))
        count = current.worker_count
        _hand_down(addresses, count)
        set_up_log("run", current.log)

        async def supervise() -> None:
            wanted = programs(folder, addresses, count)
            supervisor = Supervisor(
                folder, wanted, addresses=addresses, workers=count, lock=lock, nursery=nursery
            )
            keeper = asyncio.create_task(keep_claim(claim, supervisor.stop)) if claim else None
            await supervisor.run(lambda: _say_ready(addresses, data))
            if keeper is not None and not keeper.cancel():
                keeper.result()  # it stopped the run, and says why

        asyncio.run(supervise())


def _hand_down(addresses: Addresses, workers: int) -> None:
    """Tell the processes to come, through the environment, what the flags said."""
    for name, address in addresses.named().items():
        os.environ[f"MERPATI_LISTEN__{name.upper()}"] = str(address)
    os.environ["MERPATI_DELIVERY__WORKERS"] = str(workers)


def _say_ready(addresses: Addresses, data: Path) -> None:
    """Print the line that programs wait for; the log says for people where the console is."""
    console = settings.load(data).console_url  # with the real ports, handed down
    log.info("console url=%s", f"{console}/")
    click.echo(_ready_line(addresses))


def _ready_line(addresses: Addresses) -> str:
    listed = " ".join(f"{name}={address}" for name, address in addresses.named().items())
    return f"merpati ready {listed}"
