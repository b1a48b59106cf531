"""The part of the SMTP dialogue a reply stands in, as far as its meaning depends on that."""

from __future__ import annotations

import enum


class Phase(enum.Enum):
    """BEFORE_RCPT blames us, RCPT mostly speaks of the recipient, MESSAGE of what was sent."""

    BEFORE_RCPT = enum.auto()
    RCPT = enum.auto()
    MESSAGE = enum.auto()
