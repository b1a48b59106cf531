"""The clock process: the recorder, and what is due by time.

That is publishing the sending policy, suppressing whom new bounces name, warming sending IPs up,
moving mail from old providers, looking for the DNS records of DKIM keys that wait for them, and the
desk's mail: reading what came in, telling of what happened in cases, reminding, and sending all
that is Merpati's own.

`python -m merpati.runtime.clock --data DIR`. It runs at nice 10, behind accepting and delivering.
At SIGTERM it stores what the workers wrote last, for they are stopped before it.
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from merpati.adapters.codec import pack
from merpati.adapters.rpc import RpcServer
from merpati.events.recorder import STEP_EVENTS, Recorder, Trimmer
from merpati.runtime.paths import DataFolder
from merpati.runtime.process import set_up_log, stop_event
from merpati.runtime.setup import setup
from merpati.settings import Settings, load
from merpati.spool.client import SpoolClient
from merpati.spool.errors import SpoolUnavailable

log = logging.getLogger(__name__)

NICENESS = 10
BUSY_SECONDS = 0.2  # between steps that stored something: larger steps cost less an event
IDLE_SECONDS = 0.4
SICK_SECONDS = 2.0
TRIM_SECONDS = 5.0  # a worker that answers later is asked again
POLICY_SECONDS = 1.0
BOUNCE_RULE_SECONDS = 1.0
DKIM_KEYS_SECONDS = 300.0
WARM_UP_SECONDS = 10.0
OUTBOX_SECONDS = 1.0
DESK_SECONDS = 1.0
FORGET_SECONDS = 3_600.0
STOP_SECONDS = 5.0  # for storing what is left


class PatientTrimmer:
    """Has journals trimmed, but not while a backup needs them whole (`upkeep/backup.py`)."""

    def __init__(self, spool: Trimmer, lock: Path) -> None:
        self._spool = spool
        self._lock = lock

    def trim(self, shard: int, seq: int) -> None:
        """Remove a shard's journal records up to `seq`. Raises SpoolError; a backup counts."""
        with self._lock.open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                raise SpoolUnavailable("a backup keeps the journals") from None
            self._spool.trim(shard, seq)


