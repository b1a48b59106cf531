"""How played providers take single messages: tolerance, greylisting, blocks, lists, complaints."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import dns.message
import pytest

from merpati.sandbox.behaviour import Refuse
from merpati.sandbox.blocklists import query_name
from merpati.sandbox.dns_answers import DnsAnswers
from merpati.sandbox.opinions import DAY_MS, MINUTE_MS, Opinions
from merpati.sandbox.people import reaction
from merpati.sandbox.providers_file import PlayedBlocklist, PlayedProvider, ProvidersFile
from merpati.sandbox.texts import all_texts

IP, OTHER = "127.0.0.2", "127.0.0.3"
WORDS = all_texts()["google"]


class Scene:
    def __init__(self, blocklist: PlayedBlocklist | None = None, **keys: Any) -> None:
        calm = {"noise": 0.0, "background_deferral": 0.0, "unknown_user_share": 0.0}
        self.provider = PlayedProvider(
            name="G", like="google", domains=["g.test"], **{**calm, **keys}
        )
        self.now = 20_000 * DAY_MS
        file = ProvidersFile([self.provider], [blocklist] if blocklist else [])
        self.opinions = Opinions(file, 1, lambda: self.now)

    def say(self, ip: str = IP, who: str = "sari") -> str:
        steps = self.opinions.steps(ip, f"{who}@G.test")
        replies = [step.reply for step in steps if isinstance(step, Refuse)]
        return replies[0] if replies else ""

    def counts(self, messages: int) -> Counter[str]:
        return Counter(self.say(who=f"u{n}") for n in range(messages))


def test_mail_within_the_tolerance_is_taken_then_deferred_then_blocked() -> None:
    scene = Scene(start_per_day=100, softness=0.0, block_at=2.0)
    assert scene.counts(100) == {"": 100}
    assert scene.counts(99) == {WORDS.rate.reply: 99}
    assert set(scene.counts(20)) == {WORDS.rate.reply, WORDS.block.reply}
    assert scene.say(OTHER) == ""  # each IP has a name of its own


def test_deferrals_begin_softly_and_single_messages_add_up_as_many_do() -> None:
    scene = Scene(start_per_day=1000, softness=1.0, block_at=50)
    said = scene.counts(2000)
    assert said[WORDS.rate.reply] == pytest.approx(500, rel=0.15)


def test_a_well_used_day_earns_growth() -> None:
    scene = Scene(start_per_day=100, growth_per_day=2.0)
    scene.counts(100)
    scene.now += DAY_MS
    assert scene.opinions.tolerance(scene.provider, IP) == 200


def test_a_block_lasts_and_ends() -> None:
    scene = Scene(start_per_day=10, block_at=1.5, block_days=0.5)
    scene.counts(20)
    assert scene.say() == WORDS.block.reply
    scene.now += DAY_MS
    assert scene.say() == ""


def test_greylisting_lets_in_who_comes_back_and_knows_them_later() -> None:
    scene = Scene(greylist_minutes=5)
    people = [f"u{n}" for n in range(5)]
    assert {scene.say(who=one) for one in people} == {WORDS.greylist.reply}
    scene.now += 5 * MINUTE_MS
    assert {scene.say(who=one) for one in people} == {""}
    assert scene.say(who="somebody new") == ""


def test_an_unknown_user_stays_unknown() -> None:
    scene = Scene(unknown_user_share=0.5)
    first = [scene.say(who=f"u{n}") for n in range(50)]
    assert first == [scene.say(who=f"u{n}") for n in range(50)]
    assert set(first) == {"", WORDS.reject.reply}


def test_only_registered_ips_are_taken() -> None:
    scene = Scene(registered_ips=[IP])
    assert scene.say(IP) == ""
    assert scene.say(OTHER) == WORDS.block.reply


def test_too_many_complaints_put_an_ip_on_the_blocklist_which_dns_tells() -> None:
    blocklist = PlayedBlocklist(zone="bl.test", complaints=3, listed_hours=2, listed=[OTHER])
    scene = Scene(blocklist, blocklists=["bl.test"])
    answers = DnsAnswers()
    assert "blocked using bl.test" in scene.say(OTHER)
    for _ in range(3):
        assert scene.say(IP) == ""
        scene.opinions.complain(scene.provider, IP)
    assert "blocked using bl.test" in scene.say(IP)
    scene.opinions.blocklists.publish(answers, scene.now)
    assert query_name("bl.test", IP) == "2.0.0.127.bl.test"
    assert {name for name, _ in listed(answers)} == {"2.0.0.127.bl.test", "3.0.0.127.bl.test"}
    scene.now += 2 * 60 * MINUTE_MS
    assert scene.say(IP) == ""
    scene.opinions.blocklists.publish(answers, scene.now)
    assert {name for name, _ in listed(answers)} == {"3.0.0.127.bl.test"}


def listed(answers: DnsAnswers) -> set[tuple[str, str]]:
    found = set()
    for ip in (IP, OTHER):
        name = query_name("bl.test", ip)
        answer = answers.message(dns.message.make_query(name, "A").to_wire())
        assert answer is not None
        found |= {(name, str(rr)) for rrset in answer.answer for rr in rrset}
    return found


def test_complaints_cost_trust() -> None:
    def after(complaints: int) -> int:
        scene = Scene(start_per_day=1000, complaint_limit=0.003, complaint_cost=0.5)
        scene.counts(900)
        for _ in range(complaints):
            scene.opinions.complain(scene.provider, IP)
        scene.now += DAY_MS
        return scene.opinions.tolerance(scene.provider, IP)

    assert after(10) < after(0)


def test_people_react_in_the_shares_that_the_file_says() -> None:
    provider = PlayedProvider(
        name="x", domains=["x"], complaint_share=0.1, open_share=0.5, click_share=0.2
    )
    random = Random(1)
    drawn = [reaction(provider, random) for _ in range(5000)]
    complaints = sum(one.complains_after is not None for one in drawn)
    clicks = sum(one.is_clicked for one in drawn)
    opens = sum(one.is_opened for one in drawn)
    assert complaints == pytest.approx(500, rel=0.15)
    assert clicks == pytest.approx(900, rel=0.15)
    assert opens == pytest.approx(4500 * (0.2 + 0.8 * 0.5), rel=0.1)
    assert not any(one.is_opened and one.complains_after is not None for one in drawn)
