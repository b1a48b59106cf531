"""What the pages of one web process share, set once before it serves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from merpati.adapters.clock import Clock
from merpati.adapters.crypto import SecretBox
from merpati.desk.evidence import Sources
from merpati.events.campaign_outlook import Outlooks
from merpati.sending.outside import NOWHERE_PRIVATE, Outside


@dataclass(frozen=True, slots=True)
class Services:
    """The process's clock, its secrets, what it reads evidence and outlooks from, the world."""

    clock: Clock
    secret_box: SecretBox
    evidence: Sources
    outlooks: Outlooks
    data_dir: Path
    outside: Outside = NOWHERE_PRIVATE

    @property
    def now(self) -> datetime:
        """The present, by the process's clock."""
        return datetime.fromtimestamp(self.clock.now() / 1000, UTC)


class _Holder:
    services: Services | None = None


def use(services: Services | None) -> None:
    """Serve with these from now on."""
    _Holder.services = services


def services() -> Services:
    """Return what `use` was given. Raises RuntimeError before that."""
    if _Holder.services is None:
        raise RuntimeError("console.services.use() comes before the first request")
    return _Holder.services
