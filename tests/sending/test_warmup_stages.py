from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merpati.sending.errors import WarmupStageRefused
from merpati.sending.warmup_stages import changed_stage


@pytest.mark.parametrize(
    ("enabled", "current", "wants_enabled", "wants_stage", "answer"),
    [
        pytest.param(False, None, None, None, (False, None), id="nothing wanted of a warm IP"),
        pytest.param(True, 5, None, None, (True, 5), id="nothing wanted of a warming one"),
        pytest.param(False, None, True, None, (True, 1), id="switched on begins at the first"),
        pytest.param(False, 7, True, None, (True, 7), id="switched on again goes on"),
        pytest.param(True, 7, False, None, (False, 7), id="switched off remembers its stage"),
        pytest.param(True, 5, None, 5, (True, 5), id="the same stage"),
        pytest.param(True, 5, None, 2, (True, 2), id="a step back"),
        pytest.param(False, None, True, 12, (True, 12), id="a warm IP slowed down"),
        pytest.param(False, 30, True, 29, (True, 29), id="a finished one slowed down"),
    ],
)
def test_a_warm_up_changes(
    enabled: bool,
    current: int | None,
    wants_enabled: bool | None,
    wants_stage: int | None,
    answer: tuple[bool, int | None],
) -> None:
    assert changed_stage(enabled, current, wants_enabled, wants_stage) == answer


@pytest.mark.parametrize(
    ("enabled", "wants_enabled", "wants_stage", "text"),
    [
        (True, None, 6, "auto_warmup_stage must be less than or equal to 5"),
        (True, None, 0, "auto_warmup_stage must be between 1 and 29"),
        (True, None, 30, "auto_warmup_stage must be between 1 and 29"),
        (False, None, 3, "auto_warmup_enabled must be true to update auto_warmup_stage"),
        (True, False, 3, "auto_warmup_enabled must be true to update auto_warmup_stage"),
    ],
)
def test_a_refusal_uses_sparkposts_words(
    enabled: bool, wants_enabled: bool | None, wants_stage: int, text: str
) -> None:
    with pytest.raises(WarmupStageRefused) as refused:
        changed_stage(enabled, 5, wants_enabled, wants_stage)
    assert refused.value.message == text
    assert refused.value.field == "auto_warmup_stage"


@given(st.integers(1, 30), st.sampled_from([None, True, False]), st.integers(-2, 40))
def test_no_request_skips_stages(
    current: int, wants_enabled: bool | None, wants_stage: int
) -> None:
    try:
        _, stage = changed_stage(True, current, wants_enabled, wants_stage)
    except WarmupStageRefused:
        return
    assert stage is not None
    assert 1 <= stage <= min(current, 29)
