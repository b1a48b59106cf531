"""What the resources of one web process share, set once before it serves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from merpati.adapters.clock import Clock
from merpati.adapters.crypto import SecretBox
from merpati.api.watch import Watch
from merpati.desk.evidence import Sources
from merpati.events.campaign_outlook import Outlooks
from merpati.events.transmissions import Transmissions
from merpati.sending import campaigns, injection
from merpati.sending.directory import Directory
from merpati.sending.domains import TxtLookup
from merpati.sending.outside import NOWHERE_PRIVATE, Outside
from merpati.sending.transmission_id import TransmissionIds
from merpati.sending.transmission_rules import SCHEDULE_AHEAD


class Spool(injection.Spool, campaigns.Spool, Protocol):
    """The spool's client."""


@dataclass(frozen=True, slots=True)
class Services:
    """The process's clock, its view of accounts and mail, its ways to spool, secrets and DNS."""

    clock: Clock
    directory: Directory
    spool: Spool
    transmission_ids: TransmissionIds
    secret_box: SecretBox
    txt_lookup: TxtLookup
    transmissions: Transmissions
    evidence: Sources
    outlooks: Outlooks
    outside: Outside = NOWHERE_PRIVATE
    schedule_ahead: timedelta = SCHEDULE_AHEAD
    watch: Watch | None = None  # None: nobody to ask, in a test
    metrics_token: str = ""


class _Holder:
    services: Services | None = None


def use(services: Services | None) -> None:
    """Serve with these from now on."""
    _Holder.services = services


def services() -> Services:
    """Return what `use` was given. Raises RuntimeError before that."""
    if _Holder.services is None:
        raise RuntimeError("api.services.use() comes before the first request")
    return _Holder.services