class RecorderLoop:
    """Steps the recorder in a thread of its own until told to stop."""

    def __init__(self, folder: DataFolder, spool: Trimmer, kept_inbound: timedelta) -> None:
        self._folder = folder
        self._spool = spool
        self._kept_inbound = kept_inbound
        self._forget_at = 0.0  # on the monotonic clock
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self.recorded = 0  # events since the process started
        self.recorded_until: datetime | None = None  # all that happened before is stored
        self.trouble = ""

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Store what is left, then end; waits for that, at most STOP_SECONDS."""
        self._stop.set()
        self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        while True:
            try:
                with Recorder(self._folder.events, self._folder.spool, self._spool) as recorder:
                    self._step_until_stopped(recorder)
                return
            except Exception as error:
                # Nothing is lost: the journals keep what is not stored.
                self.trouble = f"{type(error).__name__}: {error}"
                sick = isinstance(error, sqlite3.Error | OSError)  # the disk, not a defect of ours
                log.exception("recorder_waits error=%s", self.trouble, exc_info=not sick)
            if self._stop.wait(SICK_SECONDS):
                return

    def _step_until_stopped(self, recorder: Recorder) -> None:
        while True:
            is_last = self._stop.is_set()  # seen before the step, so that it sees everything
            begun = datetime.now(UTC)
            count = recorder.step()
            if count < STEP_EVENTS:  # there was no more
                self.recorded_until = begun
            self.recorded += count
            self.trouble = ""
            self._forget_inbound(recorder)
            if is_last and not count:
                return
            self._stop.wait(BUSY_SECONDS if count else IDLE_SECONDS)

    def _forget_inbound(self, recorder: Recorder) -> None:
        """Forget mail that came in long ago, once an hour, in steps while there is more."""
        if time.monotonic() < self._forget_at:
            return
        before = datetime.now(UTC) - self._kept_inbound
        if not recorder.forget_inbound(int(before.timestamp() * 1000)):
            self._forget_at = time.monotonic() + FORGET_SECONDS


async def clock(folder: DataFolder, settings: Settings) -> None:
    """Run until SIGTERM. Raises OSError when the status socket cannot be made."""
    stop = stop_event()
    spool = SpoolClient(folder.run, settings.worker_count, TRIM_SECONDS)
    recorder = RecorderLoop(
        folder,
        PatientTrimmer(spool, folder.trim_lock),
        timedelta(days=settings.retention.inbound_days),
    )

    async def status(_: bytes) -> bytes:
        return pack({"recorded": recorder.recorded, "trouble": recorder.trouble})

    server = RpcServer(folder.clock_socket, {"status": status})
    await server.start()
    recorder.start()
    duties = [
        asyncio.create_task(
            _every(POLICY_SECONDS, lambda: _publish(folder, settings.mail.bounce_domain))
        ),
        asyncio.create_task(_every(BOUNCE_RULE_SECONDS, _bounce_rule(folder))),
        asyncio.create_task(_every(WARM_UP_SECONDS, _warm_up(folder, recorder))),
        asyncio.create_task(_every(WARM_UP_SECONDS, _migrations(folder, recorder))),
        asyncio.create_task(_every(DKIM_KEYS_SECONDS, lambda: _follow_keys(settings.dns.servers))),
        asyncio.create_task(_every(OUTBOX_SECONDS, _outbox(folder, settings))),
        asyncio.create_task(_every(FORGET_SECONDS, _forget_old_mail)),
        asyncio.create_task(_every(FORGET_SECONDS, _forget_ended_sessions)),
        asyncio.create_task(_every(FORGET_SECONDS, _forget_desk_mail(settings))),
        *(asyncio.create_task(_every(DESK_SECONDS, duty)) for duty in _desk_mail(folder, settings)),
    ]
    await stop.wait()
    for duty in duties:
        duty.cancel()
    await asyncio.to_thread(recorder.stop)
    await server.close()
    log.info("stopped recorded=%d", recorder.recorded)


async def _every(seconds: float, duty: Callable[[], object]) -> None:
    """Do something again and again, in a thread; what fails is logged and tried again."""
    from django.db import DatabaseError  # noqa: PLC0415 - needs Django set up

    from merpati.control.thread_connection import look_after_connection  # noqa: PLC0415

    def done() -> None:
        try:
            duty()
        finally:
            look_after_connection()

    while True:
        try:
            await asyncio.to_thread(done)
        except DatabaseError as error:  # the database's trouble, not a defect of ours
            log.error("duty_failed error=%s", f"{type(error).__name__}: {error}")  # noqa: TRY400
        except Exception:
            log.exception("duty_failed")
        await asyncio.sleep(seconds)


def _publish(folder: DataFolder, bounce_domain: str) -> None:
    from merpati.sending.policy import publish_if_stale  # noqa: PLC0415 - needs Django set up

    version = publish_if_stale(folder.root, bounce_domain)
    if version is not None:
        log.info("policy_published version=%d", version)


def _follow_keys(dns_servers: Sequence[str]) -> None:
    from merpati.sending.key_rotation import follow_waiting_keys  # noqa: PLC0415 - needs Django
    from merpati.sending.live_dns import txt_lookup  # noqa: PLC0415

    changed = follow_waiting_keys(txt_lookup(dns_servers), now=datetime.now(UTC))
    if changed:
        log.info("dkim_keys_changed domains=%d", changed)


def _bounce_rule(folder: DataFolder) -> Callable[[], None]:
    from merpati.events.bounce_rule import BounceRule  # noqa: PLC0415 - needs Django set up

    rule = BounceRule(folder.events)

    def suppress() -> None:
        made = rule.step(datetime.now(UTC))
        if made:
            log.info("bounce_rule entries=%d", made)

    return suppress


def _warm_up(folder: DataFolder, recorder: RecorderLoop) -> Callable[[], None]:
    from merpati.plans.warmup.step import WarmUp  # noqa: PLC0415 - needs Django set up

    warm_up = WarmUp(folder.events)
    return lambda: warm_up.step(datetime.now(UTC), recorder.recorded_until)


def _migrations(folder: DataFolder, recorder: RecorderLoop) -> Callable[[], None]:
    from merpati.plans.migration.step import Migrations  # noqa: PLC0415 - needs Django set up

    migrations = Migrations(folder.events)
    return lambda: migrations.step(datetime.now(UTC), recorder.recorded_until)


def _outbox(folder: DataFolder, settings: Settings) -> Callable[[], None]:
    from merpati.adapters.clock import SystemClock  # noqa: PLC0415 - needs Django set up
    from merpati.sending.directory import Directory  # noqa: PLC0415
    from merpati.sending.outbox import Outbox  # noqa: PLC0415
    from merpati.sending.transmission_id import TransmissionIds  # noqa: PLC0415

    system = SystemClock()
    outbox = Outbox(
        settings.desk,
        SpoolClient(folder.run, settings.worker_count),
        Directory(system),
        TransmissionIds(folder.run, system).next,
        system,
    )

    def send() -> None:
        outbox.step()

    return send


def _desk_mail(folder: DataFolder, settings: Settings) -> list[Callable[[], object]]:
    """Return the desk's duties: reading its mail, telling of what happened, reminding."""
    from merpati.adapters.crypto import SecretBox  # noqa: PLC0415 - needs Django set up
    from merpati.desk.contact_links import LABEL  # noqa: PLC0415
    from merpati.desk.evidence import Sources  # noqa: PLC0415
    from merpati.desk.mail.drop import MailDrop  # noqa: PLC0415
    from merpati.desk.mail.intake import Intake  # noqa: PLC0415
    from merpati.desk.mail.notices import Teller  # noqa: PLC0415
    from merpati.desk.mail.place import Place  # noqa: PLC0415
    from merpati.desk.mail.reminders import remind  # noqa: PLC0415

    place = Place(
        settings.desk.support_address,
        SecretBox(folder.secret_key).derive(LABEL),
        settings.console_url,
        Sources(folder.events, folder.spool),
        settings.dns.servers,
    )
    intake, teller = Intake(place, MailDrop(folder.incoming)), Teller(place)
    return [
        lambda: intake.step(datetime.now(UTC)),
        lambda: teller.step(datetime.now(UTC)),
        lambda: remind(place, datetime.now(UTC)),
    ]


def _forget_old_mail() -> None:
    from merpati.sending.outbox import forget_old  # noqa: PLC0415 - needs Django set up

    forget_old(datetime.now(UTC))


def _forget_desk_mail(settings: Settings) -> Callable[[], None]:
    kept = timedelta(days=settings.retention.desk_mail_days)

    def forget() -> None:
        from merpati.desk.mail.retention import forget_old_mail  # noqa: PLC0415 - needs Django

        forgotten = forget_old_mail(kept, datetime.now(UTC))
        if forgotten:
            log.info("desk_mail_forgotten mails=%d", forgotten)

    return forget


def _forget_ended_sessions() -> None:
    from merpati.console.sign_in.sessions import forget_ended  # noqa: PLC0415 - needs Django set up

    forget_ended(datetime.now(UTC))


def main() -> None:
    """Run the process."""
    parser = argparse.ArgumentParser(prog="merpati.runtime.clock", description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    data = parser.parse_args().data
    os.nice(NICENESS)
    settings = load(data)
    set_up_log("clock", settings.log)
    asyncio.run(clock(setup(data), settings))


if __name__ == "__main__":
    main()
