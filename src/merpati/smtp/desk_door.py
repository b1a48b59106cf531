"""Which addresses of the desk take mail, and taking it: durably, unread, before the 250.

The support address and those that its tokens make of it (`support+TOKEN@…`), which only we can;
postmaster of each name that is ours and abuse, as RFC 2142 asks. Whose mail it is and whether that
is true is found out later, away from the client.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path

from merpati.adapters.clock import Clock
from merpati.contracts.desk_mail import DeskMail
from merpati.desk.contact_links import read_reply_address, read_staff_address
from merpati.desk.mail.drop import MailDrop
from merpati.message.submitted import HEADER_BYTES, split_message
from merpati.smtp.session import Envelope

log = logging.getLogger(__name__)

_OF_EVERY_DOMAIN = frozenset({"postmaster", "abuse"})


@dataclass(frozen=True, slots=True)
class DeskDoor:
    """What a process needs to take the desk's mail; any thread may call.

    support_address: lower case, "" where the desk takes no mail: then it takes none for postmaster
    and abuse either, since nobody would read it. domains: ours, lower case; key: of contact links;
    reserve_bytes: free room on disk below which nothing more is taken.
    """

    drop: MailDrop
    folder: Path
    clock: Clock
    support_address: str
    domains: frozenset[str]
    key: bytes
    reserve_bytes: int

    def takes(self, address: str) -> bool:
        """Return whether an address is the desk's."""
        return bool(self.support_address) and self._is_ours(address.strip())

    def refusal(self, address: str) -> str | None:
        """Return what is to be said of an address that looks like the desk's and is not, or None.

        That is a token that somebody mistyped or made up.
        """
        local, _, domain = self.support_address.rpartition("@")
        given, _, at = address.strip().lower().rpartition("@")
        if local and at == domain and given.partition("+")[0] == local:
            return f"550 5.1.1 No case has this address: write to {self.support_address}"
        return None

    def take(self, envelope: Envelope, peer: str) -> str:
        """Store a mail for one address of the desk and return the reply: 250 once it is on disk."""
        if len(split_message(envelope.data)[0]) > HEADER_BYTES:
            return f"552 5.3.4 The header may have at most {HEADER_BYTES // 1024} KB"
        mail = DeskMail(
            received_at=self.clock.now(),
            rcpt_to=envelope.recipients[0],
            msg_from=envelope.msg_from,
            peer=peer,
            helo=envelope.helo,
            data=envelope.data,
        )
        try:
            disk = os.statvfs(self.folder)
            if disk.f_bavail * disk.f_frsize < self.reserve_bytes:
                return "452 4.3.1 No room to store the message: try again later"
            self.drop.put(mail)
        except OSError as error:
            log.warning("desk_mail_not_stored reason=%s", error)
            return "451 4.3.0 The message could not be stored: try again later"
        return "250 2.0.0 OK"

    def _is_ours(self, address: str) -> bool:
        local, _, domain = address.lower().rpartition("@")
        return (
            address.lower() == self.support_address
            or (local in _OF_EVERY_DOMAIN and domain in self.domains)
            or read_reply_address(self.key, address, self.support_address) is not None
            or read_staff_address(self.key, address, self.support_address) is not None
        )
