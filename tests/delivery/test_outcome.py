"""What replies mean: the outcome tables."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merpati.delivery.outcome import Bounced, Deferred, Delivered, Reply, Stage, outcome_of
from merpati.providers.replies import BounceClass, classify

STAGES = [Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.DOT]


@pytest.mark.parametrize(
    ("code", "stage", "kind"),
    [
        (250, Stage.DOT, Delivered),
        (251, Stage.DOT, Delivered),
        (354, Stage.DOT, Deferred),
        (421, Stage.DOT, Deferred),
        (450, Stage.RCPT, Deferred),
        (550, Stage.RCPT, Bounced),
        (550, Stage.DATA, Bounced),
        (554, Stage.DOT, Bounced),
        (554, Stage.MAIL, Deferred),
        (554, Stage.BANNER, Deferred),
        (554, Stage.EHLO, Deferred),
        (250, Stage.DATA, Deferred),
        (250, Stage.RCPT, Deferred),
    ],
)
def test_outcome_by_code_and_stage(code: int, stage: Stage, kind: type) -> None:
    assert isinstance(outcome_of(Reply(code, None, "text"), stage), kind)


@given(st.integers(200, 599), st.sampled_from(list(Stage)))
def test_only_2yz_to_the_dot_delivers_and_only_5yz_bounces(code: int, stage: Stage) -> None:
    outcome = outcome_of(Reply(code, None, ""), stage)
    assert isinstance(outcome, Delivered) == (code // 100 == 2 and stage is Stage.DOT)
    if isinstance(outcome, Bounced):
        assert code // 100 == 5
        assert stage in (Stage.RCPT, Stage.DATA, Stage.DOT)


@pytest.mark.parametrize(
    ("code", "enhanced", "text", "at_rcpt", "expected"),
    [
        (550, "5.1.1", "", True, 10),
        (550, "5.1.10", "", True, 10),
        (550, "5.1.2", "", True, 10),
        (553, "5.1.8", "", True, 50),
        (550, "5.2.1", "", True, 10),
        (552, "5.2.2", "", True, 22),
        (552, "5.2.3", "", False, 23),
        (552, "5.3.4", "", False, 23),
        (550, "5.4.4", "", True, 21),
        (554, "5.4.6", "", False, 40),
        (554, "5.4.7", "", False, 24),
        (550, "5.5.0", "", False, 40),
        (452, "4.5.3", "", True, 70),
        (554, "5.6.0", "", False, 50),
        (550, "5.6.7", "", True, 40),
        (550, "5.7.1", "", False, 50),
        (550, "5.7.26", "", False, 50),
        (550, "5.7.28", "", False, 51),
        (550, "5.7.13", "", True, 10),
        (550, "5.9.9", "No such user", True, 10),  # unknown subject: the basic code decides
        (550, None, "User unknown", True, 10),
        (550, None, "<a@b.example>: Recipient address rejected", True, 40),
        (550, None, "rejected", False, 50),
        (551, None, "", True, 10),
        (552, None, "", True, 22),
        (552, None, "", False, 23),
        (553, None, "", True, 10),
        (553, None, "", False, 50),
        (554, None, "", True, 50),
        (556, None, "", True, 10),
        (521, None, "", True, 10),
        (503, None, "", True, 40),
        (421, None, "", True, 70),
        (599, None, "", True, 1),
    ],
)
def test_classes(code: int, enhanced: str | None, text: str, at_rcpt: bool, expected: int) -> None:
    assert classify(code, enhanced, text, at_rcpt) is BounceClass(expected)


@given(st.integers(200, 599), st.text(max_size=12), st.text(max_size=40), st.booleans())
def test_any_reply_has_a_class(code: int, enhanced: str, text: str, at_rcpt: bool) -> None:
    assert classify(code, enhanced, text, at_rcpt) in BounceClass
