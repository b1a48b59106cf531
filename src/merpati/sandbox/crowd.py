"""The people behind the played providers, while the sandbox runs: they read, click and complain."""

from __future__ import annotations

import asyncio
import logging
import smtplib
from collections.abc import Coroutine
from datetime import UTC, datetime
from random import Random
from typing import Any

from merpati.sandbox import feedback
from merpati.sandbox.links import PERSON, SCANNER, fetch, links_of
from merpati.sandbox.opinions import Opinions
from merpati.sandbox.people import reaction
from merpati.sandbox.providers_file import PlayedProvider, ProvidersFile
from merpati.sandbox.seen import Try

log = logging.getLogger(__name__)

SMTP_SECONDS = 30.0
MOST_AT_ONCE = 8  # connections out, of all people together


class Crowd:
    """What they do is drawn from the seed; make and use it on one loop."""

    def __init__(self, file: ProvidersFile, opinions: Opinions, seed: int) -> None:
        self._file = file
        self._opinions = opinions
        self._random = Random(seed)  # noqa: S311 - a simulation
        self._hosts = frozenset(host.lower() for host in file.people.hosts)
        self._turns = asyncio.Semaphore(MOST_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()

    def got(self, seen: Try, data: bytes) -> None:
        """Learn of a mail that was taken."""
        provider = self._opinions.provider_of(seen.rcpt_to)
        if provider is None:
            return
        drawn = reaction(provider, self._random)
        if drawn.complains_after is not None:
            self._begin(self._complain(provider, seen, data, drawn.complains_after))
        if not self._hosts:
            return
        links = links_of(data, self._hosts)
        visits = [(link, SCANNER) for link in links.links] if drawn.is_scanned else []
        if drawn.is_opened:
            visits += [(picture, PERSON) for picture in links.pictures]
        if drawn.is_clicked and links.links:
            visits.append((self._random.choice(links.links), PERSON))
        for address, agent in visits:
            self._begin(self._visit(address, agent))

    def leave(self) -> None:
        """Do nothing more."""
        for task in self._tasks:
            task.cancel()

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _visit(self, address: str, agent: str) -> None:
        async with self._turns:
            await asyncio.to_thread(fetch, address, agent)

    async def _complain(
        self, provider: PlayedProvider, seen: Try, data: bytes, after: float
    ) -> None:
        await asyncio.sleep(after)
        self._opinions.complain(provider, seen.from_ip)
        where = self._file.feedback
        if where is None or not provider.feedback_loop:
            return
        to = where.to or seen.mail_from
        mail = feedback.report(seen, data, provider.name, to, datetime.now(UTC))
        async with self._turns:
            try:
                await asyncio.to_thread(_send, where.smtp, feedback.sender_of(seen), to, mail)
            except (OSError, smtplib.SMTPException) as error:
                log.warning("report_not_taken to=%s smtp=%s reason=%s", to, where.smtp, error)


def _send(smtp: str, sender: str, to: str, mail: bytes) -> None:
    host, _, port = smtp.rpartition(":")
    with smtplib.SMTP(host.strip("[]"), int(port), timeout=SMTP_SECONDS) as client:
        client.sendmail(sender, [to], mail)
