"""What the played providers think of each sending IP, and so what they say to its mail.

How they tolerate is `reputation/provider_model.py`; here it meets single messages, a clock, and the
providers' own words. Days are UTC days. Everything that chance decides comes from the seed, and for
a recipient from its address, so that an unknown user stays unknown.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from random import Random

from merpati.reputation.provider_model import Answer, Provider
from merpati.sandbox.behaviour import Refuse, Step
from merpati.sandbox.blocklists import Blocklists
from merpati.sandbox.providers_file import PlayedProvider, ProvidersFile
from merpati.sandbox.texts import EVERYBODY, Text, Texts, all_texts

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
MINUTE_MS = 60_000
_KNOWN_AFTER = 5  # greylisted mails that came back, as Postgrey has it


def place_of(what: str, address: str) -> float:
    """Return where an address stands in a matter, 0 to 1: always the same, as if by chance.

    Not by CRC-32: of two such sums one gives away the other, so matters would depend on each other.
    """
    digest = hashlib.blake2b(f"{what} {address.lower()}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) / (1 << 64)


class Opinions:
    """Of all providers of a file. now: wall time in milliseconds since the epoch."""

    def __init__(self, file: ProvidersFile, seed: int, now: Callable[[], int]) -> None:
        self.blocklists = Blocklists(file.blocklist)
        self._file = file
        self._seed = seed
        self._now = now
        self._by_domain = {
            domain.lower(): provider for provider in file.provider for domain in provider.domains
        }
        self._texts = {
            one.name: all_texts().get(one.like, all_texts()[EVERYBODY]) for one in file.provider
        }
        self._ways: dict[tuple[str, str], _Way] = {}

    def provider_of(self, rcpt_to: str) -> PlayedProvider | None:
        """Return whose recipient it is."""
        return self._by_domain.get(rcpt_to.rpartition("@")[2].lower())

    def steps(self, sending_ip: str, rcpt_to: str) -> list[Step]:
        """Return what becomes of a try; this counts it. Empty: the mail is taken."""
        provider = self.provider_of(rcpt_to)
        if provider is None:
            return []
        texts = self._texts[provider.name]
        now = self._now()
        if provider.registered_ips is not None and sending_ip not in provider.registered_ips:
            return [_said(texts.block)]
        for zone in provider.blocklists:
            if self.blocklists.is_listed(zone, sending_ip, now):
                return [Refuse(texts.block.at, _BLOCKLISTED.format(zone=zone))]
        way = self._way(provider, sending_ip)
        if provider.greylist_minutes and way.is_greylisting(provider, rcpt_to, now):
            return [_said(texts.greylist)]
        answer = way.answer(now, self._is_unknown(provider, rcpt_to))
        return [_said(text) for text in _SAYS[answer](texts)]

    def complain(self, provider: PlayedProvider, sending_ip: str) -> None:
        """Count a complaint about mail of an IP."""
        self._way(provider, sending_ip).complaints += 1
        self.blocklists.complaint(provider.blocklists, sending_ip, self._now())

    def tolerance(self, provider: PlayedProvider, sending_ip: str) -> int:
        """Return what a provider bears from an IP today; only reports may look at it."""
        return self._way(provider, sending_ip).at(self._now()).comfortable

    def _is_unknown(self, provider: PlayedProvider, rcpt_to: str) -> bool:
        return place_of(f"{self._seed} unknown", rcpt_to) < provider.unknown_user_share

    def _way(self, provider: PlayedProvider, sending_ip: str) -> _Way:
        key = provider.name, sending_ip
        way = self._ways.get(key)
        if way is None:
            random = Random(f"{self._seed} {provider.name} {sending_ip}")  # noqa: S311
            way = self._ways[key] = _Way(Provider(provider.temper, random), self._now() // DAY_MS)
        return way


class _Way:
    """One provider's opinion of one sending IP, over the days."""

    def __init__(self, provider: Provider, day: int) -> None:
        self.complaints = 0  # of today
        self._provider = provider
        self._day = day
        self._first_seen: dict[str, int] = {}  # recipients that were greylisted
        self._came_back = 0
        provider.begin_day()

    def at(self, now: int) -> Provider:
        """Return the opinion as of now; days pass."""
        while self._day < now // DAY_MS:
            self._provider.end_day(complaints=self.complaints)
            self._provider.begin_day()
            self.complaints = 0
            self._day += 1
        return self._provider

    def is_greylisting(self, provider: PlayedProvider, rcpt_to: str, now: int) -> bool:
        """Return whether to come back later; who did so often enough is let in at once."""
        if self._came_back >= _KNOWN_AFTER:
            return False
        since = self._first_seen.setdefault(rcpt_to, now)
        if now - since < provider.greylist_minutes * MINUTE_MS:
            return True
        self._came_back += 1
        if self._came_back == _KNOWN_AFTER:
            self._first_seen.clear()
        return False

    def answer(self, now: int, is_unknown_user: bool) -> Answer:
        """Return what the provider says to one attempt."""
        return self.at(now).answer_one(now % DAY_MS / HOUR_MS, is_unknown_user)


def _said(text: Text) -> Refuse:
    return Refuse(text.at, text.reply)


_BLOCKLISTED = "554 5.7.1 Service unavailable; Client host [{{ip}}] blocked using {zone}"
_SAYS: dict[Answer, Callable[[Texts], tuple[Text, ...]]] = {
    Answer.DELIVERED: lambda texts: (),
    Answer.DEFERRED: lambda texts: (texts.rate,),
    Answer.BUSY: lambda texts: (texts.tempfail,),
    Answer.BLOCKED: lambda texts: (texts.block,),
    Answer.HARD_BOUNCED: lambda texts: (texts.reject,),
}
