"""The web process: the HTTP API and the console, served by granian with 32 threads.

`python -m merpati.runtime.web --data DIR --http HOST:PORT` serves plain HTTP, `--https HOST:PORT`
TLS with the certificate of the data folder, or with `--cert` and `--key`. One process serves one
address; `merpati run` starts one for each.

The process that was started (granian's parent) restarts nothing: it binds, waits, and dies with its
serving child, which dies with it.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from merpati.runtime.hold import read_hold
from merpati.runtime.paths import DataFolder
from merpati.runtime.process import die_with_parent, set_up_log, spare_collections
from merpati.runtime.tls import Certificate, certificate_in_use
from merpati.settings import HostPort, Settings, load, parse_host_port

if TYPE_CHECKING:
    from merpati.api.services import Services

THREADS = 32  # measured: fewer lose to the worker's threads while it delivers
BACKLOG = 1024
DRAIN_SECONDS = 8  # requests under way at SIGTERM
IDLE_THREAD_SECONDS = 600
OUR_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


@dataclass(frozen=True, slots=True)
class WebOptions:
    """What one web process serves; handed to granian's child, so plain data."""

    data_dir: Path
    workers: int
    address: HostPort
    certificate: Certificate | None = None


def build_application(data_dir: Path, workers: int) -> Application:
    """Return the WSGI callable, with Django set up for the data folder in this process.

    The API's paths bypass the console's middleware: it would cost more than all the rest of a call.
    """
    os.environ["MERPATI_DATA"] = str(data_dir.absolute())
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "merpati.django_settings")
    import django  # noqa: PLC0415 - only after MERPATI_DATA names the folder

    django.setup()
    from django.core.handlers.wsgi import WSGIHandler  # noqa: PLC0415

    from merpati.api import services  # noqa: PLC0415
    from merpati.console import services as console_services  # noqa: PLC0415
    from merpati.runtime.api_handler import ApiHandler  # noqa: PLC0415

    of_the_api = _services(DataFolder(data_dir), load(data_dir), workers)
    services.use(of_the_api)
    console_services.use(
        console_services.Services(
            clock=of_the_api.clock,
            secret_box=of_the_api.secret_box,
            evidence=of_the_api.evidence,
            outlooks=of_the_api.outlooks,
            data_dir=data_dir,
            outside=of_the_api.outside,
        )
    )
    return _dispatch(ApiHandler(), WSGIHandler())


def _services(folder: DataFolder, settings: Settings, workers: int) -> Services:
    from merpati.adapters.clock import SystemClock  # noqa: PLC0415
    from merpati.adapters.crypto import SecretBox  # noqa: PLC0415
    from merpati.api.services import Services  # noqa: PLC0415
    from merpati.api.watch import Watch  # noqa: PLC0415
    from merpati.desk.evidence import Sources  # noqa: PLC0415
    from merpati.events.campaign_outlook import Outlooks  # noqa: PLC0415
    from merpati.events.transmissions import Transmissions  # noqa: PLC0415
    from merpati.events.worker_view import known_ways  # noqa: PLC0415
    from merpati.sending.directory import Directory  # noqa: PLC0415
    from merpati.sending.live_dns import txt_lookup  # noqa: PLC0415
    from merpati.sending.outside import Outside  # noqa: PLC0415
    from merpati.sending.policy import published_policy  # noqa: PLC0415
    from merpati.sending.transmission_id import TransmissionIds  # noqa: PLC0415
    from merpati.spool.client import SpoolClient  # noqa: PLC0415

    clock = SystemClock()
    return Services(
        clock=clock,
        directory=Directory(clock),
        spool=SpoolClient(folder.run, workers),
        transmission_ids=TransmissionIds(folder.run, clock),
        secret_box=SecretBox(folder.secret_key),
        txt_lookup=txt_lookup(settings.dns.servers),
        evidence=Sources(folder.events, folder.spool),
        transmissions=Transmissions(folder.events, folder.spool),
        outlooks=Outlooks(
            folder.spool,
            lambda: published_policy(folder.root),
            known_ways(folder.run, workers),
            lambda: hold.reason if (hold := read_hold(folder.hold)) else "",
        ),
        outside=Outside.of(settings),
        schedule_ahead=timedelta(days=settings.delivery.schedule_days),
        watch=Watch(folder.run, workers, folder.spool, settings.spool.reserve_mb << 20),
        metrics_token=settings.metrics.token,
    )


def _dispatch(api: Application, site: Application) -> Application:
    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path.startswith("/api/") or path in OUR_PATHS or path.endswith(".ics"):
            return api(environ, start_response)
        response = site(environ, start_response)
        try:
            # A list goes out in one write, an iterator through a channel, chunk by chunk.
            return [b"".join(response)]
        finally:
            response.close()  # type: ignore[attr-defined] # Django's, which ends the request

    return application


def serve(options: WebOptions) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is under way."""
    from granian.constants import HTTPModes, Interfaces, SSLProtocols  # noqa: PLC0415
    from granian.log import LogLevels  # noqa: PLC0415
    from granian.server import Server  # noqa: PLC0415

    certificate = options.certificate
    server = Server(
        "merpati.runtime.web",
        address=options.address.host,
        port=options.address.port,
        interface=Interfaces.WSGI,
        workers=1,
        blocking_threads=THREADS,
        blocking_threads_idle_timeout=IDLE_THREAD_SECONDS,
        backlog=BACKLOG,
        http=HTTPModes.http1,
        websockets=False,
        log_level=LogLevels.error,
        ssl_cert=certificate.chain if certificate else None,
        ssl_key=certificate.key if certificate else None,
        ssl_protocol_min=SSLProtocols.tls12,
        workers_kill_timeout=DRAIN_SECONDS,
        process_name=None,
    )
    server.serve(target_loader=partial(_in_child, options, os.getpid()), wrap_loader=False)


def _in_child(options: WebOptions, parent_pid: int) -> Application:
    """Set up granian's child, which does the serving, and return its application."""
    die_with_parent(parent_pid)
    set_up_log("web", load(options.data_dir).log)
    application = build_application(options.data_dir, options.workers)
    spare_collections()
    return application


def main() -> None:
    """Run the process."""
    parser = argparse.ArgumentParser(prog="merpati.runtime.web", description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--http", type=parse_host_port, help="HOST:PORT for plain HTTP")
    where.add_argument("--https", type=parse_host_port, help="HOST:PORT for TLS")
    parser.add_argument("--cert", type=Path, help="PEM certificate chain; makes --http TLS too")
    parser.add_argument("--key", type=Path, help="its private key, PEM (PKCS#8)")
    parser.add_argument("--workers", type=int, help="delivery workers; default: the settings'")
    given = parser.parse_args()
    if (given.cert is None) != (given.key is None):
        parser.error("--cert and --key belong together")
    settings = load(given.data)
    set_up_log("web", settings.log)
    certificate = Certificate(given.cert, given.key) if given.cert else None
    if given.https and certificate is None:
        certificate = certificate_in_use(DataFolder(given.data).tls, settings.tls)
    serve(
        WebOptions(
            data_dir=given.data,
            workers=given.workers or settings.worker_count,
            address=given.https or given.http,
            certificate=certificate,
        )
    )


if __name__ == "__main__":
    main()
