"""SPF: whether a host may send for a domain. A machine without I/O that asks for look-ups.

`check_host` yields questions and is sent answers; whoever drives it does the asking. Ten terms that
ask DNS, and two names without an answer, are the most of one check: more is an error of the record.

Source: RFC 7208 (section numbers below are its own). The "p" macro, which it advises against, is
always "unknown", so no address is looked up for it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import quote

MOST_TERMS = 10  # 4.6.4
MOST_VOID = 2
MOST_NAMES = 10  # of an MX or PTR answer
RECORD_CHARACTERS = 4_000  # a record beyond any that DNS carries in practice

Address = IPv4Address | IPv6Address


class Verdict(StrEnum):
    """What a check comes to, 2.6."""

    NONE = "none"
    NEUTRAL = "neutral"
    PASS = "pass"  # noqa: S105 - RFC 7208's word
    FAIL = "fail"
    SOFTFAIL = "softfail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


@dataclass(frozen=True, slots=True)
class Question:
    """Ask DNS for this; type: "TXT", "A", "AAAA", "MX" or "PTR", the latter by address."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Answer:
    """values: texts, addresses or names, an MX record's in order of preference.

    is_failed: nobody could tell (timeout, SERVFAIL), which is not the same as nothing.
    """

    values: tuple[str, ...] = ()
    is_failed: bool = False


Check = Generator[Question, Answer, Verdict]


class _PermError(Exception):
    """The record cannot be used, 2.6.7."""


class _TempError(Exception):
    """DNS did not answer, 2.6.6."""


@dataclass(slots=True)
class _Budget:
    terms: int = 0
    void: int = 0


@dataclass(frozen=True, slots=True)
class _Who:
    """Who is asked about: the client, the sender with both its sides, and the client's name."""

    client: Address
    sender: str
    helo: str

    @property
    def local(self) -> str:
        return self.sender.rpartition("@")[0] or "postmaster"

    @property
    def sender_domain(self) -> str:
        return self.sender.rpartition("@")[2]


@dataclass(frozen=True, slots=True)
class _Mechanism:
    result: Verdict
    name: str
    value: str = ""
    lengths: tuple[int, int] = (32, 128)


@dataclass(frozen=True, slots=True)
class _Record:
    mechanisms: list[_Mechanism] = field(default_factory=list)
    redirect: str = ""


