"""What a check comes to: one line with its level, and what to do where it is not well."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Level(enum.StrEnum):
    """OK; WARN: mail flows, but look at it, or it could not be tested; FAIL: mail will suffer."""

    OK = "OK"
    WARN = "WARN"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Finding:
    """check: family and topic, "names.reverse"; subject: of what, or ""; remedy: "" when OK.

    Texts may quote other hosts: escape them where they are shown.
    """

    level: Level
    check: str
    subject: str
    text: str
    remedy: str = ""


def ok(check: str, subject: str, text: str) -> Finding:
    """Return a finding that all is well."""
    return Finding(Level.OK, check, subject, text)


def warn(check: str, subject: str, text: str, remedy: str) -> Finding:
    """Return a finding to be looked at."""
    return Finding(Level.WARN, check, subject, text, remedy)


def fail(check: str, subject: str, text: str, remedy: str) -> Finding:
    """Return a finding that keeps mail from being accepted or delivered."""
    return Finding(Level.FAIL, check, subject, text, remedy)
