"""The sandbox's words are read by delivery as what they are meant to be."""

from __future__ import annotations

import pytest

from merpati.delivery.outcome import Bounced, Deferred, Outcome, Stage, outcome_of
from merpati.delivery.protocol import ReplyReader, reply_of
from merpati.providers.bounce_class import BounceClass, Scope
from merpati.sandbox.dialogue import on_the_wire
from merpati.sandbox.texts import Moment, Text, all_texts

STAGES = {Moment.RCPT: Stage.RCPT, Moment.DOT: Stage.DOT}
EVERY = [pytest.param(name, id=name) for name in all_texts()]


def outcome(provider: str, text: Text) -> Outcome:
    (raw,) = ReplyReader().feed(on_the_wire(text.reply))
    return outcome_of(reply_of(raw), STAGES[text.at], provider)


@pytest.mark.parametrize("provider", EVERY)
def test_a_provider_is_read_as_it_means_it(provider: str) -> None:
    """What the sandbox says, read by who hears it: class, and whether it waits."""
    texts = all_texts()[provider]
    rejected, full = outcome(provider, texts.reject), outcome(provider, texts.full)
    assert isinstance(rejected, Bounced) and rejected.bounce_class is BounceClass.INVALID_RECIPIENT
    assert isinstance(full, Bounced) and full.bounce_class is BounceClass.MAILBOX_FULL
    spam = outcome(provider, texts.spam)
    assert isinstance(spam, Bounced) and spam.bounce_class is BounceClass.SPAM_CONTENT
    for text in (texts.rate, texts.tempfail, texts.greylist):
        assert isinstance(outcome(provider, text), Deferred), text.reply


@pytest.mark.parametrize("provider", EVERY)
def test_a_block_blames_the_sending_ip_and_never_the_recipient(provider: str) -> None:
    blocked = outcome(provider, all_texts()[provider].block)
    assert isinstance(blocked, Bounced | Deferred) and blocked.reading is not None
    assert blocked.reading.scope is Scope.SENDING_IP
    assert not blocked.reading.bounce_class.is_hard
