"""What a provider's reply means: bounce class, cause, whom it blames, and whether to wait.

In this order: the provider's own rules, patterns over the text that all use, the enhanced status,
the basic code; the text goes before the codes, since many send a wrong one. Then what the code's
first digit and the phase forbid:

- a temporary reply never gives a hard class, whatever it says of the recipient;
- a reply before RCPT blames us, never the recipient;
- a 5yz that says "too fast" or "not now" defers (some providers send these as permanent).

Source: SparkPost "Bounce Classification Codes" and "Understanding delays and bounces"; RFC 3463;
directory.toml and replies.toml for the patterns.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources

import msgspec

from merpati.providers.bounce_class import BounceClass, Cause, Scope
from merpati.providers.codes import Meaning, meaning_of_codes
from merpati.providers.directory import directory
from merpati.providers.patterns import LONGEST_TEXT, Patterns, without_particulars
from merpati.providers.phase import Phase
from merpati.providers.reaction import Reaction

OWN_MARK = "[internal] "  # texts of our own begin with it, as SparkPost's do
MOST_REMEMBERED = 4_096  # readings

_TRANSFAIL = re.compile(
    r"last transfail: (?P<code>[245]\d\d)"
    r"(?: (?P<enhanced>[245]\.\d{1,3}\.\d{1,3}))? ?(?P<text>.*)\)"
)
_MAY_WAIT = frozenset((BounceClass.SOFT, BounceClass.TRANSIENT))


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reply means.

    cause: our finer label, whose `scope` says whom it blames; defers: the message waits for another
    attempt; rule: the pattern that said so, "" when the codes did; reaction: what pacing does.
    """

    bounce_class: BounceClass
    cause: Cause
    scope: Scope
    defers: bool
    rule: str = ""
    reaction: Reaction | None = None


class _Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pattern: str
    bounce_class: int
    cause: Cause
    codes: str = ""
    seen_at: str = ""
    source: str = ""
    reaction: Reaction | None = None

    @property
    def meaning(self) -> Meaning:
        return BounceClass(self.bounce_class), self.cause


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    scopes: dict[Scope, list[Cause]]
    reactions: dict[Cause, Reaction]
    own: list[_Rule]
    pattern: list[_Rule]


class _Rules:
    """An ordered list of rules, compiled."""

    def __init__(self, rules: Sequence[_Rule]) -> None:
        self._patterns = Patterns([rule.pattern for rule in rules])
        self._rules = tuple(rules)

    def find(self, text: str) -> _Rule | None:
        index = self._patterns.find(text)
        return None if index is None else self._rules[index]


class _Book:
    """All rules of a process: everybody's, our own and each provider's."""

    def __init__(self) -> None:
        text = resources.files(__package__).joinpath("replies.toml").read_text(encoding="utf-8")
        file = msgspec.convert(tomllib.loads(text), _File)
        self.scopes = {cause: scope for scope, causes in file.scopes.items() for cause in causes}
        self.reactions = file.reactions
        self.own = _Rules(file.own)
        self.everybody = _Rules(file.pattern)
        self._by_provider: dict[str, tuple[_Rules, bool]] = {}
        for provider in directory():
            rules = [
                _Rule(r.pattern, r.bounce_class, r.cause, reaction=r.reaction)
                for r in provider.reply
            ]
            last_first = provider.reply_lines == "last first"
            self._by_provider[provider.id] = (_Rules(rules), last_first)
        about_pace = [
            *self.reactions,
            *(r.cause for p in directory() for r in p.reply if r.reaction),
        ]
        if wrong := {cause for cause in about_pace if not self.scopes[cause].is_about_pace}:
            raise ValueError(f"no reaction to what blames neither IP nor domain: {wrong}")

    def reaction(self, rule: _Rule | None, cause: Cause) -> Reaction | None:
        """Return what to do about a reply: what its rule says, else what its cause does."""
        is_own = rule is not None and rule.cause == cause and rule.reaction is not None
        found = rule.reaction if rule is not None and is_own else self.reactions.get(cause)
        return found or None  # one that does nothing is none

    def find(self, provider: str, head: str, text: str) -> _Rule | None:
        """Return the rule for a reply; head: its codes, text: its lines."""
        own, last_first = self._by_provider.get(provider, (None, False))
        whole = head + text.replace("\n", " ")
        tries = [whole]
        if last_first and "\n" in text:
            tries.insert(0, head + text.rpartition("\n")[2])
        for rules in (own, self.everybody):
            for words in tries:
                if rules is not None and (rule := rules.find(words)) is not None:
                    return rule
        return None


@cache
def _book() -> _Book:
    return _Book()


def prepare() -> None:
    """Read and compile all rules now, so that no reply has to wait for it."""
    _book()


def read(code: int, enhanced: str | None, text: str, phase: Phase, provider: str = "") -> Reading:
    """Return what a reply that came over the wire means; the unknown defers unless it is a 5yz.

    text: its lines joined by newlines, codes taken off; provider: an id of the directory, or
    anything else for whom nobody knows.
    """
    return _read(code, enhanced or "", without_particulars(text), phase, provider)


@lru_cache(MOST_REMEMBERED)
def _read(code: int, enhanced: str, text: str, phase: Phase, provider: str) -> Reading:
    book = _book()
    rule = book.find(provider, f"{code} {enhanced} " if enhanced else f"{code} ", text)
    meaning = rule.meaning if rule else meaning_of_codes(code, enhanced, phase)
    bounce_class, cause = meaning
    is_permanent = code // 100 == 5
    if phase is Phase.BEFORE_RCPT and book.scopes[cause] is Scope.RECIPIENT:
        bounce_class, cause = BounceClass.MAIL_BLOCK, "sender_rejected"
    elif bounce_class.is_hard and not is_permanent:
        bounce_class = BounceClass.TRANSIENT
    defers = not is_permanent or phase is Phase.BEFORE_RCPT or bounce_class in _MAY_WAIT
    return Reading(
        bounce_class,
        cause,
        book.scopes[cause],
        defers,
        rule.pattern if rule else "",
        book.reaction(rule, cause),
    )


@lru_cache(MOST_REMEMBERED)
def read_own(text: str, provider: str = "") -> Reading:
    """Return what a text of our own says; its "[internal] " may be there or not.

    Of a message that timed out the class says so, and the cause is what the provider said last.
    Whatever is not recognised came of the network.
    """
    book = _book()
    words = text.removeprefix(OWN_MARK)[:LONGEST_TEXT]
    rule = book.own.find(words)
    if rule is None:
        return Reading(BounceClass.GENERIC, "network", Scope.DESTINATION, True)
    bounce_class, cause = rule.meaning
    if bounce_class is BounceClass.TIMEOUT and (last := _TRANSFAIL.search(words)):
        code, enhanced, said = last.group("code", "enhanced", "text")
        cause = read(int(code), enhanced, said, Phase.MESSAGE, provider).cause
    defers = bounce_class in (BounceClass.DNS_FAILURE, BounceClass.TRANSIENT)
    return Reading(bounce_class, cause, book.scopes[cause], defers, rule.pattern)
