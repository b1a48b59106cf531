"""What reading and writing the desk's mail needs to know of this instance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from merpati.desk.evidence import Sources


@dataclass(frozen=True, slots=True)
class Place:
    """support_address: lower case, "" where the desk takes and sends no mail; link_key: of contact
    links; console_url: without a slash at the end; dns_servers: as in the settings.
    """

    support_address: str
    link_key: bytes
    console_url: str
    sources: Sources
    dns_servers: Sequence[str] = ()

    @property
    def domain(self) -> str:
        """The right side of our Message-IDs."""
        return self.support_address.rpartition("@")[2]
