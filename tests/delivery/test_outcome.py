"""What replies mean: the outcome tables."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merpati.delivery.outcome import Bounced, Deferred, Delivered, Reply, Stage, outcome_of
from merpati.providers.bounce_class import Scope

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
    ("reply", "stage", "provider", "bounce_class"),
    [
        pytest.param(
            Reply(550, "5.7.1", "likely unsolicited mail"), Stage.DOT, "google", 52, id="content"
        ),
        pytest.param(
            Reply(550, "5.7.1", "part of their network is on our block list (S3140)"),
            *(Stage.RCPT, "outlook-consumer", 51),
            id="IP",
        ),
    ],
)
def test_a_refusal_that_blames_ip_or_content_is_a_block_and_never_the_recipients_fault(
    reply: Reply, stage: Stage, provider: str, bounce_class: int
) -> None:
    outcome = outcome_of(reply, stage, provider)
    assert isinstance(outcome, Bounced)
    assert outcome.bounce_class == bounce_class
    assert not outcome.bounce_class.is_hard
    assert outcome.reading is not None
    assert outcome.reading.scope in (Scope.SENDING_IP, Scope.MESSAGE)


def test_a_5yz_that_means_too_fast_defers() -> None:
    outcome = outcome_of(Reply(550, None, "Ip frequency limited"), Stage.RCPT, "tencent-qq")
    assert isinstance(outcome, Deferred)
    assert outcome.reading is not None
    assert (outcome.reading.bounce_class, outcome.reading.cause) == (70, "rate")
