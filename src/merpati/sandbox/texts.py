"""What a mailbox provider says when it refuses: its own words, from `texts.toml` beside us."""

from __future__ import annotations

import enum
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources

import msgspec

EVERYBODY = "everybody"  # whose words a provider uses where it has none of its own


class Moment(enum.StrEnum):
    """Where in the dialogue something happens: MESSAGE is amid its lines, DOT after the last."""

    RCPT = "RCPT"
    DATA = "DATA"
    MESSAGE = "MESSAGE"
    DOT = "DOT"


class Text(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A reply, its lines joined by newlines; may hold {rcpt}, {ip} and {mx}."""

    reply: str
    at: Moment = Moment.RCPT


class Texts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one provider says. domain: where the sandbox plays it."""

    domain: str
    source: str
    reject: Text
    full: Text
    block: Text
    rate: Text
    tempfail: Text
    spam: Text
    greylist: Text


@cache
def all_texts() -> Mapping[str, Texts]:
    """Return what each provider says, by its id in the directory, `everybody` first."""
    file = resources.files(__package__).joinpath("texts.toml").read_text(encoding="utf-8")
    document = tomllib.loads(file)
    shared = document[EVERYBODY]
    return msgspec.convert({name: shared | own for name, own in document.items()}, dict[str, Texts])
