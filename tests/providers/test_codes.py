"""What the codes of a reply say where its text says nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merpati.providers.bounce_class import BounceClass
from merpati.providers.codes import meaning_of_codes
from merpati.providers.phase import Phase

BEFORE, RCPT, MESSAGE = Phase.BEFORE_RCPT, Phase.RCPT, Phase.MESSAGE


@pytest.mark.parametrize(
    ("code", "enhanced", "phase", "expected"),
    [
        (550, "5.1.1", RCPT, 10),
        (550, "5.1.10", RCPT, 10),
        (550, "5.1.2", RCPT, 10),
        (553, "5.1.8", RCPT, 50),
        (550, "5.2.1", RCPT, 10),
        (552, "5.2.2", RCPT, 22),
        (552, "5.2.3", MESSAGE, 23),
        (552, "5.3.4", MESSAGE, 23),
        (550, "5.4.4", RCPT, 21),
        (554, "5.4.6", MESSAGE, 40),
        (554, "5.4.7", MESSAGE, 24),
        (550, "5.5.0", MESSAGE, 40),
        (452, "4.5.3", RCPT, 70),
        (554, "5.6.0", MESSAGE, 50),
        (550, "5.6.7", RCPT, 40),
        (550, "5.7.1", MESSAGE, 50),
        (550, "5.7.26", MESSAGE, 50),
        (550, "5.7.28", MESSAGE, 51),
        (550, "5.7.13", RCPT, 10),
        (550, None, RCPT, 40),
        (550, None, MESSAGE, 50),
        (551, None, RCPT, 10),
        (552, None, RCPT, 22),
        (552, None, MESSAGE, 23),
        (553, None, RCPT, 10),
        (553, None, MESSAGE, 50),
        (554, None, RCPT, 50),
        (556, None, RCPT, 10),
        (521, None, RCPT, 10),
        (503, None, RCPT, 40),
        (421, None, RCPT, 70),
        (599, None, RCPT, 1),
        (450, "4.3.2", RCPT, 70),
        (554, "5.3.2", RCPT, 40),
        (550, "5.9.9", RCPT, 40),  # unknown subject: the basic code decides
        (550, "5.1.9", MESSAGE, 50),  # a success report in a refusal says nothing
        (550, "5.7.99", RCPT, 50),
        (550, "5.5.99", RCPT, 40),
        (550, None, BEFORE, 50),
        (552, None, BEFORE, 23),
        (553, None, BEFORE, 50),
    ],
)
def test_classes(code: int, enhanced: str | None, phase: Phase, expected: int) -> None:
    assert meaning_of_codes(code, enhanced, phase)[0] is BounceClass(expected)


@given(st.integers(200, 599), st.text(max_size=12), st.sampled_from(Phase))
def test_any_codes_have_a_class(code: int, enhanced: str, phase: Phase) -> None:
    assert meaning_of_codes(code, enhanced, phase)[0] in BounceClass
