"""SPF as RFC 7208 has it: each rule by a record, and what a hostile record costs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merpati.desk.mail.spf import MOST_TERMS, Answer, Question, Verdict, check_host

Zone = dict[tuple[str, str], list[str]]
FAILS = ["(fails)"]


def run(zone: Zone, client: str, msg_from: str, helo: str = "mx.a.example") -> tuple[Verdict, int]:
    """Return the verdict and how many questions it took."""
    check = check_host(client, msg_from, helo)
    asked = 0
    try:
        question = next(check)
        while True:
            asked += 1
            values = zone.get((question.name, question.type), [])
            answer = Answer(is_failed=True) if values == FAILS else Answer(tuple(values))
            question = check.send(answer)
    except StopIteration as end:
        return end.value, asked


def verdict_of(record: str, client: str = "192.0.2.1", **more: list[str]) -> Verdict:
    """Check sari@a.example, whose record this is; more: records as `A__host_example=[...]`."""
    zone: Zone = {("a.example", "TXT"): [record]}
    for key, values in more.items():
        kind, _, name = key.partition("__")
        zone[name.replace("__", "-").replace("_", "."), kind] = values
    return run(zone, client, "sari@a.example")[0]


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ("v=spf1 ip4:192.0.2.1 -all", "pass"),
        ("v=spf1 ip4:192.0.2.0/24 -all", "pass"),
        ("v=spf1 ip4:192.0.2.128/25 -all", "fail"),
        ("v=spf1 ip6:2001:db8::/32 ~all", "softfail"),
        ("v=spf1 ?all", "neutral"),
        ("v=spf1", "neutral"),
        ("V=SPF1 IP4:192.0.2.1 -ALL", "pass"),
        ("v=spf1  ip4:192.0.2.1", "pass"),
        ("v=spf10 -all", "none"),
        ("v=spf2.0/mfrom +all", "none"),
        ("v=spf1 -ip4:192.0.2.1 +all", "fail"),
        ("v=spf1 unknown=x +all", "pass"),
        ("v=spf1 +all redirect=b.example", "pass"),
    ],
)
def test_a_record_is_read(record: str, expected: str) -> None:
    """4.6, 5.1, 5.6, 6."""
    assert verdict_of(record) == expected


@pytest.mark.parametrize(
    "record",
    [
        "v=spf1 +all nonsense",
        "v=spf1 +all ip4:192.0.2.256",
        "v=spf1 +all ip4:192.0.2.1/33",
        "v=spf1 +all ip4:192.0.2.1/08",
        "v=spf1 +all ip4:2001:db8::1",
        "v=spf1 +all ip4",
        "v=spf1 +all include",
        "v=spf1 +all include:",
        "v=spf1 +all a:",
        "v=spf1 +all a/33",
        "v=spf1 +all mx//129",
        "v=spf1 +all all:x",
        "v=spf1 +all exists:%{x}.example",
        "v=spf1 +all exists:%{c}.example",
        "v=spf1 +all exists:%{d0}.example",
        "v=spf1 +all exists:100%.example",
        "v=spf1 +all redirect=b.example redirect=c.example",
        "v=spf1 +all \u2013all",
        "v=spf1 +all ptr/24",
    ],
)
def test_a_slip_anywhere_makes_a_record_unusable(record: str) -> None:
    """4.6: not only where it is reached."""
    assert verdict_of(record) == "permerror"


def test_two_records_are_none_to_choose_from() -> None:
    """4.5."""
    zone: Zone = {("a.example", "TXT"): ["v=spf1 +all", "v=spf1 -all"]}
    assert run(zone, "192.0.2.1", "sari@a.example")[0] == "permerror"


def test_a_and_mx_are_looked_up_with_their_lengths() -> None:
    """5.3, 5.4."""
    assert verdict_of("v=spf1 a -all", A__a_example=["192.0.2.1"]) == "pass"
    assert verdict_of("v=spf1 a:h.b.example -all", A__h_b_example=["192.0.2.9"]) == "fail"
    assert verdict_of("v=spf1 a:h.b.example/24 -all", A__h_b_example=["192.0.2.9"]) == "pass"
    six = verdict_of("v=spf1 a//64 -all", "2001:db8::7", AAAA__a_example=["2001:db8::1"])
    assert six == "pass"
    assert verdict_of("v=spf1 a//64 -all", "2001:db8:1::7", AAAA__a_example=["2001:db8::1"]) == (
        "fail"
    )
    mx = {"MX__a_example": ["m1.a.example", "m2.a.example"], "A__m2_a_example": ["192.0.2.1"]}
    assert verdict_of("v=spf1 mx -all", **mx) == "pass"
    many = [f"m{n}.a.example" for n in range(11)]
    assert verdict_of("v=spf1 mx -all", MX__a_example=many) == "permerror"


@pytest.mark.parametrize(
    ("included", "expected"),
    [
        (["v=spf1 ip4:192.0.2.1 -all"], "pass"),
        (["v=spf1 -all"], "softfail"),
        (["v=spf1 ~all"], "softfail"),
        (["v=spf1 ?all"], "softfail"),
        (["v=spf1 nonsense"], "permerror"),
        ([], "permerror"),
        (FAILS, "temperror"),
    ],
)
def test_an_include_matches_only_what_passes_there(included: list[str], expected: str) -> None:
    """5.2, the table."""
    assert verdict_of("v=spf1 include:b.example ~all", TXT__b_example=included) == expected


def test_a_redirect_speaks_for_the_domain() -> None:
    """6.1."""
    record = "v=spf1 redirect=b.example"
    assert verdict_of(record, TXT__b_example=["v=spf1 ip4:192.0.2.1 -all"]) == "pass"
    assert verdict_of(record, TXT__b_example=["v=spf1 -all"]) == "fail"
    assert verdict_of(record) == "permerror"


def test_exists_and_ptr() -> None:
    """5.5, 5.7."""
    there = {"A__1_2_0_192_b_example": ["127.0.0.2"]}
    assert verdict_of("v=spf1 exists:%{ir}.b.example -all", **there) == "pass"
    zone: Zone = {
        ("a.example", "TXT"): ["v=spf1 ptr -all"],
        ("192.0.2.1", "PTR"): ["mx.a.example", "mx.evil.example"],
        ("mx.a.example", "A"): ["192.0.2.1"],
    }
    assert run(zone, "192.0.2.1", "sari@a.example")[0] == "pass"
    zone["mx.a.example", "A"] = ["192.0.2.2"]  # whoever owns the address can name it as they like
    assert run(zone, "192.0.2.1", "sari@a.example")[0] == "fail"


@pytest.mark.parametrize(
    ("macro", "name"),
    [
        ("%{s}", "strong-bad@email.example.com"),
        ("%{o}", "email.example.com"),
        ("%{d4}", "email.example.com"),
        ("%{d2}", "example.com"),
        ("%{d1}", "com"),
        ("%{dr}", "com.example.email"),
        ("%{d2r}", "example.email"),
        ("%{l}", "strong-bad"),
        ("%{l-}", "strong.bad"),
        ("%{lr}", "strong-bad"),
        ("%{lr-}", "bad.strong"),
        ("%{l1r-}", "strong"),
        ("%{ir}.%{v}", "3.2.0.192.in-addr"),
        ("%{h}", "mx.a.example"),
        ("%%", "%"),
    ],
)
def test_macros_expand_as_the_examples_do(macro: str, name: str) -> None:
    """7.4."""
    check = check_host("192.0.2.3", "strong-bad@email.example.com", "mx.a.example")
    assert next(check) == Question("email.example.com", "TXT")
    asked = check.send(Answer((f"v=spf1 exists:{macro}.x.example -all",)))
    assert asked == Question(f"{name}.x.example", "A")


def test_ten_terms_and_two_voids_are_the_most() -> None:
    """4.6.4."""
    names = [f"h{n}.b.example" for n in range(12)]
    zone: Zone = {(name, "A"): ["198.51.100.1"] for name in names}

    def verdict(count: int, zone: Zone) -> Verdict:
        terms = " ".join(f"a:{name}" for name in names[:count])
        return run(
            zone | {("a.example", "TXT"): [f"v=spf1 {terms} +all"]}, "192.0.2.1", "s@a.example"
        )[0]

    assert (verdict(10, zone), verdict(11, zone)) == ("pass", "permerror")
    assert (verdict(2, {}), verdict(3, {})) == ("pass", "permerror")


def test_a_record_that_includes_itself_ends() -> None:
    zone: Zone = {("a.example", "TXT"): ["v=spf1 include:a.example include:a.example -all"]}
    verdict, asked = run(zone, "192.0.2.1", "sari@a.example")
    assert (verdict, asked) == ("permerror", MOST_TERMS + 1)


@pytest.mark.parametrize("domain", ["localhost", "a..example", "x" * 64 + ".org", "bücher.example"])
def test_what_is_no_domain_has_no_record(domain: str) -> None:
    """4.3."""
    assert run({}, "192.0.2.1", f"sari@{domain}") == (Verdict.NONE, 0)


def test_the_null_sender_is_checked_by_its_helo_name() -> None:
    """2.4."""
    zone: Zone = {("mx.a.example", "TXT"): ["v=spf1 ip4:192.0.2.1 -all"]}
    assert run(zone, "192.0.2.1", "", "mx.a.example")[0] == "pass"


def test_an_ipv4_client_may_come_in_ipv6_form() -> None:
    assert verdict_of("v=spf1 ip4:192.0.2.1 -all", "::ffff:192.0.2.1") == "pass"


def test_a_domain_that_does_not_answer_is_asked_again_later() -> None:
    """2.6.6."""
    assert verdict_of("v=spf1 a -all", A__a_example=FAILS) == "temperror"


RECORDS = st.lists(
    st.sampled_from(
        [
            *("a", "mx", "ptr", "+all", "-all", "ip4:192.0.2.1", "include:a.example", "a:%{d}"),
            *("exists:%{ir}.%{l-}", "redirect=a.example", "%", "ip6:::1", "mx:b.example//1", "/"),
        ]
    )
    | st.text(max_size=12),
    max_size=15,
)


@given(RECORDS, st.sampled_from(["192.0.2.1", "2001:db8::1"]))
def test_whatever_a_record_says_a_check_ends_within_its_limits(
    terms: list[str], client: str
) -> None:
    """F1."""
    zone: Zone = {
        ("a.example", "TXT"): ["v=spf1 " + " ".join(terms)],
        ("a.example", "MX"): ["m.a.example"],
    }
    verdict, asked = run(zone, client, "sari@a.example")
    assert verdict in set(Verdict)
    assert asked <= 1 + MOST_TERMS * 11