def check_host(client: str, msg_from: str, helo: str) -> Check:
    """Check a client's address against the domain of the envelope sender.

    For the null sender the HELO name counts (2.4). Yields questions; returns the verdict.
    """
    address = ipaddress.ip_address(client.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    sender = msg_from if "@" in msg_from else f"postmaster@{helo}"
    who = _Who(address, sender, helo)
    try:
        return (yield from _check(who, who.sender_domain.lower().rstrip("."), _Budget()))
    except _PermError:
        return Verdict.PERMERROR
    except _TempError:
        return Verdict.TEMPERROR


def _check(who: _Who, domain: str, budget: _Budget) -> Check:
    if not _is_domain(domain):
        return Verdict.NONE  # 4.3
    answer = yield Question(domain, "TXT")
    if answer.is_failed:
        raise _TempError
    records = [text for text in answer.values if re.match(r"v=spf1(?: |$)", text, re.IGNORECASE)]
    if not records:
        return Verdict.NONE
    if len(records) > 1 or len(records[0]) > RECORD_CHARACTERS:
        raise _PermError
    record = _read(records[0])
    for mechanism in record.mechanisms:
        if (yield from _matches(mechanism, who, domain, budget)):
            return mechanism.result
    if not record.redirect:
        return Verdict.NEUTRAL  # 4.7
    _spend(budget)
    target = _expanded(record.redirect, who, domain)
    verdict = yield from _check(who, target, budget)
    if verdict is Verdict.NONE:
        raise _PermError  # 6.1
    return verdict


def _matches(  # noqa: PLR0911 - one for each mechanism
    mechanism: _Mechanism, who: _Who, domain: str, budget: _Budget
) -> Generator[Question, Answer, bool]:
    name, value = mechanism.name, mechanism.value
    if name == "all":
        return True
    if name in {"ip4", "ip6"}:
        return _is_in(who.client, value, mechanism.lengths)
    _spend(budget)
    target = _expanded(value, who, domain) if value else domain
    match name:
        case "include":
            verdict = yield from _check(who, target, budget)
            if verdict is Verdict.NONE:
                raise _PermError  # 5.2
            return verdict is Verdict.PASS
        case "a":
            return (yield from _has_address(target, who, mechanism.lengths, budget))
        case "mx":
            hosts = yield from _ask(Question(target, "MX"), budget)
            if len(hosts) > MOST_NAMES:
                raise _PermError
            for host in hosts:
                if (yield from _has_address(host, who, mechanism.lengths, None)):
                    return True
            return False
        case "exists":
            return bool((yield from _ask(Question(target, "A"), budget)))
        case _:
            return (yield from _is_named(target, who, budget))


def _has_address(
    host: str, who: _Who, lengths: tuple[int, int], budget: _Budget | None
) -> Generator[Question, Answer, bool]:
    question = Question(host, "A" if who.client.version == 4 else "AAAA")
    found = yield from _ask(question, budget)
    return any(_is_in(who.client, address, lengths) for address in found)


def _is_named(target: str, who: _Who, budget: _Budget) -> Generator[Question, Answer, bool]:
    """The "ptr" mechanism, 5.5: a name of the client that leads back to it, below the target."""
    answer = yield Question(str(who.client), "PTR")
    if answer.is_failed:
        return False
    for name in answer.values[:MOST_NAMES]:
        if name == target or name.endswith(f".{target}"):
            kind = "A" if who.client.version == 4 else "AAAA"
            back = yield Question(name, kind)
            if any(_is_in(who.client, address, (32, 128)) for address in back.values):
                return True
    return False


def _ask(
    question: Question, budget: _Budget | None
) -> Generator[Question, Answer, tuple[str, ...]]:
    if not _is_domain(question.name):
        return ()
    answer = yield question
    if answer.is_failed:
        raise _TempError
    if not answer.values and budget is not None:
        budget.void += 1
        if budget.void > MOST_VOID:
            raise _PermError
    return answer.values


def _spend(budget: _Budget) -> None:
    budget.terms += 1
    if budget.terms > MOST_TERMS:
        raise _PermError


def _is_in(client: Address, address: str, lengths: tuple[int, int]) -> bool:
    try:
        other = ipaddress.ip_address(address)
    except ValueError:
        return False
    if other.version != client.version:
        return False
    length = lengths[0] if client.version == 4 else lengths[1]
    return client in ipaddress.ip_network((other, length), strict=False)


# Reading a record, 4.6 and appendix: any slip in it makes all of it unusable.

_QUALIFIERS = {
    "+": Verdict.PASS,
    "-": Verdict.FAIL,
    "~": Verdict.SOFTFAIL,
    "?": Verdict.NEUTRAL,
}
_MODIFIER = re.compile(r"([A-Za-z][A-Za-z0-9_.-]*)=(.*)", re.DOTALL)
_MECHANISM = re.compile(r"([+?~-]?)([A-Za-z][A-Za-z0-9_.-]*)(?::([^/]*))?((?:/.*)?)", re.DOTALL)
_LENGTHS = re.compile(r"(?:/(0|[1-9]\d?))?(?://(0|[1-9]\d{0,2}))?")
_MACRO = re.compile(r"%(?:\{([slodiphcrtvSLODIPHCRTV])(\d{0,3})(r?)([.\-+,/_=]*)\}|([%_-]))", re.I)
_OF_TEXTS_ALONE = frozenset("crt")  # macros that only explanations may use, 7.2


def _read(text: str) -> _Record:
    if not text.isascii():
        raise _PermError
    mechanisms: list[_Mechanism] = []
    modifiers: dict[str, str] = {}
    for term in text.split(" ")[1:]:
        if not term:
            continue
        if (modifier := _MODIFIER.fullmatch(term)) is not None:
            name = modifier[1].lower()
            if name in {"redirect", "exp"}:
                if name in modifiers or not modifier[2]:
                    raise _PermError
                _check_macros(modifier[2])
                modifiers[name] = modifier[2]
        else:
            mechanisms.append(_mechanism(term))
    # 5.1: what stands behind "all" is never reached, a redirect neither.
    has_all = any(mechanism.name == "all" for mechanism in mechanisms)
    return _Record(mechanisms, "" if has_all else modifiers.get("redirect", ""))


def _mechanism(term: str) -> _Mechanism:
    found = _MECHANISM.fullmatch(term)
    if found is None:
        raise _PermError
    qualifier, name, value, rest = found.groups()
    result, name = _QUALIFIERS[qualifier or "+"], name.lower()
    match name:
        case "all" if value is None and not rest:
            return _Mechanism(result, name)
        case "ip4" | "ip6" if value:
            return _network(result, name, value + rest)
        case "include" | "exists" if value:
            # A slash belongs to the macros of these, not to a length.
            _check_macros(value + rest)
            return _Mechanism(result, name, value + rest)
        case "a" | "mx" if value != "":
            lengths = _LENGTHS.fullmatch(rest)
            if lengths is None:
                raise _PermError
            four, six = int(lengths[1] or 32), int(lengths[2] or 128)
            if four > 32 or six > 128:
                raise _PermError
            _check_macros(value or "")
            return _Mechanism(result, name, value or "", (four, six))
        case "ptr" if value != "" and not rest:
            _check_macros(value or "")
            return _Mechanism(result, name, value or "")
        case _:
            raise _PermError


def _network(result: Verdict, name: str, text: str) -> _Mechanism:
    address, slash, length = text.partition("/")
    most = 32 if name == "ip4" else 128
    try:
        parsed = ipaddress.ip_address(address)
        bits = int(length) if slash else most
    except ValueError:
        raise _PermError from None
    well_written = not slash or (length.isdigit() and length == str(bits))
    if parsed.version != (4 if name == "ip4" else 6) or not well_written or bits > most:
        raise _PermError
    return _Mechanism(result, name, address, (bits, bits))


def _check_macros(text: str) -> None:
    if "%" in _MACRO.sub("", text):
        raise _PermError
    for macro in _MACRO.finditer(text):
        if macro[1] and (macro[1].lower() in _OF_TEXTS_ALONE or macro[2] in {"0", "00", "000"}):
            raise _PermError


def _expanded(text: str, who: _Who, domain: str) -> str:
    def value(macro: re.Match[str]) -> str:
        if macro[5]:
            return {"%": "%", "_": " ", "-": "%20"}[macro[5]]
        raw = _values(macro[1].lower(), who, domain)
        parts = re.split(f"[{re.escape(macro[4] or '.')}]", raw)
        if macro[3]:
            parts.reverse()
        if macro[2]:
            parts = parts[-int(macro[2]) :]
        expanded = ".".join(parts)
        return quote(expanded, safe="-._~") if macro[1].isupper() else expanded

    name = _MACRO.sub(value, text).rstrip(".").lower()
    while len(name) > 253:  # 7.3: left labels are cut off
        name = name.partition(".")[2]
    return name


def _values(letter: str, who: _Who, domain: str) -> str:  # noqa: PLR0911 - one for each letter
    match letter:
        case "s":
            return f"{who.local}@{who.sender_domain}"
        case "l":
            return who.local
        case "o":
            return who.sender_domain
        case "d":
            return domain
        case "i":
            return ".".join(_nibbles(who.client))
        case "v":
            return "in-addr" if who.client.version == 4 else "ip6"
        case "h":
            return who.helo
        case _:  # "p"; "c", "r" and "t" were refused
            return "unknown"


def _nibbles(client: Address) -> Iterator[str]:
    if client.version == 4:
        yield from str(client).split(".")
    else:
        yield from client.exploded.replace(":", "")


def _is_domain(domain: str) -> bool:
    labels = domain.split(".")
    return (
        len(domain) <= 253
        and len(labels) > 1
        and all(0 < len(label) <= 63 for label in labels)
        and domain.isascii()
        and not any(char.isspace() for char in domain)
    )
