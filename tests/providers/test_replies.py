"""What replies mean: a table of replies as they are seen in the field, and what holds for all."""

from __future__ import annotations

import re
import tomllib
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merpati.providers.bounce_class import BounceClass, Scope
from merpati.providers.directory import directory
from merpati.providers.patterns import Patterns, without_particulars
from merpati.providers.phase import Phase
from merpati.providers.replies import MOST_REMEMBERED, Reading, _read, read, read_own

PHASES = {"before": Phase.BEFORE_RCPT, "rcpt": Phase.RCPT, "message": Phase.MESSAGE}


class Seen(NamedTuple):
    provider: str
    phase: Phase
    reading: str
    code: int
    enhanced: str | None
    text: str

    def read(self) -> Reading:
        return read(self.code, self.enhanced, self.text, self.phase, self.provider)


def table() -> list[Seen]:
    rows = []
    for line in (Path(__file__).parent / "replies.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            provider, phase, reading, reply = (cell.strip() for cell in line.split(" | ", 3))
            found = re.fullmatch(r"(\d{3})(?: ([245]\.\d+\.\d+))? ?(.*)", reply)
            assert found, line
            text = found[3].replace(r"\n", "\n")
            rows.append(Seen(provider, PHASES[phase], reading, int(found[1]), found[2], text))
    return rows


SEEN = table()


@pytest.mark.parametrize("seen", SEEN, ids=lambda s: f"{s.provider}: {s.code} {s.text[:40]!r}")
def test_replies_are_read_as_the_field_knows_them(seen: Seen) -> None:
    reading = seen.read()
    outcome = "defers" if reading.defers else "bounces"
    assert f"{reading.bounce_class.value} {reading.cause} {outcome}" == seen.reading, reading.rule


def test_each_pattern_has_an_example_in_the_table() -> None:
    text = resources.files("merpati.providers").joinpath("replies.toml").read_text("utf-8")
    patterns = {rule["pattern"] for rule in tomllib.loads(text)["pattern"]}
    missing = patterns - {seen.read().rule for seen in SEEN if seen.provider == "-"}
    for provider in directory():
        used = {seen.read().rule for seen in SEEN if seen.provider == provider.id}
        missing |= {f"{provider.id}: {r.pattern}" for r in provider.reply if r.pattern not in used}
    assert missing == set()


CODES = st.integers(200, 599)
ENHANCED = st.none() | st.from_regex(r"[245]\.\d{1,3}\.\d{1,3}", fullmatch=True)
TEXTS = st.text(max_size=60) | st.sampled_from([seen.text for seen in SEEN])
PROVIDERS = st.sampled_from(["-", "route:mx:25", *(provider.id for provider in directory())])


@given(CODES, ENHANCED, TEXTS, st.sampled_from(Phase), PROVIDERS)
def test_what_holds_for_any_reply(
    code: int, enhanced: str | None, text: str, phase: Phase, provider: str
) -> None:
    reading = read(code, enhanced, text, phase, provider)
    if code // 100 != 5:
        assert reading.defers
        assert not reading.bounce_class.is_hard
    if phase is Phase.BEFORE_RCPT:
        assert reading.defers
        assert reading.scope is not Scope.RECIPIENT
        assert not reading.bounce_class.is_hard
    if reading.bounce_class in (BounceClass.SOFT, BounceClass.TRANSIENT):
        assert reading.defers
    if reading.scope in (Scope.SENDING_IP, Scope.DOMAIN, Scope.MESSAGE, Scope.ORGANISATION):
        assert not reading.bounce_class.is_hard


@pytest.mark.parametrize(
    ("text", "bounce_class", "cause"),
    [
        pytest.param("[internal] message timeout (last transfail: none)", 24, "expired", id="old"),
        pytest.param(
            "[internal] message timeout (last transfail: 421 4.7.28 unusual rate)",
            *(24, "rate"),
            id="the cause is what was said last",
        ),
        pytest.param(
            "[internal] message timeout (last transfail: 452 Over quota (see help))",
            *(24, "mailbox_full"),
            id="without enhanced code",
        ),
        pytest.param("[internal] Domain Lookup Failed: x.example has no host", 21, "dns", id="DNS"),
        pytest.param("[internal] MX lookup of x.example timed out", 21, "dns", id="DNS later"),
        pytest.param("DNS lookups for x.example took too long", 21, "dns", id="without mark"),
        pytest.param("[internal] the account no longer exists", 25, "own_policy", id="account"),
        pytest.param("[internal] recipient address suppressed", 25, "own_policy", id="suppressed"),
        pytest.param("[internal] temporarily suspended", 70, "suspended", id="suspended"),
        pytest.param("[internal] 99 bytes exceed the host's limit of 9", 23, "too_large", id="big"),
        pytest.param(
            "[internal] connecting to mx.spamhaus.example[192.0.2.1]:25 timed out",
            *(40, "network"),
            id="host names say nothing",
        ),
    ],
)
def test_our_own_words(text: str, bounce_class: int, cause: str) -> None:
    reading = read_own(text)
    assert (reading.bounce_class, reading.cause) == (bounce_class, cause)


def test_nobody_else_may_speak_for_us() -> None:
    """A far end that writes our mark is read by its codes, as if the mark were not there."""
    reading = read(550, None, "[internal] the account no longer exists", Phase.RCPT)
    assert reading.bounce_class is not BounceClass.ADMIN_FAILURE


@pytest.mark.parametrize(
    ("text", "without"),
    [
        ("<a.b+c@x.example>: User unknown", "·: User unknown"),
        ("Host [192.0.2.1] blocked", "Host [·] blocked"),
        ("Host 2001:db8:0:1:2:3:4:5 blocked", "Host · blocked"),
        ("queued a640c23a62f3a-b76 - gsmtp", "queued · - gsmtp"),
        ("AUP#I-1000 LPN007_510 BL000000 [TSS04] S3140 AS77712344", None),
        ("proofpoint.com/dnsbl at 12:34:56", None),
        ("x" * 5_000, "x" * 1_000),
    ],
)
def test_particulars_are_taken_out_and_signs_stay(text: str, without: str | None) -> None:
    assert without_particulars(text) == (text if without is None else without)


def test_alike_replies_are_read_once_and_memory_is_bounded() -> None:
    _read.cache_clear()
    for number in range(50):
        read(550, "5.1.1", f"<u{number}@x.example>: User unknown", Phase.RCPT, "google")
    assert _read.cache_info().currsize == 1
    assert _read.cache_info().maxsize == MOST_REMEMBERED


def test_the_order_decides_and_not_the_place_in_the_text() -> None:
    patterns = Patterns(["second", "first", "(a|b)c"])
    assert patterns.find("first, then SECOND") == 0
    assert patterns.find("first") == 1
    assert patterns.find("xbc") == 2
    assert patterns.find("none") is None
    assert Patterns([]).find("x") is None


def test_a_pattern_that_captures_is_refused() -> None:
    with pytest.raises(re.error, match="captures"):
        Patterns(["(?P<name>a)"])


@pytest.mark.timeout(10)
def test_no_text_takes_long_to_read() -> None:
    """Texts come from anybody: words that begin many patterns must not make one read for ever."""
    words = "message mail exceed conversation domain sender attachment 4.7.31 helo quota recipient"
    for word in words.split():
        read(550, None, f"{word} " * 400, Phase.RCPT)
